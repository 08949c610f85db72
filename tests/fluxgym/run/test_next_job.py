"""Going on in the next job of a cluster: without being asked, and not for ever. A real one: tests/slurm/test_put_back.py."""

import dataclasses

import pytest

from fluxgym.run.again import MOST_IN_VAIN, go_on
from fluxgym.run.care import Care
from fluxgym.run.record import SYSTEM, Verdict
from tests.fluxgym.run.test_again import ended, notes, run
from tests.small_training import write_lora, write_state

__all__ = ["run"]  # a fixture


def put_back(run, state, resumed_from=None, **more):
    attempts = 2 if resumed_from else 1
    record = ended(run, "stopped", None, SYSTEM, attempts=attempts, **more)
    return record.to("stopped", backend="slurm", job="7", resumed_from=resumed_from), state


@pytest.mark.parametrize("state", ["TIMEOUT", "PREEMPTED", "NODE_FAIL"])
def test_what_a_cluster_puts_back_goes_on_without_being_asked_and_without_a_pause(run, state):
    write_state(run.folder.path, 3)
    record, why = put_back(run, state)
    again = go_on(run, record, why)
    attempt = again.attempts[-1]
    assert (again.state, again.resumes_at, attempt.begun_by, attempt.backend, attempt.job) == (
        "queued",
        None,
        SYSTEM,
        "slurm",
        "7",
    )
    assert attempt.resumed_from == "small-step00000003-state"
    assert again.resumes_left(Care()) == Care().most_resumes, "it does not use up what was allowed after crashes"


def test_a_time_limit_that_is_too_short_for_a_new_state_is_not_tried_for_ever(run):
    write_state(run.folder.path, 3)
    record, why = put_back(run, "TIMEOUT", "small-step00000003-state")
    assert go_on(run, record, why) is None
    assert "within its time limit it came to no new state" in notes(run)
    assert go_on(run, record, "PREEMPTED"), "that is nobody's fault"
    again = record.attempts[-1]
    many = dataclasses.replace(record, attempts=[again] * (MOST_IN_VAIN + 1))
    assert go_on(run, many, "NODE_FAIL") is None, "it may be what breaks its nodes"
    never = dataclasses.replace(again, training=None, begun_by=SYSTEM)
    assert go_on(run, dataclasses.replace(record, attempts=[never] * MOST_IN_VAIN), "NODE_FAIL")
    assert go_on(run, dataclasses.replace(record, attempts=[never] * (MOST_IN_VAIN + 1)), "NODE_FAIL") is None
    unbegun = record.to("stopped", training=None)
    assert go_on(run, unbegun, "TIMEOUT"), "a job that never trained proves nothing"
    write_state(run.folder.path, 4)
    assert go_on(run, record, "TIMEOUT").attempts[-1].resumed_from == "small-step00000004-state"


def test_what_is_complete_or_in_the_way_stays_as_it_is(run):
    record, why = put_back(run, "PREEMPTED")
    done = record.to("completed", verdict=Verdict("completed", "done"))
    assert go_on(run, done, why) is None
    write_lora(run.folder.lora)
    assert go_on(run, record, why) is None
    assert "no whole state, and a new beginning would overwrite what is in small" in notes(run)
