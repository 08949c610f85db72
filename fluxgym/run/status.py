"""What is true of a run now, from disk: verdict written? identities alive? lock held? Starts nothing and writes nothing."""

import time
from dataclasses import dataclass, field, replace

from fluxgym.log.failures import Failure
from fluxgym.run import lock
from fluxgym.run.backend import Job, find_backend
from fluxgym.run.care import read_care
from fluxgym.run.elsewhere import Signs, find_signs
from fluxgym.run.evidence import span
from fluxgym.run.family import find_family
from fluxgym.run.folders import list_folders
from fluxgym.run.identity import Identity
from fluxgym.run.queue import Ticket, Turn, find_turn, list_abandoned
from fluxgym.run.record import ANEW, BEGINNINGS, NEXT_JOB, PERSON, Health, Record, Verdict, read_record
from fluxgym.run.resuming import best_state, can_begin_anew, find_states
from trainer.folder import RunFolder, State

START_LIMIT = 60  # s; a start whose supervisor has not come up by then has failed


@dataclass(frozen=True)
class Status:
    """The truth about a run. `state` is one of fluxgym.run.record.STATES; None: no readable run.json, see `message`."""

    state: str | None
    message: str = ""
    since: float | None = None  # of the state, s since 1970
    started: float | None = None  # of the last attempt
    took: float | None = None  # s, all attempts of a run that has ended
    step: int | None = None  # where it ended; of a run under way the log tells
    total_steps: int | None = None
    attempt: int = 0
    pid: int | None = None  # of the training, while it lives
    failure: Failure | None = None
    last_lines: list[str] = field(default_factory=list)  # of a failed run
    resumable: State | None = None  # the state that a resume would begin from
    can_restart: bool = False  # ended before anything was saved: a resume begins at the beginning
    is_active: bool = False
    needs_supervisor: bool = False  # under way or just ended, and nobody guards it: look_after sends somebody
    health: Health | None = None  # how the training goes; None unless a living supervisor says so
    queue: Turn | None = None  # of a queued run: its place in the line
    places: list[str] = field(default_factory=list)  # what the last attempt trains, or trained, on: "GPU 0", "CPU"
    begun_by: str = PERSON  # the last attempt; MONITOR: it was resumed by itself
    resumes_at: float | None = None  # s since 1970: until then it waits before it goes on by itself
    killed_at: float | None = None  # s since 1970: then a stopping training is killed, should it not have ended
    resumes_left: int = 0  # how often it may still go on by itself
    is_ours: bool = False  # our trainer: it can be asked to save and to sample now
    job: Job | None = None  # of the last attempt, where a cluster's scheduler started it and it is under way
    host: str = ""  # the machine on which it is guarded, where that is not this one
    ahead: float = 0.0  # s that the clock of that machine is ahead of ours: all times in the run's folder are of that clock

    @property
    def is_pausing(self) -> bool:
        """Whether it waits until it goes on by itself, which a person may hasten."""
        return self.state == "queued" and self.resumes_at is not None and self.resumes_at > time.time()


def read_status(folder: RunFolder, lock_is_ours: bool = False, line: list[Ticket] | None = None) -> Status:
    """The truth about a run, as far as the disk and the kernel tell it. `lock_is_ours`: the caller holds run.lock.

    `line`: as read_line just told it; who looks at many runs need not read it for each."""
    status = _read(folder, lock_is_ours, line)
    return _only_to_read(folder, status) if folder.is_read_only else status


def _read(folder: RunFolder, lock_is_ours: bool, line: list[Ticket] | None) -> Status:
    record = read_record(folder, lock_is_ours)
    if record and record.verdict:
        return _ended(folder, record, record.verdict, is_settled=True)
    supervised = bool(record and record.supervisor and record.supervisor.alive())
    held = supervised or (not lock_is_ours and lock.is_held(folder.lock))
    if record is None or record.problem:
        return _read_without_record(folder, record, held)
    seen = _look(folder, record, held)
    if seen.is_active:
        return _active(folder, record, seen, line)
    if read_record(folder, lock_is_ours) != record:  # its supervisor wrote the verdict and left while we looked
        return _read(folder, lock_is_ours, line)
    return _ended(folder, record, judge_unseen(folder, record, seen.job), is_settled=False)


