"""Images and captions in, a data set that can be learned from out."""
