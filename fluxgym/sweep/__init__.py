"""A sweep: one training for each combination of some settings' values, each a run of its own in a folder of its own."""
