"""Backgrounds: all there, different, fixed by the seed, and with little play."""

import random

import numpy as np
import pytest

from trainer.mini.make.backgrounds import BACKGROUNDS, COLOURS, SCENES, draw_background


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_a_seed_fixes_a_background(kind):
    first, again, other = (np.asarray(draw_background(kind, random.Random(seed)), float) for seed in (7, 7, 8))
    assert first.shape == (96, 96, 3)
    assert (first == again).all()
    assert 0 < np.abs(first - other).mean() < 20


def test_no_two_are_alike():
    pictures = [np.asarray(draw_background(kind, random.Random(1)), float) for kind in BACKGROUNDS]
    assert len(BACKGROUNDS) == len(COLOURS) + len(SCENES) == 18
    for number, one in enumerate(pictures):
        assert all(np.abs(one - other).mean() > 5 for other in pictures[:number]), BACKGROUNDS[number]


def test_a_colour_is_that_colour():
    for kind, colour in COLOURS.items():
        mean = np.asarray(draw_background(kind, random.Random(3)), float).mean((0, 1))
        assert np.abs(mean - colour).max() < 3, kind


def test_an_unknown_background_is_refused():
    with pytest.raises(ValueError, match="got the background 'in the bath', expected one of red, orange"):
        draw_background("in the bath", random.Random(0))
