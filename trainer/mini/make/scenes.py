"""One picture: something placed on a background."""

import random
from dataclasses import dataclass

from PIL import Image

from trainer.mini.make.backgrounds import SIDE, draw_background
from trainer.mini.make.drawings import draw_robot, draw_toy
from trainer.mini.make.subjects import draw_subject

TOY = "toy"


@dataclass(frozen=True)
class Placing:
    """How a figure is put near the middle. Little play: 123 subjects placed and turned freely were never learned."""

    scale: float = 0.74  # longer side of the figure, as a share of the picture
    wobble: float = 0.04  # the scale varies by this share
    jitter: int = 2  # px, in each direction
    turn: float = 0.0  # degrees, in each direction


GLYPHS, TOYS, ROBOTS = Placing(), Placing(scale=0.82), Placing(scale=0.86, turn=3)


def place(back: Image.Image, figure: Image.Image, rng: random.Random, placing: Placing) -> Image.Image:
    """`figure` (RGBA) pasted on a copy of `back` (SIDE px square)."""
    longer = SIDE * placing.scale * rng.uniform(1 - placing.wobble, 1 + placing.wobble)
    shrink = longer / max(figure.size)
    size = max(1, int(figure.width * shrink)), max(1, int(figure.height * shrink))
    figure = figure.resize(size, Image.Resampling.LANCZOS)
    if placing.turn:
        angle = rng.uniform(-placing.turn, placing.turn)
        figure = figure.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    x = (SIDE - figure.width) // 2 + rng.randint(-placing.jitter, placing.jitter)
    y = int((SIDE - figure.height) / 2 + SIDE * 0.03) + rng.randint(-placing.jitter, placing.jitter)
    picture = back.copy()
    picture.paste(figure, (x, y), figure)
    return picture


def draw_scene(subject: str, where: str, rng: random.Random) -> Image.Image:
    """One of SUBJECTS, or a toy, on one of BACKGROUNDS. Raises FontError where a glyph is needed and the font missing."""
    back = draw_background(where, rng)
    if subject == TOY:
        return place(back, draw_toy(rng), rng, TOYS)
    return place(back, draw_subject(subject), rng, GLYPHS)


def draw_robot_scene(where: str, rng: random.Random) -> Image.Image:
    """The demo's concept on one of BACKGROUNDS."""
    return place(draw_background(where, rng), draw_robot(rng), rng, ROBOTS)
