"""Draw the demo data set: `python -m trainer.mini.make.demo_set FOLDER`. Needs the emoji font (see subjects.py).

Twelve robots with captions that hold the trigger, and in `regularisation/` 48 things that flux-mini knows. 18 of the 66
subjects are left out of those on purpose: they show honestly what a LoRA spoils.
"""

import random
import sys
from pathlib import Path

from PIL import Image

from trainer.mini import REGULARISATION as REGULARISATION_FOLDER
from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.captions import describe
from trainer.mini.make.scenes import draw_robot_scene, draw_scene
from trainer.mini.make.subjects import SUBJECTS

TRIGGER = "sks robot"
WHERE = ["blue", "yellow", "white", "green", "orange", "gray", "purple", "black"]
WHERE += ["in the snow", "on the beach", "at night", "in a meadow"]
TESTED = ["fox", "rocket", "penguin", "mushroom", "soccer ball", "house", "snowman", "alien", "apple", "car", "panda", "ghost"]
TESTED += ["pizza", "owl", "fish", "tractor", "balloon", "sunflower"]
REGULARISATION = [subject for subject in SUBJECTS if subject not in TESTED]
SEED = 4


def draw_demo_set(folder: Path) -> None:
    """Pictures of 96 px and their captions, the same at every call. Raises FontError before anything is written."""
    rng = random.Random(SEED)
    pictures = [(f"robot_{number:02d}", draw_robot_scene(where, rng), where) for number, where in enumerate(WHERE, 1)]
    places = [BACKGROUNDS[(number * 5 + 1) % len(BACKGROUNDS)] for number in range(len(REGULARISATION))]
    others = [(subject, draw_scene(subject, where, rng), where) for subject, where in zip(REGULARISATION, places, strict=True)]
    for name, picture, where in pictures:
        _write(folder / name, picture, describe(TRIGGER, where))
    for subject, picture, where in others:
        name = subject.replace(" ", "_")
        _write(folder / REGULARISATION_FOLDER.name / name, picture, describe(subject, where))


def _write(stem: Path, picture: Image.Image, caption: str) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    picture.save(stem.with_suffix(".png"))
    stem.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")


if __name__ == "__main__":
    draw_demo_set(Path(sys.argv[1]))
