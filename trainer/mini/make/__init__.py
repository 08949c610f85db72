"""How flux-mini, its demo data set and their measurements are made: one module a step (../README.md has the order)."""
