"""What evidence means in words. With its verdicts: test_stall.py."""

import pytest

from fluxgym.run.evidence import Evidence, span, tell_state, tell_why_slow
from fluxgym.run.gpu import Gpu


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (75.4, "75 s"), (99, "99 s"), (100, "2 m"), (540, "9 m"), (3599, "1 h"), (4200, "1 h 10 m")],
)
def test_span(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({}, ""),
        ({"cpu": 0.0}, "It uses no CPU."),
        ({"cpu": 1.04, "cores": 8}, "It uses 1.0 of 8 CPU cores."),
        ({"cpu": 1.0, "gpus": (Gpu(0, "a", use=0),)}, "The GPU is idle."),
        ({"gpus": (Gpu(0, "a", use=3), Gpu(1, "b", use=98))}, "Its GPUs are busy (98 %)."),
        ({"gpus": (Gpu(0, "a"),), "cpu": 0.0}, "It uses no CPU."),
        ({"states": "ST", "cpu": 0.0}, "Its process is suspended (SIGSTOP); SIGCONT lets it go on."),
        ({"states": "DS"}, "A process of it waits for a disk or a driver (state D)."),
        ({"disk_free": 12 * 2**20}, "Its disk has 12 MiB left."),
        ({"disk_free": 2**40}, ""),
    ],
)
def test_what_is_seen_of_a_stuck_training(seen, words):
    assert tell_state(Evidence(0, **seen)) == words


def test_a_gpu_at_its_power_limit_is_no_reason():
    assert (
        tell_why_slow(Evidence(0, gpus=(Gpu(0, "a", use=99, throttled=("power limit",)),)), is_hungry=True)
        == "the reason is not seen here"
    )


@pytest.mark.parametrize("reason", ["hardware", "power brake"])
def test_a_gpu_that_protects_itself(reason):
    assert "protect itself" in tell_why_slow(Evidence(0, gpus=(Gpu(0, "a", use=99, throttled=(reason,)),)), is_hungry=True)
