"""The supervisor: guards one run for its life. Started detached by fluxgym.run.launch, it needs nothing but the run's folder.

It holds run.lock, starts the training in a session of its own (or adopts one whose supervisor died), waits for its end or for
a wish to stop, judges, and writes the verdict. Its signals are blocked for life and fetched with sigtimedwait, so that none is
lost and no handler interrupts anything:
    SIGUSR1, SIGINT   a person asks for a stop         SIGTERM   the system asks for a stop
    SIGCHLD           the training may have ended       SIGHUP    nothing
"""

import math
import os
import shlex
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from fluxgym.run import lock
from fluxgym.run.family import ATTEMPT_MARK, MARK, Member, find_family, mark
from fluxgym.run.identity import Identity
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import PERSON, SYSTEM, Attempt, Record, Verdict, begin_attempt, read_record, write_record
from fluxgym.run.status import find_training, is_fresh, judge_unseen
from fluxgym.run.verdict import Ending, judge
from trainer.folder import RunFolder

PATIENCE = 10  # s; whoever launched us holds the lock while writing the record
LOOK_EVERY = 1.0  # s; a training that is not our child has no SIGCHLD
EVIDENCE_EVERY = 30  # s
WRITE_AGAIN = 3  # s
GRACE = 120  # s from SIGTERM to SIGKILL; FLUXGYM_STOP_GRACE changes it
REMAINS_GRACE = 20  # s for what a training leaves behind when it ends by itself
ASKED = {signal.SIGUSR1: PERSON, signal.SIGINT: PERSON, signal.SIGTERM: SYSTEM}
FETCHED = [*ASKED, signal.SIGHUP, signal.SIGCHLD]
RESET = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
NOTHING_TO_DO, BUSY = 0, 3


@dataclass(frozen=True)
class Guarded:
    """The run that we guard: its folder, our lock in it, and its monitor's log."""

    folder: RunFolder
    held: lock.Held
    monitor: Monitor

    def note(self, text: str) -> None:
        """A line for the monitor's log, unless what lies at its path belongs to another run by now."""
        if self.held.is_there():
            self.monitor.note(text)
        else:
            print(text, flush=True)


