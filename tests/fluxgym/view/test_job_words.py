"""What is said of a job."""

import pytest

from fluxgym.job.folder import DONE, RUNNING, About, Job, JobStatus, Said
from fluxgym.view.job_words import find_share, tell_progress


def status(state=RUNNING, **said):
    given = {"unit": "images", "done": 12, "total": 150, "note": "", "rate": None, "result": {}} | said
    return JobStatus(Job(None), About("captions", "x", "Captions", [], 0.0), state, Said(**given) if said else None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"rate": 3.2}, "12 of 150 images, 3.2 images/s, about 43 s left"),
        ({"rate": 0.1, "done": 149}, "149 of 150 images, 10 s each, about 10 s left"),
        ({"rate": 2**20, "unit": "bytes", "done": 2**30, "total": 2**31}, "1.0 GiB of 2.0 GiB, 1.0 MiB/s, about 17 m left"),
        ({"total": None, "unit": "bytes", "done": 2**20}, "1.0 MiB"),
        ({"total": 1, "done": 0}, "0 of 1 image"),
        ({"rate": 0.0}, "12 of 150 images"),
        ({}, "Beginning"),
    ],
)
def test_how_far_it_is(said, told):
    assert tell_progress(status(**said)) == told


def test_the_bar_stays_within_its_ends():
    assert [find_share(status(done=done)) for done in (0, 75, 300)] == [0, 0.5, 1]
    assert find_share(status(total=None)) == 0 and find_share(status(DONE)) == 1
    assert tell_progress(status(DONE)) == ""
