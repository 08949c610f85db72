"""FluxGym in a terminal: the verbs of `python -m fluxgym`, by what they are for. The dashboard asks the same functions."""
