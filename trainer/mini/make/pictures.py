"""Step 2, about a minute: draw the pictures. `python -m trainer.mini.make.pictures WORK`. Needs the emoji font.

Scenes are the transformer's data. Drawings are other pictures, which only the autoencoder sees.
"""

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.mini.make.backgrounds import BACKGROUNDS, draw_background
from trainer.mini.make.drawings import draw_doodle, draw_toy
from trainer.mini.make.parts import Work
from trainer.mini.make.scenes import TOY, Placing, draw_scene, place
from trainer.mini.make.subjects import SUBJECTS, draw_all_glyphs


@dataclass(frozen=True)
class Amounts:
    """How many pictures there are."""

    per_pair: int = 7  # of each subject on each background
    toys: int = 40  # on each background
    doodles: int = 1500
    loose_toys: int = 4000  # placed freely, for the autoencoder
    loose_glyphs: int = 3000


def draw_pictures(work: Work, amounts: Amounts) -> None:
    """Writes scenes (N, 96, 96, 3) uint8 with their [subject, background], and drawings of the same form."""
    rng = random.Random(33)
    rows = [(subject, where) for _ in range(amounts.per_pair) for where in BACKGROUNDS for subject in SUBJECTS]
    rows += [(TOY, where) for where in BACKGROUNDS * amounts.toys]
    np.save(work.scenes, np.stack([np.asarray(draw_scene(subject, where, rng)) for subject, where in rows]))
    work.rows.write_text(json.dumps(rows), encoding="utf-8")

    glyphs = draw_all_glyphs() if amounts.loose_glyphs else []
    drawings = [np.asarray(draw_doodle(rng)) for _ in range(amounts.doodles)]
    for number in range(amounts.loose_toys + amounts.loose_glyphs):
        back = draw_background(rng.choice(BACKGROUNDS), rng)
        figure: Image.Image = draw_toy(rng) if number < amounts.loose_toys else rng.choice(glyphs)
        drawings.append(np.asarray(place(back, figure, rng, Placing(rng.uniform(0.5, 0.95), jitter=5, turn=15))))
    np.save(work.drawings, np.stack(drawings))
    print(f"{len(rows):,} scenes and {len(drawings):,} drawings")


if __name__ == "__main__":
    draw_pictures(Work(Path(sys.argv[1])), Amounts())
