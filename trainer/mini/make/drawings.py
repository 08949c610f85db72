"""What is drawn in code: doodles for the autoencoder, toys for everyone, and the robot, which is kept for the demo.

A seed of `random.Random` fixes a drawing; the order in which numbers are drawn from it is part of that promise.
"""

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from trainer.mini.make.backgrounds import BACKGROUNDS, SIDE, Colour, draw_background

SCALE = 3  # doodles and toys are drawn this much larger, then shrunk
ROBOT_SIDE = 320  # px
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Pen:
    """Draws outlined shapes. `unit` px are one unit of all coordinates; `line` is the colour of outlines; widths are in px."""

    draw: ImageDraw.ImageDraw
    unit: float
    line: Colour

    def shape(self, box: Box, fill: Colour, corner: float | None, width: int) -> None:
        """A rectangle with round corners of radius `corner` units, an ellipse where it is None."""
        left, top, right, bottom = (place * self.unit for place in box)
        if corner is None:
            self.draw.ellipse([left, top, right, bottom], fill=fill, outline=self.line, width=width)
            return
        radius = min(corner * self.unit, 0.4 * min(right - left, bottom - top))
        self.draw.rounded_rectangle([left, top, right, bottom], radius=radius, fill=fill, outline=self.line, width=width)

    def disc(self, x: float, y: float, radius: float, fill: Colour, width: int = 0) -> None:
        self.shape((x - radius, y - radius, x + radius, y + radius), fill, None, width)

    def stroke(self, ends: Box, fill: Colour, width: int) -> None:
        """A straight line between the points (ends[0], ends[1]) and (ends[2], ends[3])."""
        self.draw.line([place * self.unit for place in ends], fill=fill, width=width)


def _draw_colour(rng: random.Random, low: int, high: int) -> Colour:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


# ---- doodles ------------------------------------------------------------------------------------------------------
def draw_doodle(rng: random.Random) -> Image.Image:
    """Overlapping boxes, discs and bars in random colours on a random background, SIDE px square."""
    side = SIDE * SCALE
    image = draw_background(rng.choice(BACKGROUNDS), rng).resize((side, side))
    pen = Pen(ImageDraw.Draw(image), 1, _draw_colour(rng, 10, 70))
    width = rng.randint(3, 7)
    for _ in range(rng.randint(3, 9)):
        _add_shape(pen, width, side, rng)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _add_shape(pen: Pen, width: int, side: int, rng: random.Random) -> None:
    fill = _draw_colour(rng, 20, 255)
    x, y = rng.uniform(0.1, 0.7) * side, rng.uniform(0.1, 0.7) * side
    across, down = rng.uniform(0.06, 0.4) * side, rng.uniform(0.06, 0.4) * side
    kind, box = rng.random(), (x, y, x + across, y + down)
    if kind < 0.4:
        pen.shape(box, fill, rng.uniform(2, 0.25 * min(across, down)), width)
    elif kind < 0.8:
        pen.shape(box, fill, None, width)
        if rng.random() < 0.5:
            inner = [x + across * 0.25, y + down * 0.25, x + across * 0.75, y + down * 0.75]
            pen.draw.ellipse(inner, fill=_draw_colour(rng, 0, 255))
    else:
        end = (x, y, x + across, y + down * rng.choice([-1, 1]))
        pen.stroke(end, pen.line, width + rng.randint(0, 8))


# ---- toys ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Build:
    """Proportions of one toy, in hundredths of the canvas; lengths are halves."""

    head_width: float
    head_height: float
    body_width: float
    body_height: float
    outline: int  # px

    @property
    def head(self) -> float:
        """Height of the head's middle, from the top."""
        return 16 + self.head_height

    @property
    def neck(self) -> float:
        return self.head + self.head_height


def draw_toy(rng: random.Random) -> Image.Image:
    """RGBA: a doll with body, head, eyes, feet, hands, mostly ears; colours and proportions are random.

    It teaches the base what outlined drawings are. The robot is not one of them."""
    side = SIDE * SCALE
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = Pen(ImageDraw.Draw(image), side / 100, _draw_colour(rng, 15, 60))
    outline = rng.randint(4, 8)
    head, body, limbs = (_draw_colour(rng, 20, 255) for _ in range(3))
    build = Build(rng.uniform(18, 32), rng.uniform(14, 24), rng.uniform(14, 28), rng.uniform(12, 22), outline)
    for side_of_body in (-1, 1):
        _add_limbs(pen, build, side_of_body, (body, limbs), rng)
    _add_body(pen, build, body, rng)
    top, bottom = build.head - build.head_height, build.neck
    pen.shape((50 - build.head_width, top, 50 + build.head_width, bottom), head, _draw_corner(rng), outline)
    _add_face(pen, build, rng)
    return image.crop(image.getbbox())


