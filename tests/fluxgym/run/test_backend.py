"""Which backend it is, and that all have the same small interface."""

import inspect

import pytest

from fluxgym.run.backend import FORGOTTEN, Backend, Job, choose_backend, find_backend
from fluxgym.run.care import NONE, SLURM, Care
from fluxgym.run.record import begin_attempt
from trainer.folder import RunFolder


@pytest.mark.parametrize(("place", "name"), [(SLURM, "slurm"), ("auto", "local"), ("0,1", "local"), (NONE, "local")])
def test_the_place_chooses(place, name):
    assert choose_backend(Care(place=place)).name == name


@pytest.mark.parametrize(("said", "name"), [("slurm", "slurm"), ("local", "local"), ("of a later version", "local")])
def test_an_attempt_remembers(tmp_path, said, name):
    record = begin_attempt(RunFolder(tmp_path), None, ["x"]).to("queued", backend=said)
    assert find_backend(record).name == name


@pytest.mark.parametrize("place", ["auto", SLURM])
def test_all_can_be_asked_the_same(place):
    backend = choose_backend(Care(place=place))
    for name, wanted in inspect.getmembers(Backend, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(type(backend), name)) == inspect.signature(wanted)


def test_a_job_is_that_of_a_run_by_its_name_or_its_script():
    named, renamed = Job("7", "RUNNING", name="a"), Job("7", "RUNNING", name="mine", script="/outputs/a/job.sh")
    assert named.of("a") is named and renamed.of("a") is renamed
    assert named.of("b") == renamed.of("s") == Job("7", FORGOTTEN)


def test_silence_proves_nothing_about_a_job():
    assert not Job("7", silence="it does not answer").is_over
    assert not Job("7", "RUNNING", is_live=True).is_over
    assert Job("7", "CANCELLED").is_over
