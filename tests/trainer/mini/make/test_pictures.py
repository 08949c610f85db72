"""The data of step 2: as many as asked for, in order, and the same at every call."""

import numpy as np

from trainer.mini.make.backgrounds import BACKGROUNDS
from trainer.mini.make.parts import Work
from trainer.mini.make.pictures import Amounts, draw_pictures
from trainer.mini.make.subjects import SUBJECTS


def test_toys_and_drawings(with_pictures):
    scenes, drawings = np.load(with_pictures.scenes), np.load(with_pictures.drawings)
    assert (scenes.shape, scenes.dtype) == ((4 * 18, 96, 96, 3), np.uint8)
    assert drawings.shape == (80, 96, 96, 3)
    assert with_pictures.read_rows() == [("toy", where) for where in BACKGROUNDS * 4]
    assert len({picture.tobytes() for picture in [*scenes, *drawings]}) == len(scenes) + len(drawings)


def test_every_pair_of_subject_and_background(font, tmp_path):
    amounts, first, again = Amounts(per_pair=1, toys=1, doodles=1, loose_toys=1, loose_glyphs=2), tmp_path / "1", tmp_path / "2"
    for folder in (first, again):
        folder.mkdir()
        draw_pictures(Work(folder), amounts)
    rows = Work(first).read_rows()
    assert set(rows) == {(subject, where) for subject in [*SUBJECTS, "toy"] for where in BACKGROUNDS}
    assert len(rows) == len(np.load(Work(first).scenes)) == 67 * 18
    assert len(np.load(Work(first).drawings)) == 4
    for name in ("scenes", "drawings"):
        assert (np.load(getattr(Work(first), name)) == np.load(getattr(Work(again), name))).all()
