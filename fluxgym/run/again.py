"""Whether a run goes on by itself after its end, from where and when: only as its person chose, and only so often.

It never goes on after a stop by a person or by the system, nor after a reboot, where a person looks first. Only where a cluster
ended its job, for its time limit, say, it goes on in the next one: that is how clusters are used.
"""

import itertools
import os
import time
from dataclasses import dataclass, replace

from fluxgym.log.remedies import is_worth_retrying
from fluxgym.run.care import RESUME, Care, read_care
from fluxgym.run.guarded import Guarded
from fluxgym.run.job_end import AT_LIMIT
from fluxgym.run.processes import count_planned
from fluxgym.run.record import AGAIN, MONITOR, NAN, NEXT_JOB, SYSTEM, Record, begin_attempt
from fluxgym.run.resuming import best_state, can_begin_anew, find_states
from fluxgym.run.settings import SettingsError, Smaller, change_settings, read_settings, smaller
from fluxgym.run.waiting import LONGEST_PAUSE
from trainer.folder import RunFolder, State

FIRST_PAUSE, GROWTH = 30.0, 4  # s; each pause is so many times the one before
PAUSE = "FLUXGYM_RESUME_PAUSE"
MOST_IN_VAIN = 10  # jobs that were put back and came to no new state; one that breaks its nodes must not go on for ever
IN_THE_WAY = "it does not go on by itself: no whole state, and a new beginning would overwrite what is in "


@dataclass(frozen=True)
class Way:
    """How it would go on."""

    state: State | None  # None: from the beginning
    note: str  # what is different, for people


def go_on(run: Guarded, ended: Record, put_back: str = "") -> Record | None:
    """The record with one more attempt, queued; None where a person must decide. `ended` has its verdict.

    `put_back`: the state of its job, where that ended without its fault."""
    if put_back:
        return _go_on_in_next_job(run, ended, put_back)
    care = read_care(run.folder)
    if not _is_wanted(ended, care):
        return None
    left = ended.resumes_left(care)
    if not left:
        run.note(f"it does not go on by itself: it did so {care.most_resumes} times, which is as often as it may")
        return None
    way = _find_way(run, ended, care)
    if way is None:
        return None
    pause = min(LONGEST_PAUSE, run.number(PAUSE, FIRST_PAUSE) * GROWTH ** (care.most_resumes - left))
    where = way.state.path.name if way.state else "the beginning"
    run.note(f"it goes on by itself from {where} in {pause:g} s, {left - 1} more times at most. {way.note}".rstrip())
    begun = _begin(run, ended, way.state, begun_by=MONITOR, note=way.note)
    return replace(begun, supervisor=ended.supervisor, resumes_at=time.time() + pause)


def _go_on_in_next_job(run: Guarded, ended: Record, put_back: str) -> Record | None:
    states = find_states(run.folder, ended)
    state = best_state(ended, states)
    if ended.verdict is None or ended.verdict.state == "completed":
        return None
    if not state and not can_begin_anew(run.folder, ended, states):
        run.note(IN_THE_WAY + run.folder.name)
        return None
    in_vain = _count_in_vain(ended, state, put_back)
    if in_vain > (MOST_IN_VAIN if put_back != AT_LIMIT else 0 if state else 1):
        what = "within its time limit" if put_back == AT_LIMIT else f"in {in_vain} jobs, one after the other,"
        run.note(f"it does not go on by itself: {what} it came to no new state")
        return None
    return replace(_begin(run, ended, state, begun_by=SYSTEM, note=NEXT_JOB), supervisor=ended.supervisor)


def _count_in_vain(ended: Record, state: State | None, put_back: str) -> int:
    """How many of the last attempts left no state that is further than the one that they began with. One that never trained
    says nothing about its time limit, but its job may be what breaks its nodes."""
    name = state.path.name if state else None
    may_be_it = put_back != AT_LIMIT
    before_these = [each for each in ended.attempts if each.training or (may_be_it and each.begun_by == SYSTEM)]
    return len(list(itertools.takewhile(lambda attempt: attempt.resumed_from == name, reversed(before_these))))


def _begin(run: Guarded, ended: Record, state: State | None, **changes: str) -> Record:
    """One more attempt, where the last one was."""
    before = ended.attempts[-1]
    where = {"backend": before.backend, "job": before.job, "cluster": before.cluster}
    return begin_attempt(run.folder, ended, [], state).to("queued", **where, **changes)


def _is_wanted(ended: Record, care: Care) -> bool:
    attempt, verdict = ended.attempts[-1], ended.verdict
    if verdict is None or verdict.state not in ("failed", "stopped") or attempt.training is None:
        return False  # it is done, or the machine restarted, or it could not even be started
    if attempt.stop:
        return attempt.stop == MONITOR and care.when_stalled == RESUME and ended.health.verdict != NAN
    if verdict.state == "stopped":  # by a signal that somebody sent to it
        return False
    if verdict.kind == "oom" and care.step_down:
        return True
    return care.resume_after_crash and is_worth_retrying(verdict.kind)


def _find_way(run: Guarded, ended: Record, care: Care) -> Way | None:
    states = find_states(run.folder, ended)
    state = best_state(ended, states)
    if ended.verdict and ended.verdict.kind == "oom" and care.step_down and not ended.attempts[-1].stop:
        return _step_down(run, ended, state) if state or can_begin_anew(run.folder, ended, states) else None
    attempt = ended.attempts[-1]
    if not state and ended.any_command and attempt.exit_code is None and not attempt.stop:
        run.note("it does not go on by itself: nobody saw its end, which may have been a good one, and it has no state")
        return None
    if state or can_begin_anew(run.folder, ended, states):
        note = "" if state or not ended.any_command else AGAIN
        return Way(state, note)
    run.note(IN_THE_WAY + run.folder.name)
    return None


def find_smaller(folder: RunFolder) -> Smaller | None:
    """The next step down in memory of a run, with as many GPUs as it has. Raises SettingsError."""
    settings = read_settings(folder)
    return smaller(settings, count_planned(read_care(folder).place, settings))


def _step_down(run: Guarded, ended: Record, state: State | None) -> Way | None:
    """With the next smaller memory settings, where that costs nothing of what was learned."""
    try:
        step = find_smaller(run.folder) if ended.is_ours else None
        if step is None:
            run.note("out of memory, and there are no smaller memory settings known")
            return None
        if state and not step.keeps_states:
            run.note(f"out of memory. It could begin anew with {step.words}, but {state.path.name} would be lost")
            return None
        kept = change_settings(run.folder, step.changes, check=False)
    except (OSError, SettingsError) as error:
        run.note(f"out of memory, and its settings could not be made smaller: {error}")
        return None
    run.note(
        f"out of memory: it goes on with {step.words}; the settings of before are in {os.path.relpath(kept, run.folder.path)}"
    )
    return Way(state, f"Memory ran out: it goes on with {step.words}.")
