"""The supervisor: guards one run for its life. Started detached by fluxgym.run.launch, it needs nothing but the run's folder.

It holds run.lock, waits until the run's places are free (fluxgym.run.waiting), starts the training in a session of its own
(or adopts one whose supervisor died), watches it to its end (fluxgym.run.watch), writes the verdict, and goes on by itself
where the person wants that.
"""

import contextlib
import os
import shlex
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from fluxgym.run import in_job, lock
from fluxgym.run.again import go_on
from fluxgym.run.elsewhere import find_signs, is_heard
from fluxgym.run.family import ATTEMPT_MARK, MARK, TOLD, mark
from fluxgym.run.guarded import Guarded
from fluxgym.run.identity import Identity
from fluxgym.run.job_end import is_put_back
from fluxgym.run.monitor import Monitor
from fluxgym.run.places import Holding, PlaceError, environment
from fluxgym.run.processes import find_layout, start_all
from fluxgym.run.record import ACTIVE, PERSON, Attempt, Record, Verdict, begin_attempt, read_record
from fluxgym.run.status import find_training, find_unattended, is_fresh, is_over, judge_unseen
from fluxgym.run.tell import URLS, tell, wait_until_told
from fluxgym.run.verdict import judge_unbegun
from fluxgym.run.waiting import Waiting
from fluxgym.run.watch import FETCHED, Ended, Watch
from trainer.folder import RunFolder

PATIENCE = 10  # s; whoever launched us holds the lock while writing the record
WRITE_AGAIN = 3  # s
RESET = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
NOTHING_TO_DO, BUSY = 0, 3


