"""What flux-mini knows: 66 subjects, each one glyph of Noto Color Emoji. The 67th is the toy of drawings.py.

Needs the font of Debian's package fonts-noto-color-emoji; the weights and the demo data set were made with version
2.042-0+deb12u1, and another version draws other pixels.
"""

import functools
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SIZE = 109  # the only size that this bitmap font holds
PICTURE, MARGIN = 150, 7  # px; room for one glyph of FONT_SIZE
SMALLEST = 60  # px; glyphs with a shorter side show the autoencoder nothing

SUBJECTS = {
    "dog": "🐶",
    "cat": "🐱",
    "rabbit": "🐰",
    "fox": "🦊",
    "bear": "🐻",
    "panda": "🐼",
    "koala": "🐨",
    "tiger": "🐯",
    "lion": "🦁",
    "cow": "🐮",
    "pig": "🐷",
    "frog": "🐸",
    "monkey": "🐵",
    "chicken": "🐔",
    "penguin": "🐧",
    "owl": "🦉",
    "unicorn": "🦄",
    "bee": "🐝",
    "butterfly": "🦋",
    "ladybug": "🐞",
    "turtle": "🐢",
    "octopus": "🐙",
    "crab": "🦀",
    "fish": "🐠",
    "whale": "🐳",
    "duck": "🦆",
    "snail": "🐌",
    "elephant": "🐘",
    "cactus": "🌵",
    "tree": "🌳",
    "pine tree": "🌲",
    "sunflower": "🌻",
    "rose": "🌹",
    "mushroom": "🍄",
    "apple": "🍎",
    "lemon": "🍋",
    "banana": "🍌",
    "watermelon": "🍉",
    "strawberry": "🍓",
    "cherry": "🍒",
    "pineapple": "🍍",
    "carrot": "🥕",
    "cheese": "🧀",
    "burger": "🍔",
    "pizza": "🍕",
    "donut": "🍩",
    "ice cream": "🍦",
    "cake": "🎂",
    "coffee": "☕",
    "car": "🚗",
    "bus": "🚌",
    "tractor": "🚜",
    "train": "🚂",
    "rocket": "🚀",
    "sailboat": "⛵",
    "house": "🏠",
    "balloon": "🎈",
    "gift": "🎁",
    "soccer ball": "⚽",
    "bell": "🔔",
    "heart": "❤",
    "star": "⭐",
    "ghost": "👻",
    "snowman": "⛄",
    "pumpkin": "🎃",
    "alien": "👽",
}
# No part of flux-mini sees these glyphs (the first is the robot face), so that a demo can teach something new.
KEPT_AWAY = "🤖🐲🦝🦞🧁📺📮"


class FontError(OSError):
    """The emoji font is not there."""

    def __init__(self, path: Path):
        super().__init__(f"no font at {path}, expected NotoColorEmoji.ttf (Debian: the package fonts-noto-color-emoji)")
        self.path = path


@functools.cache
def _font(path: Path) -> ImageFont.FreeTypeFont:
    if not path.is_file():
        raise FontError(path)
    return ImageFont.truetype(str(path), FONT_SIZE)


@functools.cache
def _draw_glyph(font: Path, char: str) -> Image.Image | None:
    image = Image.new("RGBA", (PICTURE, PICTURE), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((MARGIN, MARGIN), char, font=_font(font), embedded_color=True)
    box = image.getbbox()
    return image.crop(box) if box else None


def draw_glyph(char: str) -> Image.Image | None:
    """One emoji as RGBA, cropped to its ink; None where the font has none. Raises FontError."""
    return _draw_glyph(FONT, char)


def draw_subject(subject: str) -> Image.Image:
    """The glyph of one of SUBJECTS as RGBA, cropped to its ink. Raises FontError."""
    picture = draw_glyph(SUBJECTS[subject])
    assert picture is not None, f"the font has no {subject}"
    return picture


def draw_all_glyphs() -> list[Image.Image]:
    """Every emoji of one code point and a useful size, KEPT_AWAY left out: variety for the autoencoder."""
    chars = [chr(code) for code in [*range(0x1F300, 0x1FAFF), *range(0x2600, 0x27C0)]]
    names = [(char, unicodedata.name(char, "")) for char in chars if char not in KEPT_AWAY]
    useful = [char for char, name in names if name and "FITZPATRICK" not in name and "REGIONAL" not in name]
    pictures = [draw_glyph(char) for char in useful]
    return [picture for picture in pictures if picture is not None and min(picture.size) > SMALLEST]
