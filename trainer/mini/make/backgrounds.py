"""Where things stand: ten plain colours and eight scenes, each scene one row of a table and one small painter.

Coordinates are in px of a canvas twice as wide as the picture. A seed of `random.Random` fixes a background.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SIDE = 96  # px; the side of every picture that flux-mini is made from
Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (214, 58, 58),
    "orange": (240, 140, 50),
    "yellow": (248, 214, 80),
    "green": (84, 172, 96),
    "blue": (66, 128, 220),
    "purple": (142, 92, 196),
    "pink": (246, 160, 192),
    "white": (244, 244, 240),
    "black": (34, 34, 40),
    "gray": (150, 152, 158),
}


@dataclass(frozen=True)
class Canvas:
    """What a painter paints on: `width` px on each side, the horizon `horizon` px from the top.

    `spots` places stars, snow, flowers and bubbles. It has two layouts only: a model of this size cannot learn speckles
    that are anywhere."""

    draw: ImageDraw.ImageDraw
    width: int
    horizon: int
    spots: random.Random

    def fill(self, top: float, bottom: float, colour: Colour) -> None:
        """A band over the whole width."""
        self.draw.rectangle([0, top, self.width, bottom], fill=colour)

    def oval(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.draw.ellipse([left, top, right, bottom], fill=colour)

    def dots(self, count: int, band: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        for _ in range(count):
            x, y, radius = self._spot(band, radii)
            self.oval(x - radius, y - radius, x + radius, y + radius, colour)

    def rings(self, count: int, band: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        for _ in range(count):
            x, y, radius = self._spot(band, radii)
            self.draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=colour, width=2)

    def _spot(self, band: tuple[float, float], radii: tuple[float, float]) -> tuple[float, float, float]:
        return self.spots.uniform(0, self.width), self.spots.uniform(*band), self.spots.uniform(*radii)


def _paint_snow(canvas: Canvas) -> None:
    w, horizon = canvas.width, canvas.horizon
    canvas.fill(horizon, w, (246, 249, 253))
    canvas.oval(-w * 0.3, horizon - w * 0.06, w * 0.6, horizon + w * 0.4, (246, 249, 253))
    canvas.oval(w * 0.5, horizon - w * 0.04, w * 1.4, horizon + w * 0.4, (238, 243, 250))
    canvas.dots(16, (0, w), (1.5, 3.2), (255, 255, 255))


def _paint_beach(canvas: Canvas) -> None:
    w, horizon = canvas.width, canvas.horizon
    canvas.fill(horizon - w * 0.16, horizon, (36, 130, 200))
    canvas.fill(horizon, w, (240, 214, 150))
    canvas.fill(horizon - 3, horizon + 3, (235, 246, 250))


def _paint_night(canvas: Canvas) -> None:
    w, horizon = canvas.width, canvas.horizon
    canvas.fill(horizon, w, (20, 30, 44))
    canvas.dots(18, (0, horizon), (0.8, 2), (250, 246, 200))
    canvas.oval(w * 0.78, w * 0.06, w * 0.93, w * 0.21, (250, 240, 190))


def _paint_meadow(canvas: Canvas) -> None:
    w, horizon = canvas.width, canvas.horizon
    canvas.oval(-w * 0.4, horizon - w * 0.10, w * 0.7, horizon + w * 0.5, (96, 180, 84))
    canvas.oval(w * 0.3, horizon - w * 0.07, w * 1.5, horizon + w * 0.5, (112, 192, 90))
    canvas.fill(horizon + w * 0.08, w, (104, 186, 86))
    flowers: list[Colour] = [(250, 240, 120), (250, 250, 250), (240, 120, 140)]
    for colour in flowers * 3:
        canvas.dots(1, (horizon + w * 0.1, w), (3, 3), colour)


def _paint_desert(canvas: Canvas) -> None:
    w, horizon = canvas.width, canvas.horizon
    canvas.oval(w * 0.06, w * 0.06, w * 0.22, w * 0.22, (255, 246, 200))
    canvas.oval(-w * 0.5, horizon - w * 0.10, w * 0.6, horizon + w * 0.6, (226, 160, 84))
    canvas.oval(w * 0.3, horizon - w * 0.05, w * 1.5, horizon + w * 0.6, (214, 146, 72))
    canvas.fill(horizon + w * 0.15, w, (214, 146, 72))


def _paint_space(canvas: Canvas) -> None:
    w = canvas.width
    canvas.dots(34, (0, w), (0.7, 2.2), (240, 240, 255))
    canvas.oval(w * 0.04, w * 0.08, w * 0.24, w * 0.28, (210, 130, 90))
    canvas.draw.line([0, w * 0.24, w * 0.28, w * 0.12], fill=(230, 200, 160), width=4)


def _paint_underwater(canvas: Canvas) -> None:
    w = canvas.width
    canvas.fill(w * 0.88, w, (196, 178, 120))
    for x in (0.08, 0.16, 0.86, 0.94):  # weeds
        tall, lean = canvas.spots.uniform(0.2, 0.34) * w, canvas.spots.uniform(-5, 5)
        canvas.draw.line([x * w, w * 0.9, x * w + lean, w * 0.9 - tall], fill=(40, 140, 90), width=6)
    canvas.rings(9, (0, w * 0.8), (2, 5), (200, 240, 250))


def _paint_sunset(canvas: Canvas) -> None:
    w, horizon = canvas.width, canvas.horizon
    canvas.oval(w * 0.36, horizon - w * 0.2, w * 0.64, horizon + w * 0.08, (255, 224, 120))
    canvas.fill(horizon, w, (70, 44, 84))


@dataclass(frozen=True)
class Scene:
    """One row: the sky's colours at the top and the bottom, and what is painted over it."""

    top: Colour
    bottom: Colour
    paint: Callable[[Canvas], None]
    horizon_in_layout: bool = False  # the horizon belongs to the layout of the spots


