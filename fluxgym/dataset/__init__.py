"""Images and captions in, a checked data set and the settings of a training out."""
