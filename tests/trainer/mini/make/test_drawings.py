"""Drawings: fixed by the seed, varied between seeds, and the robot keeps its colours."""

import random

import numpy as np
import pytest

from trainer.mini.make import drawings


@pytest.mark.parametrize("draw", [drawings.draw_doodle, drawings.draw_toy, drawings.draw_robot])
def test_a_seed_fixes_a_drawing(draw):
    pictures = [draw(random.Random(seed)) for seed in range(12)]
    assert [draw(random.Random(seed)).tobytes() for seed in range(12)] == [picture.tobytes() for picture in pictures]
    assert len({picture.tobytes() for picture in pictures}) == 12


def test_doodles_fill_the_picture():
    assert {draw.size for draw in (drawings.draw_doodle(random.Random(seed)) for seed in range(5))} == {(96, 96)}


def test_figures_are_cropped_to_their_ink():
    for draw in (drawings.draw_toy, drawings.draw_robot):
        picture = draw(random.Random(1))
        assert picture.mode == "RGBA"
        assert picture.getbbox() == (0, 0, *picture.size)


@pytest.mark.parametrize("seed", range(6))
def test_a_robot_has_its_colours(seed):
    pixels = np.asarray(drawings.draw_robot(random.Random(seed)), float)
    solid = pixels[pixels[..., 3] == 255][:, :3]
    for colour in (drawings.TEAL, drawings.ORANGE, drawings.YELLOW, drawings.RED, drawings.DARK, drawings.STEEL):
        assert (np.abs(solid - colour).max(1) < 4).mean() > 0.01, colour