@dataclass(frozen=True)
class _Seen:
    """What is seen of a run without a verdict."""

    training: Identity | None  # alive on this machine
    is_guarded: bool
    is_active: bool
    needs_supervisor: bool
    signs: Signs | None = None
    job: Job | None = None

    @property
    def is_put_back(self) -> bool:
        """Whether its job waits for a new start, as its node failed, say: what run.json tells is of the last one."""
        return bool(self.job and self.job.is_waiting and not self.is_guarded)


def _look(folder: RunFolder, record: Record, held: bool) -> _Seen:
    training, signs = find_training(folder, record), find_signs(folder, record)
    is_guarded = held or bool(signs and signs.is_guarded)
    job = find_backend(record).ask(record)
    if job is not None:  # its supervisor comes and goes with the job
        is_active = is_guarded or not job.is_over
        return _Seen(training, is_guarded, is_active, not is_active, signs, job)
    waits = record.supervisor is None and training is None and is_fresh(record)
    is_queued = record.state == "queued"  # what is queued stays so, whoever died and after a reboot
    may_train = bool(signs and signs.may_train and not is_queued)
    is_active = bool(is_guarded or training or waits or is_queued or may_train)
    return _Seen(training, is_guarded, is_active, not (is_guarded or waits or may_train), signs)


def _only_to_read(folder: RunFolder, status: Status) -> Status:
    """Nobody is sent to it. What may be under way on another machine is for us neither alive nor lost."""
    if status.is_active and status.pid is None and status.health is None and not lock.is_held(folder.lock):
        status = Status(None, f"It was {status.state} when its {folder.record.name} was written last.")
    elif status.needs_supervisor and not status.is_active:  # it has no verdict
        status = Status(None, f"Its {folder.record.name} does not say how it ended.")
    return replace(status, can_restart=False, needs_supervisor=False)


def is_fresh(record: Record) -> bool:
    """Whether somebody may still be on the way to change this record. A clock that was set back must not keep it so."""
    return abs(time.time() - record.since) < START_LIMIT


def find_training(folder: RunFolder, record: Record) -> Identity | None:
    """The training if it lives. Its identity is in run.json, unless its supervisor died in the instant after starting it."""
    attempt = record.attempt
    if attempt and attempt.training:
        return attempt.training if attempt.training.alive() else None
    if record.supervisor is None or record.supervisor.alive():
        return None
    return next((member.identity for member in find_family(folder, attempt=record.attempt_mark)), None)


def find_unattended() -> list[RunFolder]:
    """Waiting runs whose supervisor is gone: of our outputs root, and of others that left a ticket in the line."""
    ours = filter(_may_wait, list_folders())
    there = {folder.path.resolve(): folder for folder in [*ours, *list_abandoned()]}
    queued = (folder for folder in there.values() if (record := read_record(folder)) and record.state == "queued")
    return [folder for folder in queued if read_status(folder).needs_supervisor]


def _may_wait(folder: RunFolder) -> bool:
    """A look that is cheap: there may be thousands of runs."""
    try:
        return b'"queued"' in folder.record.read_bytes()
    except OSError:
        return False


def is_over(folder: RunFolder, record: Record) -> bool:
    """Whether a run without a verdict may be judged by a supervisor of this machine, which holds its lock."""
    return not _look(folder, record, held=False).is_active


def judge_unseen(folder: RunFolder, record: Record, job: Job | None = None) -> Verdict:
    """The verdict on an active run of which neither supervisor nor training lives any more; `job`: how its job ended."""
    from fluxgym.log.history import get_history
    from fluxgym.run.verdict import Ending, judge

    attempt = record.attempts[-1]
    if job is not None:
        from fluxgym.run.job_end import judge_job

        return judge_job(folder, record, job, get_history(folder.training_log))
    if attempt.training is None:
        why = f"did not come up within {START_LIMIT} s" if record.supervisor is None else "died before the training started"
        return Verdict("failed", f"Its supervisor {why}; {folder.monitor_log.name} may say more.", "other", ["the training"])
    host = attempt.training.host if attempt.training.is_elsewhere else ""
    ending = Ending(None, rebooted=not attempt.training.is_of_this_boot, host=host)
    return judge(folder, record, ending, get_history(folder.training_log))


