"""Captions: grammar, the shares that pretraining needs, and a hold-out that is the same everywhere."""

import random

from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.captions import describe, draw_caption, is_held_out
from trainer.mini.make.subjects import SUBJECTS


def test_descriptions():
    assert describe("cat", "blue") == "a cat on a blue background"
    assert describe("owl", "orange") == "an owl on an orange background"
    assert describe("cat", "in the snow") == "a cat in the snow"


def test_shares():
    rng = random.Random(1)
    captions = [draw_caption("cat", "in space", rng) for _ in range(4000)]
    share = {
        "empty": sum(not caption for caption in captions) / 4000,
        "without place": sum(caption == "a cat" for caption in captions) / 4000,
        "nameless": sum("cat" not in caption and caption != "" for caption in captions) / 4000,
        "stop": sum(caption.endswith(".") for caption in captions) / 4000,
        "opening": sum("picture of" in caption or "illustration of" in caption for caption in captions) / 4000,
    }
    expected = {"empty": 0.08, "without place": 0.05, "nameless": 0.06, "stop": 0.07, "opening": 0.29}
    assert [name for name, value in share.items() if abs(value - expected[name]) > 0.02] == []


def test_toys_have_several_names():
    rng = random.Random(2)
    text = " ".join(draw_caption("toy", "red", rng) for _ in range(200))
    assert all(name in text for name in ("toy figure", "cartoon character", "doll"))


def test_the_held_out_pairs_are_always_the_same():
    pairs = [(subject, where) for subject in SUBJECTS for where in BACKGROUNDS]
    held = [pair for pair in pairs if is_held_out(*pair)]
    assert 0.12 < len(held) / len(pairs) < 0.18
    assert held[:2] == [("dog", "blue"), ("dog", "in a meadow")]
