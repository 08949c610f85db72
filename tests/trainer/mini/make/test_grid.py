"""The grid: one picture a subject, the same at every call, and each of them of its own subject."""

from PIL import Image

from trainer.mini import MODEL
from trainer.mini.make.grid import draw_grid, lay_out


def test_a_grid_repeats():
    first, again = (draw_grid(MODEL, ["cat", "heart", "soccer ball"], steps=4) for _ in range(2))
    assert first.size == (11 * 96, 96)
    assert first.tobytes() == again.tobytes()
    cat, heart = (first.crop((left, 0, left + 96, 96)) for left in (0, 96))
    assert cat.tobytes() != heart.tobytes()


def test_laying_out():
    tiles = [Image.new("RGB", (10, 20), colour) for colour in ("red", "lime", "blue")]
    sheet = lay_out(tiles, 2)
    assert sheet.size == (20, 40)
    assert [sheet.getpixel(at) for at in ((5, 5), (15, 5), (5, 25), (15, 25))] == [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
    ]
