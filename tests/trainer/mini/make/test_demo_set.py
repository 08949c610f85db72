"""The demo data set is what its script draws, pixel for pixel."""

import random

import numpy as np
import pytest
from PIL import Image

from trainer.mini import DATASET, REGULARISATION
from trainer.mini.make import demo_set, subjects
from trainer.mini.make.scenes import draw_robot_scene


def read(folder):
    """{path within the folder: pixels or text}"""
    paths = [path for path in folder.rglob("*") if path.suffix in (".png", ".txt")]
    pictures = {path: np.asarray(Image.open(path)) for path in paths if path.suffix == ".png"}
    texts = {path: path.read_text() for path in paths if path.suffix == ".txt"}
    return {path.relative_to(folder).as_posix(): content for path, content in {**pictures, **texts}.items()}


def test_the_script_draws_the_data_set_that_is_checked_in(font, tmp_path):
    demo_set.draw_demo_set(tmp_path)
    drawn, kept = read(tmp_path), read(DATASET)
    assert drawn.keys() == kept.keys()
    assert len(drawn) == 2 * (12 + 48)
    different = [name for name, content in drawn.items() if not np.array_equal(content, kept[name])]
    assert different == [], "another version of the font than 2.042-0+deb12u1, or the drawing has changed"


def test_the_robots_need_no_font():
    rng = random.Random(demo_set.SEED)
    for number, where in enumerate(demo_set.WHERE, 1):
        assert np.array_equal(draw_robot_scene(where, rng), Image.open(DATASET / f"robot_{number:02d}.png")), where


def test_nothing_is_written_without_the_font(monkeypatch, tmp_path):
    monkeypatch.setattr(subjects, "FONT", tmp_path / "none.ttf")
    with pytest.raises(subjects.FontError):
        demo_set.draw_demo_set(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tested_subjects_are_not_regularised():
    captions = " ".join(path.read_text() for path in REGULARISATION.glob("*.txt"))
    assert len(demo_set.TESTED) == 18
    assert [name for name in demo_set.TESTED if f" {name} " in captions] == []
