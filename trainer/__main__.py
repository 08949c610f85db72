"""Trains one LoRA: `python -m trainer outputs/<name>/config.toml [--resume <state>]`, also under `accelerate launch`.
The same on several GPUs: `python -m trainer launch --processes 2 outputs/<name>/config.toml`.
Writes a LoRA's file in another form: `python -m trainer convert IN OUT --to kohya`.
Writes captions for the images of a data set: `python -m trainer caption FOLDER`.
Tells what a training will need: `python -m trainer estimate outputs/<name>/config.toml`.

Exit codes: 0 finished, 1 it broke, 2 something was wrong with what it was given, 143 stopped and resumable."""

import argparse
import sys
from pathlib import Path

from trainer.report import quiet_libraries

quiet_libraries()
from trainer.start import start  # noqa: E402  after the libraries were told to be quiet

if __name__ == "__main__":
    if sys.argv[1:2] == ["launch"]:
        from trainer.launch import main as launch

        sys.exit(launch(sys.argv[2:]))
    if sys.argv[1:2] == ["convert"]:
        from trainer.convert import main as convert

        sys.exit(convert(sys.argv[2:]))
    if sys.argv[1:2] == ["caption"]:
        from trainer.caption import main as caption

        sys.exit(caption(sys.argv[2:]))
    if sys.argv[1:2] == ["estimate"]:
        from trainer.estimate import main as estimate

        sys.exit(estimate(sys.argv[2:]))
    also = "Also: launch, convert, caption, estimate."
    parser = argparse.ArgumentParser(prog="python -m trainer", description=f"Trains one LoRA. {also}")
    parser.add_argument("config", type=Path, help="config.toml in the run's folder")
    parser.add_argument("--resume", type=Path, help="a state in the run's folder to go on from")
    options = parser.parse_args()
    sys.exit(start(options.config, options.resume))
