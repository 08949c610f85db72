"""kohya's dataset.toml as settings; the whole of it is tested in test_kohya_import.py."""

from typing import Any

import pytest

from fluxgym.form.imported import Imported
from fluxgym.form.kohya_data import parse_sides, read_dataset
from fluxgym.form.sources import Source


@pytest.mark.parametrize(("said", "side"), [(512, 512), ("512", 512), ("512,512", 512), ([768, 1024], 880), ("640, 480", 560)])
def test_sides(said: Any, side: int) -> None:
    assert parse_sides(said) == side


@pytest.mark.parametrize("said", ["x", "1,2,3", [], 0])
def test_sides_that_are_none(said: Any) -> None:
    with pytest.raises(ValueError, match=r"x|expected one or two"):
        parse_sides(said)


def test_what_stands_nearer_to_the_images_counts() -> None:
    text = "[general]\nbatch_size = 2\nnum_repeats = 3\n[[datasets]]\nbatch_size = 4\n[[datasets.subsets]]\nimage_dir = '/x'\n"
    out = Imported("x")
    assert read_dataset(Source("d.toml", text), out) == 4
    assert (out.values["data.folder"], out.values["data.repeats"]) == ("/x", 3)


def test_batches_that_differ_are_told() -> None:
    text = "".join(f"[[datasets]]\nbatch_size = {size}\n[[datasets.subsets]]\nimage_dir = '/x{size}'\n" for size in (1, 3))
    out = Imported("x")
    assert read_dataset(Source("d.toml", text), out) == 3
    assert "got [1, 3] for its folders" in " ".join(map(str, out.left))