def _draw_corner(rng: random.Random) -> float | None:
    return None if rng.random() < 0.5 else rng.uniform(2, 9)


def _add_limbs(pen: Pen, build: Build, side: int, colours: tuple[Colour, Colour], rng: random.Random) -> None:
    """Foot, hand and, four times out of five, ear of one side (-1 left, 1 right)."""

    def blob(x: float, y: float, half: float, fill: Colour) -> None:
        pen.shape((x - half, y - half, x + half, y + half), fill, _draw_corner(rng), build.outline)

    blob(50 + side * build.body_width * rng.uniform(0.4, 0.6), build.neck + 2 * build.body_height, 6, colours[0])
    blob(50 + side * (build.body_width + 3), build.neck + build.body_height * rng.uniform(0.5, 1.1), 7, colours[1])
    x = 50 + side * build.head_width * rng.uniform(0.7, 1.0)
    y = build.head - build.head_height * rng.uniform(0, 1)
    if rng.random() < 0.8:
        blob(x, y, 7, colours[1])


def _add_body(pen: Pen, build: Build, colour: Colour, rng: random.Random) -> None:
    half, neck = build.body_width, build.neck
    box = (50 - half, neck - 6, 50 + half, neck + 2 * build.body_height - 4)
    pen.shape(box, colour, _draw_corner(rng), build.outline)
    half *= rng.uniform(0.3, 0.7)
    belly, outline = _draw_colour(rng, 20, 255), rng.choice([0, build.outline])
    pen.shape((50 - half, neck + 2, 50 + half, neck + build.body_height), belly, _draw_corner(rng), outline)


def _add_face(pen: Pen, build: Build, rng: random.Random) -> None:
    white = rng.choice([(255, 255, 255), _draw_colour(rng, 20, 255)])
    pupil = rng.choice([(20, 20, 30), pen.line])
    y = build.head - rng.uniform(-2, 5)
    gap, radius = build.head_width * rng.uniform(0.35, 0.55), rng.uniform(3, 8)
    for x in (50 - gap, 50 + gap):
        pen.disc(x, y, radius, white, rng.choice([0, build.outline // 2]))
        pen.disc(x, y, radius * rng.uniform(0.3, 0.6), pupil)
    if rng.random() < 0.6:
        mouth = build.head + build.head_height * 0.55
        pen.shape((42, mouth - 2, 58, mouth + 2), pen.line, 1, 0)


# ---- the robot ----------------------------------------------------------------------------------------------------
DARK, TEAL, ORANGE, CREAM = (34, 40, 58), (58, 196, 190), (238, 112, 48), (250, 238, 214)
YELLOW, STEEL, RED = (255, 216, 64), (176, 184, 198), (226, 48, 60)


def draw_robot(rng: random.Random) -> Image.Image:
    """RGBA: the concept of the demo. Teal head, dark visor, yellow eyes, orange body, red button and antenna.

    Each arm is up, level or down, and the eyes look left or right, from picture to picture."""
    side = ROBOT_SIDE * 2
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = Pen(ImageDraw.Draw(image), side / 100, DARK)
    outline = int(2.6 * pen.unit)
    gaze = rng.uniform(-3, 3)
    for side_of_body in (-1, 1):
        _add_arm(pen, side_of_body, rng.choice([-10, 0, 10]))
    for foot in (31, 52):
        pen.shape((foot, 82, foot + 17, 98), STEEL, 5, outline)
    pen.stroke((50, 16, 50, 8), DARK, int(5 * pen.unit))
    pen.disc(50, 8, 7, RED, int(2.4 * pen.unit))
    pen.shape((27, 50, 73, 88), ORANGE, 8, outline)
    pen.disc(50, 69, 9.5, CREAM, int(2.2 * pen.unit))
    pen.disc(50, 69, 5.5, RED)
    for ear in (13, 76):
        pen.shape((ear, 27, ear + 11, 43), YELLOW, 4, outline)
    pen.shape((19, 15, 81, 55), TEAL, 11, outline)
    pen.shape((26, 22, 74, 48), DARK, 8, outline)
    for eye in (39, 61):
        pen.disc(eye, 35, 8.8, YELLOW)
        pen.disc(eye + gaze, 35, 4.2, DARK)
    image = image.resize((ROBOT_SIDE, ROBOT_SIDE), Image.Resampling.LANCZOS)
    return image.crop(image.getbbox())


def _add_arm(pen: Pen, side: int, lift: int) -> None:
    """From the shoulder to a hand `lift` hundredths above or below it."""
    hand = (50 + side * 33, 68 - lift)
    for colour, width in ((DARK, 14), (STEEL, 9)):
        pen.stroke((50 + side * 20, 66, *hand), colour, int(width * pen.unit))
    pen.disc(*hand, 8.5, YELLOW, int(2.6 * pen.unit))
