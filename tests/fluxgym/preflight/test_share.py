"""Several processes share a batch; what one of them needs is told, not what all need together."""

import pytest

from fluxgym.preflight.checks import preflight
from fluxgym.preflight.estimate import CUDA
from fluxgym.preflight.report import ERROR
from fluxgym.preflight.share import ask_for_place, look_at_share, share_of
from fluxgym.run.gpu import Gpu

GB = 2**30


@pytest.fixture
def two_gpus(monkeypatch):
    gpus = [Gpu(number, f"GPU-{number}", memory_used=0, memory_total=memory * GB) for number, memory in enumerate((24, 12))]
    for module in ("share", "estimate", "checks"):
        monkeypatch.setattr(f"fluxgym.preflight.{module}.list_gpus", lambda: gpus)


@pytest.mark.parametrize(("processes", "share", "ordinary"), [(1, 8, 3), (2, 4, 3), (4, 2, 1), (8, 1, 0), (16, 1, 0)])
def test_each_has_its_part_of_a_batch(make, processes, share, ordinary):
    data = {"data.batch_size": 8, "data.regularisation_images": 3, "data.regularisation": "ordinary"}
    found = share_of(make(**data), processes).data
    assert (found.batch_size, found.regularisation_images) == (share, ordinary)


def test_a_batch_that_cannot_be_shared_is_an_error(make):
    assert list(look_at_share(make(**{"data.batch_size": 6}), 3)) == []
    (found,) = look_at_share(make(**{"data.batch_size": 4}), 3)
    assert (found.level, found.subject, found.what) == (ERROR, "data.batch_size", "got a batch of 4 for 3 GPUs, which share it")


@pytest.mark.parametrize(
    ("place", "batch", "memory"), [("auto", 4, 24), ("none", 4, 24), ("1", 4, 12), ("0,1", 2, 12), ("1, 1", 4, 12)]
)
def test_the_gpus_that_are_named_are_asked_about(make, two_gpus, place, batch, memory):
    question = ask_for_place(make(**{"data.batch_size": 4, "model.device": "auto"}), None, place)
    assert (question.config.data.batch_size, question.device, question.free) == (batch, CUDA, memory * GB)


def test_before_a_start_on_two_gpus(make, two_gpus):
    found = {
        place: preflight(make(**{"data.batch_size": 3, "data.regularisation_images": 1}), place=place).errors
        for place in ("auto", "0,1")
    }
    assert [error.subject for error in found["0,1"]] == ["data.batch_size"] and found["auto"] == []
