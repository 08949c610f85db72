"""sweep.json, and the runs of a sweep by it."""

import pytest

from fluxgym.sweep.mark import LARGEST, Mark, find_members, has_weight, read_mark, write_mark
from trainer.folder import RunFolder


def make(outputs, name, sweep="s", **chosen):
    folder = RunFolder(outputs / name)
    folder.path.mkdir()
    write_mark(folder, Mark(sweep, chosen, "number"))
    return folder


def test_it_is_read_as_it_was_written(outputs):
    mark = read_mark(make(outputs, "s-1", rank=8, resolution=[512, 768], flip=True))
    assert mark == Mark("s", {"rank": 8, "resolution": [512, 768], "flip": True}, "number")


@pytest.mark.parametrize(
    "said", ["", "{", "[]", "null", '{"sweep": "s"}', '{"sweep": "s", "set": 3}', "[" * 9999, "x" * LARGEST]
)
def test_damaged_is_a_run_like_any_other(outputs, said):
    folder = make(outputs, "s-1")
    folder.sweep.write_text(said)
    assert read_mark(folder) is None
    assert find_members("s") == []


def test_members_are_in_the_order_of_what_was_set(outputs):
    for name, rank in (("s-a", 16), ("s-b", 8), ("s-c", 128)):
        make(outputs, name, rank=rank)
    make(outputs, "s-other", sweep="t", rank=1)
    make(outputs, "t-s", sweep="t", rank=1)
    (outputs / "s-no-mark").mkdir()
    (outputs / "s-file").touch()
    assert [folder.name for folder in find_members("s")] == ["s-b", "s-a", "s-c"]


def test_no_sweep_has_a_hostile_name(outputs, hostile_name):
    assert find_members(hostile_name) == []


def test_no_outputs_yet(outputs):
    outputs.rmdir()
    assert find_members("s") == []


def test_what_has_weight_where_runs_are_compared():
    assert all(map(has_weight, ("trigger", "train.epochs", "data.folder", "lora.alpha", "model.quantise")))
    assert not any(map(has_weight, ("name", "slurm.partition", "speed.compile", "sample.prompts", "model.device")))
