"""Scenes: a figure sits near the middle of its background, within the promised play."""

import random

import numpy as np
from PIL import Image

from trainer.mini.make.backgrounds import SIDE
from trainer.mini.make.scenes import GLYPHS, ROBOTS, TOY, Placing, draw_robot_scene, draw_scene, place


def test_placing_keeps_scale_and_middle():
    back, figure = Image.new("RGB", (SIDE, SIDE), "white"), Image.new("RGBA", (50, 100), (0, 0, 0, 255))
    for seed in range(30):
        dark = np.argwhere(np.asarray(place(back, figure, random.Random(seed), GLYPHS))[..., 0] < 128)
        top, left = dark.min(0)
        bottom, right = dark.max(0) + 1
        assert abs(bottom - top - SIDE * GLYPHS.scale) < SIDE * GLYPHS.scale * GLYPHS.wobble + 1
        assert abs((left + right) / 2 - SIDE / 2) <= GLYPHS.jitter + 1
        assert abs((top + bottom) / 2 - SIDE * 0.53) <= GLYPHS.jitter + 1
    assert back.getextrema() == ((255, 255),) * 3


def test_turning_moves_the_corners():
    back, figure = Image.new("RGB", (SIDE, SIDE), "white"), Image.new("RGBA", (100, 100), (0, 0, 0, 255))
    straight, turned = (place(back, figure, random.Random(2), Placing(turn=turn)) for turn in (0, 40))
    assert straight.tobytes() != turned.tobytes()


def test_toys_and_robots_need_no_font():
    assert draw_scene(TOY, "blue", random.Random(1)).size == draw_robot_scene("in space", random.Random(1)).size == (96, 96)
    assert ROBOTS.turn > 0


def test_a_subject_covers_its_background(font):
    cat, dog = (np.asarray(draw_scene(name, "red", random.Random(1)), float) for name in ("cat", "dog"))
    assert np.abs(cat - dog).mean() > 5
    assert np.abs(cat - dog)[:5].mean() < 1  # the top edge is background in both
