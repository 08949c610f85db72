"""flux-mini: a FLUX of a few million weights, its demo data set and the demo's settings (README.md beside this file)."""

from pathlib import Path

_HERE = Path(__file__).parent

MODEL = _HERE / "flux-mini"  # FLUX.1 in diffusers format, fp16, 11.3 MB
DATASET = _HERE / "demo-dataset"  # twelve captioned images of a robot that the model has never seen
REGULARISATION = DATASET / "regularisation"  # 48 captioned images of things that it knows
DEMO = _HERE / "demo.toml"  # settings of the demo training