def _active(folder: RunFolder, record: Record, seen: _Seen, line: list[Ticket] | None) -> Status:
    attempt, training = record.attempts[-1], seen.training
    state = "queued" if seen.is_put_back else record.state
    is_queued = state == "queued"
    return Status(
        state=state,
        message=_active_message(record, seen),
        since=record.since,
        started=attempt.started,
        attempt=attempt.number,
        pid=training.pid if training else None,
        is_active=True,
        needs_supervisor=seen.needs_supervisor,
        health=record.health if seen.is_guarded and (training or seen.signs) else None,
        queue=find_turn(folder, line) if is_queued and not seen.job else None,
        places=attempt.places,
        begun_by=attempt.begun_by,
        resumes_at=record.resumes_at if is_queued else None,
        killed_at=record.killed_at if record.state == "stopping" and seen.is_guarded else None,
        resumes_left=record.resumes_left(read_care(folder)),
        is_ours=record.is_ours,
        job=seen.job,
        host=seen.signs.host if seen.signs else "",
        ahead=seen.signs.beat.ahead if seen.signs and seen.signs.beat else 0.0,
    )


def _active_message(record: Record, seen: _Seen) -> str:
    attempt, training = record.attempts[-1], seen.training
    if seen.is_put_back and record.state != "queued":
        return NEXT_JOB
    if not seen.is_guarded and seen.signs and not seen.needs_supervisor:
        beat = seen.signs.beat
        return f"Its supervisor on {seen.signs.host} was not heard for {span(beat.age) if beat else 'long'}."
    if seen.needs_supervisor:
        return "Its supervisor is gone; " + ("it keeps its turn." if record.state == "queued" else "the training goes on.")
    if attempt.training and not training and record.supervisor and record.supervisor.alive():
        return "The training has ended; its verdict is yet to be written. That waits while the disk is full."
    if record.state in ("running", "stopping") and (not attempt.note or attempt.note in BEGINNINGS):
        return ""
    if attempt.number > 1 and not attempt.resumed_from and not attempt.note:
        return ANEW
    return attempt.note


def _ended(folder: RunFolder, record: Record, verdict: Verdict, is_settled: bool) -> Status:
    attempt, states = record.attempts[-1], find_states(folder, record)
    failure = Failure(verdict.kind or "other", verdict.message) if verdict.state == "failed" else None
    return Status(
        state=verdict.state,
        message=verdict.message,
        since=record.since if is_settled else None,
        started=attempt.started,
        took=record.took,
        step=verdict.step,
        total_steps=verdict.total_steps,
        attempt=attempt.number,
        failure=failure,
        last_lines=verdict.last_lines,
        resumable=None if verdict.state == "completed" else best_state(record.to(record.state, verdict=verdict), states),
        can_restart=verdict.state != "completed" and can_begin_anew(folder, record, states),
        needs_supervisor=not is_settled,
        places=attempt.places,
        begun_by=attempt.begun_by,
        resumes_left=record.resumes_left(read_care(folder)),
        is_ours=record.is_ours,
    )


def _read_without_record(folder: RunFolder, record: Record | None, held: bool) -> Status:
    """A folder of another tool, a start that has not written its record yet, or a run.json that cannot be read."""
    if record is None and held:
        return Status("starting", is_active=True)
    pid = next((member.identity.pid for member in find_family(folder)), None)  # also of a run whose folder was deleted
    unknown = "Slurm refused its start." if folder.job_script.exists() else "FluxGym did not start it."
    problem = f"{record.problem}." if record else "It has no run.json" + (f": {unknown}" if pid is None else ".")
    note = f" Its training is alive (process {pid})." if pid is not None else ""
    return Status(None, problem + note, pid=pid, is_active=held or pid is not None)