def main(arguments: list[str]) -> int:
    """Guards the run in the folder that is named until it ends."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(f"got {arguments}, expected the folder of one run", file=sys.stderr)
        return 2
    signal.pthread_sigmask(signal.SIG_SETMASK, FETCHED)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the exit code away
    folder = RunFolder(Path(arguments[0]))
    try:
        with lock.hold(folder.lock, PATIENCE) as held:
            return guard(folder, held)
    except lock.LockHeld:
        Monitor(folder).note(f"supervisor {os.getpid()} ends: another one guards this run")
        return BUSY


def guard(folder: RunFolder, held: lock.Held) -> int:
    """Starts, adopts or judges, whatever run.json says is to be done. The caller holds the lock."""
    record = read_record(folder) or begin_attempt(folder, None, [])
    if record.problem or record.state not in ("starting", "running", "stopping"):
        return NOTHING_TO_DO
    me, monitor = Identity.of(os.getpid()), Monitor(folder)
    run = Guarded(folder, held, monitor)
    if record.supervisor not in (None, me) and record.supervisor.alive():  # sent for this attempt, it waits for our lock
        return BUSY
    training = find_training(folder, record)  # looks at the old supervisor, so before we take its place
    if training:
        run.note(f"supervisor {os.getpid()} adopts the training, process {training.pid}")
        state = "stopping" if record.state == "stopping" else "running"
        _watch(run, replace(record, supervisor=me).to(state, training=training), training)
    elif _is_ours_to_start(record, me):
        _start(run, replace(record, supervisor=me))
    else:
        run.note(f"supervisor {os.getpid()}: the training ended while nobody watched")
        _clear_remains(run, record)
        _settle(run, record, None, judge_unseen(folder, record))
    return 0


def _is_ours_to_start(record: Record, me: Identity | None) -> bool:
    """Whether this attempt waits for us, rather than for a supervisor that died over it."""
    waits = record.state == "starting" and record.attempts[-1].training is None
    return waits and (record.supervisor == me or (record.supervisor is None and is_fresh(record)))


def _start(run: Guarded, record: Record) -> None:
    record = record.to(record.state, started=time.time())
    try:
        training = _start_training(run.folder, record)
    except OSError as error:
        verdict = Verdict("failed", f"The training could not be started: {error}", "other", ["the training"])
        _settle(run, record, None, verdict)
        return
    command = shlex.join(record.attempts[-1].command)
    run.note(f"supervisor {os.getpid()} started the training, process {training.pid}: {command}")
    _watch(run, record.to("running", training=training), training)


def _watch(run: Guarded, record: Record, training: Identity) -> None:
    _write(run, record)
    Watch(run, record, training).to_the_end()


def _start_training(folder: RunFolder, record: Record) -> Identity:
    """Starts the training in a session of its own, with its output straight into training.log and clean signals."""
    attempt = record.attempts[-1]
    _write_attempt_line(folder, attempt)
    environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    environment |= {MARK: mark(folder), ATTEMPT_MARK: record.attempt_mark}
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    pid = os.posix_spawnp(
        attempt.command[0],
        attempt.command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder.training_log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=RESET,
    )
    return Identity.of_child(pid)


def _write_attempt_line(folder: RunFolder, attempt: Attempt) -> None:
    """The visible line between attempts. A log whose writer was killed may end in the middle of a line: end that first."""
    resumed = f", resumed from {attempt.resumed_from}" if attempt.resumed_from else ""
    line = f"=== Attempt {attempt.number}, {time.strftime('%Y-%m-%d %H:%M:%S')}{resumed} ===\n".encode()
    with folder.training_log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)


@dataclass
class Watch:
    """The time from the start (or adoption) of a training to its verdict."""

    run: Guarded
    record: Record
    training: Identity
    deadline: float | None = None  # monotonic time at which a training that was asked to end is killed

    def to_the_end(self) -> None:
        if self.record.state == "stopping":
            self._ask_to_stop()
        evidence = time.monotonic()
        while self.training.alive() and (self.run.held.is_there() or self._keeps_its_folder()):
            now = time.monotonic()
            if now >= evidence:
                self._note_evidence()
                evidence = now + EVIDENCE_EVERY
            if self.deadline is not None and now >= self.deadline:
                self._kill()
                self.deadline = now + EVIDENCE_EVERY  # again, should it hang in the kernel
            got = signal.sigtimedwait(FETCHED, LOOK_EVERY)
            if got and got.si_signo in ASKED:
                self._stop_was_asked(got)
        if self.training.alive():
            self._leave()
        else:
            self._end()

    def _note_evidence(self) -> None:
        try:
            self.run.monitor.note_evidence(self.record.state, self.training)
        except Exception as error:  # evidence is a courtesy: whatever is wrong with it must not end the care for the training
            self.run.note(f"no evidence: {type(error).__name__}: {error}")

    def _stop_was_asked(self, got: signal.struct_siginfo) -> None:
        name = signal.Signals(got.si_signo).name
        who = ASKED[signal.Signals(got.si_signo)]
        self.run.note(f"stop asked by a {who} ({name} from process {got.si_pid})")
        if self.record.state != "stopping":
            self.record = self.record.to("stopping", stop=who)
            _write(self.run, self.record)
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        grace = _read_grace(self.run)
        self.deadline = time.monotonic() + grace
        sent = self.training.signal_group(signal.SIGTERM)
        self.run.note(f"SIGTERM to process group {self.training.pid}{'' if sent else ', which is gone'}; {grace:g} s to end")

    def _kill(self) -> None:
        family = _family(self.run, self.record)
        self.training.signal_group(signal.SIGKILL)
        for member in family:
            member.identity.signal(signal.SIGKILL)
        self.run.note(f"no answer to SIGTERM: SIGKILL to {len(family)} processes")

    def _keeps_its_folder(self) -> bool:
        """Whether run.lock alone was deleted, by a clean-up of lock files, say: the record is still ours then."""
        there = read_record(self.run.folder)
        ours = there and (there.supervisor, there.attempt_mark) == (self.record.supervisor, self.record.attempt_mark)
        try:
            return bool(ours) and self.run.held.take_again()
        except OSError as error:  # deleted in this very moment, or no room for it
            self.run.note(f"run.lock cannot be made anew: {error}")
            return False

    def _leave(self) -> None:
        """The folder was taken away. The training must end, or it would hold the GPU unseen; the rest is no longer ours."""
        self.run.note(f"{self.run.folder.path} is not the folder any more in which process {self.training.pid} was started")
        if self.deadline is None:
            self._ask_to_stop()
        _clear_remains(self.run, self.record, self.deadline)

    def _end(self) -> None:
        exit_code = _reap(self.training.pid)
        self.run.note(f"the training ended, exit code {'unknown' if exit_code is None else exit_code}")
        _clear_remains(self.run, self.record, self.deadline)
        verdict = judge(self.run.folder, self.record.attempts[-1], Ending(exit_code), self.run.monitor.history)
        _settle(self.run, self.record, exit_code, verdict)


def _family(run: Guarded, record: Record) -> list[Member]:
    return find_family(run.folder, record.attempts[-1].training, record.attempt_mark)


def _clear_remains(run: Guarded, record: Record, deadline: float | None = None) -> None:
    """A training has ended when all its processes have: one that stays behind may hold the GPU's memory.

    With a `deadline` they were asked to end before, and have until then: of a training under `accelerate launch` the launcher
    ends first, while the process that learns is still saving its state."""
    remains = _family(run, record)
    for member in remains:
        asked = "which was asked to end before" if deadline else "which the training left behind: SIGTERM"
        run.note(f"process {member.identity.pid}, {asked}")
        if not deadline:
            member.identity.signal(signal.SIGTERM)
    deadline = deadline or time.monotonic() + min(REMAINS_GRACE, _read_grace(run))
    while any(member.identity.alive() for member in remains) and time.monotonic() < deadline:
        signal.sigtimedwait([signal.SIGCHLD], 0.05)
    for member in _family(run, record):
        member.identity.signal(signal.SIGKILL)
        run.note(f"process {member.identity.pid}, which stayed: SIGKILL")


def _read_grace(run: Guarded) -> float:
    """Seconds from SIGTERM to SIGKILL."""
    wanted = os.environ.get("FLUXGYM_STOP_GRACE", str(GRACE))
    try:
        grace = float(wanted)
    except ValueError:
        grace = math.nan
    if not 0 <= grace < math.inf:
        run.note(f"FLUXGYM_STOP_GRACE: got {wanted!r}, expected a number of seconds; it will be {GRACE}")
        return GRACE
    return grace


def _reap(pid: int) -> int | None:
    """The exit code of our child, negative for a signal; None for a training that was adopted."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None


def _settle(run: Guarded, record: Record, exit_code: int | None, verdict: Verdict) -> None:
    """Writes the verdict, for good. On a full disk it waits for room: only here is known how the training ended."""
    ended = replace(record, supervisor=None).to(verdict.state, ended=time.time(), exit_code=exit_code, verdict=verdict)
    while not _write(run, ended):
        time.sleep(WRITE_AGAIN)
    is_fault = verdict.missing and verdict.state != "stopped"  # a stop that was asked for leaves things out
    missing = f" Missing: {'; '.join(verdict.missing)}." if is_fault else ""
    run.note(f"{verdict.state}: {verdict.message}{missing}")


def _write(run: Guarded, record: Record) -> bool:
    """A record that cannot be written (a full disk, say) must not end the care for the training. False: try it again."""
    try:
        if run.held.is_there():
            write_record(run.folder, record)
    except OSError as error:
        run.note(f"{run.folder.record.name} cannot be written: {error}")
        return False
    return True