SCENES = {
    "in the snow": Scene((176, 206, 236), (226, 238, 248), _paint_snow, horizon_in_layout=True),
    "on the beach": Scene((120, 200, 250), (190, 230, 252), _paint_beach),
    "at night": Scene((14, 18, 52), (38, 46, 98), _paint_night, horizon_in_layout=True),
    "in a meadow": Scene((124, 190, 246), (206, 232, 250), _paint_meadow, horizon_in_layout=True),
    "in the desert": Scene((250, 206, 130), (252, 232, 190), _paint_desert),
    "in space": Scene((10, 8, 26), (36, 14, 58), _paint_space),
    "underwater": Scene((60, 180, 214), (10, 70, 140), _paint_underwater),
    "at sunset": Scene((96, 52, 120), (252, 150, 84), _paint_sunset),
}
BACKGROUNDS = [*COLOURS, *SCENES]


def draw_background(kind: str, rng: random.Random) -> Image.Image:
    """One of BACKGROUNDS, SIDE px square: a colour with a faint gradient, or a scene. Raises ValueError."""
    if kind in COLOURS:
        base, tilt = [channel + _near(rng, -6, 6) for channel in COLOURS[kind]], _near(rng, 0, 10)
        return _draw_gradient([channel + tilt for channel in base], [channel - tilt for channel in base], SIDE)
    if kind not in SCENES:
        raise ValueError(f"got the background {kind!r}, expected one of {', '.join(BACKGROUNDS)}")
    scene, width = SCENES[kind], SIDE * 2
    spots = random.Random(rng.choice([1, 2]))
    horizon = int(width * (spots.uniform(0.60, 0.68) if scene.horizon_in_layout else _near(rng, 0.60, 0.68)))
    image = _draw_gradient(scene.top, scene.bottom, width)
    scene.paint(Canvas(ImageDraw.Draw(image), width, horizon, spots))
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _near(rng: random.Random, low: float, high: float) -> float:
    """A number from the middle 30 % of a range: hues and horizons move only a little."""
    middle, reach = (low + high) / 2, (high - low) * 0.15
    return rng.uniform(middle - reach, middle + reach)


def _draw_gradient(top: Colour | list[float], bottom: Colour | list[float], side: int) -> Image.Image:
    share = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    rows = np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share
    return Image.fromarray(np.broadcast_to(rows, (side, side, 3)).clip(0, 255).astype(np.uint8).copy())