def main(arguments: list[str]) -> int:
    """Guards the run in the folder that is named until it ends."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(f"got {arguments}, expected the folder of one run", file=sys.stderr)
        return 2
    signal.pthread_sigmask(signal.SIG_SETMASK, FETCHED)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the exit code away
    for name in os.environ.pop(TOLD, "").split():
        signal.raise_signal(signal.Signals[f"SIG{name}"])
    folder = RunFolder(Path(arguments[0]))
    in_job.await_name(folder)
    try:
        with lock.hold(folder.lock, in_job.PATIENCE if in_job.own_job() else PATIENCE) as held:
            code = guard(folder, held)
    except lock.LockHeld:
        Monitor(folder).note(f"supervisor {os.getpid()} ends: another one guards this run")
        return BUSY
    if in_job.own_job():
        wait_until_told()
    return code


def guard(folder: RunFolder, held: lock.Held) -> int:
    """Waits, starts, adopts or judges, whatever run.json says is to be done. The caller holds the lock."""
    if not in_job.outlast(folder):
        return BUSY
    record = read_record(folder) or begin_attempt(folder, None, [])
    if record.problem or record.state not in ACTIVE:
        return NOTHING_TO_DO
    me, monitor = Identity.of(os.getpid()), Monitor(folder)
    run = Guarded(folder, held, monitor)
    if record.supervisor not in (None, me) and record.supervisor.alive():  # sent for this attempt, it waits for our lock
        return BUSY
    training = find_training(folder, record)  # looks at the old supervisor, so before we take its place
    found = in_job.find(folder, record)
    is_begun = record.state != "queued" and not _is_ours_to_start(record, me)
    is_ours = found.is_ours or found.job  # in our job, where nobody else is left, or one that is over
    if found.is_others or (is_begun and not training and not is_ours and not is_over(folder, record)):
        return BUSY  # guarded inside its job, or perhaps still trained on another machine
    if is_begun and not training and not found.is_ours and find_signs(folder, record) and is_heard(folder):
        return BUSY  # whatever the clocks say
    run.heart.beat()  # where there are no locks it keeps others away, and ends what is heard of the supervisor before us
    begun = replace(record, supervisor=me)
    if training:
        ended = _adopt(run, begun, training)
    elif not is_begun and (found.is_ours or not found.job):
        ended = _begin(run, begun)
    else:
        run.note(f"supervisor {os.getpid()}: the training ended while nobody watched")
        run.clear_remains(record)
        if found.is_ours:
            in_job.clear_nodes(run)
        put_back = found.job.state if found.job and is_put_back(found.job.state) else ""
        ended = Ended(begun, None, judge_unseen(folder, record, found.job), put_back)
    while ended:
        record = _settle(run, ended)
        ended = _begin(run, record) if record.state == "queued" and record.supervisor else None  # it goes on by itself
    run.heart.stop()
    return 0


def _is_ours_to_start(record: Record, me: Identity | None) -> bool:
    """Whether this attempt waits for us, rather than for a supervisor that died over it."""
    waits = record.state == "starting" and record.attempts[-1].training is None
    return waits and (record.supervisor == me or (record.supervisor is None and is_fresh(record)))


def _adopt(run: Guarded, record: Record, training: Identity) -> Ended | None:
    run.note(f"supervisor {os.getpid()} adopts the training, process {training.pid}")
    holding = Holding(run.folder)
    try:
        holding.adopt(record.attempts[-1].places)
    except (OSError, PlaceError) as error:
        run.note(f"its places are held by the training alone: {error}")
    state = "stopping" if record.state == "stopping" else "running"
    return _watch(run, record.to(state, training=training), training, holding)


def _begin(run: Guarded, record: Record) -> Ended | None:
    """From the queue to the end of the training; None where there is nothing more to be written."""
    holding = Holding(run.folder)
    if record.state == "queued":
        run.write(record)
        _look_after_others(run)
        try:
            waited = Waiting(run, record).to_the_turn()
        except PlaceError as error:
            return Ended(
                record, None, Verdict("failed", f"There is no place for it: {error}.", "wrong_setting", ["the training"])
            )
        if waited.stop == PERSON:
            return Ended(record.to("queued", stop=PERSON), None, judge_unbegun(run.folder, record))
        if waited.stop:
            in_job.leave(run, record)
        if not waited.holding:
            return None
        holding = waited.holding
    names = [place.name for place in holding.places]
    record = in_job.take(replace(record.to("starting", started=time.time(), places=names), resumes_at=None))
    while not run.write(record):  # what is queued on disk must not be running: a reader would start it again
        time.sleep(WRITE_AGAIN)
    return _start(run, record, holding)


def _start(run: Guarded, record: Record, holding: Holding) -> Ended | None:
    try:
        training = _start_training(run.folder, record, environment(holding.places))
    except OSError as error:
        holding.give_back()
        return Ended(record, None, Verdict("failed", f"The training could not be started: {error}", "other", ["the training"]))
    command = shlex.join(_command(record))
    where = f" on {' and '.join(record.attempts[-1].places)}" if holding.places else ""
    run.note(f"supervisor {os.getpid()} started the training{where}, process {training.pid}: {command}")
    return _watch(run, record.to("running", training=training), training, holding)


def _watch(run: Guarded, record: Record, training: Identity, holding: Holding) -> Ended | None:
    run.write(record)
    ended = Watch(run, record, training, holding).to_the_end()
    in_job.clear_nodes(run)
    holding.give_back(is_over=not run.family(record))
    return ended


def _start_training(folder: RunFolder, record: Record, places: dict[str, str]) -> Identity:
    """Starts the training in a session of its own, with its output straight into training.log and clean signals."""
    attempt = record.attempts[-1]
    _write_attempt_line(folder, attempt)
    variables = dict(os.environ) | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    variables |= {MARK: mark(folder), ATTEMPT_MARK: record.attempt_mark} | places
    variables.pop(URLS, None)  # secrets, and some trainers print their environment
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(folder.training_log.absolute()), append, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = _command(record)
    with contextlib.chdir(record.cwd or Path.cwd()):
        pid = os.posix_spawnp(command[0], command, variables, file_actions=files, setsid=True, setsigmask=[], setsigdef=RESET)
    return Identity.of_child(pid)


def _command(record: Record) -> list[str]:
    """What starts all processes of the attempt under way."""
    attempt = record.attempts[-1]
    return start_all(attempt.command, find_layout(attempt.places, os.environ)) if record.is_ours else attempt.command


def _write_attempt_line(folder: RunFolder, attempt: Attempt) -> None:
    """The visible line between attempts. A log whose writer was killed may end in the middle of a line: end that first."""
    resumed = f", resumed from {attempt.resumed_from}" if attempt.resumed_from else ""
    line = f"=== Attempt {attempt.number}, {time.strftime('%Y-%m-%d %H:%M:%S')}{resumed} ===\n".encode()
    with folder.training_log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)


def _settle(run: Guarded, end: Ended) -> Record:
    """Writes the verdict, for good, and in the same moment whether it goes on by itself.

    On a full disk it waits for room: only here is known how the training ended."""
    end = in_job.explain_end(run.folder, end)
    verdict = end.verdict
    ended = end.record.to(verdict.state, ended=time.time(), exit_code=end.exit_code, verdict=verdict)
    is_fault = verdict.missing and verdict.state != "stopped"  # a stop that was asked for leaves things out
    missing = f" Missing: {'; '.join(verdict.missing)}." if is_fault else ""
    run.note(f"{verdict.state}: {verdict.message}{missing}")
    again = go_on(run, ended, end.put_back)
    if again and _wants_it_to_stop(run):
        run.note("a person wants it to stop: it does not go on")
        again, ended = None, ended.to(ended.state, stop=PERSON)
    is_handed_over = again is not None and in_job.must_hand_over(again, end)
    settled = replace(again, supervisor=None) if again and is_handed_over else again or replace(ended, supervisor=None)
    _write_at_last(run, settled)
    if again and is_handed_over and not in_job.hand_over(run, settled):
        again, settled = None, replace(ended, supervisor=None)
        _write_at_last(run, settled)
    if again:
        tell(run.folder, "resumed")
    elif verdict.state != "stopped" or ended.attempts[-1].stop != PERSON:
        tell(run.folder, verdict.state)
    _look_after_others(run)
    return settled


def _wants_it_to_stop(run: Guarded) -> bool:
    """Whether a person said so after the training had ended."""
    return run.takes_wish_to_stop() or signal.SIGUSR1 in signal.sigpending()


def _write_at_last(run: Guarded, record: Record) -> None:
    if record.state not in ACTIVE:
        run.takes_wish_to_stop()  # it was meant for what has ended now; what goes on will hear it
    while not run.write(record):
        time.sleep(WRITE_AGAIN)


def _look_after_others(run: Guarded) -> None:
    """Sends supervisors to the waiting runs that lost theirs, so that nobody needs to be watching for the next to start.

    Not out of a job: what is started there ends with it."""
    if in_job.own_job():
        return
    try:
        for folder in find_unattended():
            from fluxgym.run.launch import look_after  # with subprocess, a megabyte that is seldom needed

            look_after(folder)
    except OSError as error:
        run.note(f"other runs that wait were not looked after: {error}")
