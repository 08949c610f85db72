"""Work that takes minutes and is no training: captions, downloads, publishing. A job is a folder and a process, as a run is."""
