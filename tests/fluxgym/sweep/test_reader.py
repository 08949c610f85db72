"""What each run of a sweep needs is looked at once for all that have it in common."""

import shutil

import pytest

from fluxgym.sweep.grid import with_values
from fluxgym.sweep.reader import Reader
from trainer.config import load_config
from trainer.mini import DATASET, DEMO


@pytest.fixture
def base(tmp_path):
    folder = shutil.copytree(DATASET, tmp_path / "images")
    return with_values(load_config(DEMO), {"data.folder": str(folder), "data.repeats": 1, "train.epochs": 2})


def test_steps_of_each(base):
    reader = Reader()
    first = reader.plan(base)
    shutil.rmtree(base.data.folder)  # it is not looked at again
    assert reader.plan(with_values(base, {"train.epochs": 4})).total_steps == 2 * first.total_steps
    assert reader.plan(with_values(base, {"data.repeats": 3})).total_steps == 3 * first.total_steps
    with pytest.raises(ValueError, match="looked at"):
        reader.plan(with_values(base, {"data.resolution": 64}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.base": "none"}, "model.base: got 'none', but .* is not there"),
        ({"data.folder": "/none"}, "looked at /none"),
        ({"data.validation_images": 100}, "with 100 held out for validation"),
    ],
)
def test_what_could_not_begin(base, changes, words):
    reader = Reader()
    for _ in range(2):
        with pytest.raises(ValueError, match=words):
            reader.plan(with_values(base, changes))


def test_sizes_are_those_that_are_learned(base):
    reader = Reader()
    assert set(reader.find_sizes(with_values(base, {"data.resolution": 96}))) == {(96, 96)}
    both = with_values(base, {"data.resolution": [64, 96]})
    assert sorted({*reader.find_sizes(both)}) == [(64, 64), (96, 96)]
