"""How a FLUX LoRA is learned: `python -m trainer outputs/<name>/config.toml`. Needs torch; knows nothing of fluxgym."""
