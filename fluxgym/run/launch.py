"""What a person can ask of a run that was created (create.py): start, resume, stop. For the dashboard and the terminal.

Each returns at once; the work is done by a supervisor (fluxgym.run.supervise) that outlives whoever started it. Whether a
wish can be fulfilled is decided, and written down, under run.lock: of two that come at the same moment one is told no.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgym.run import lock
from fluxgym.run.backend import BackendError, choose_backend, find_backend
from fluxgym.run.care import FIRST_FREE, NONE, SLURM, Care, read_care, write_care
from fluxgym.run.folders import outputs_root, shown_path
from fluxgym.run.places import DriverSilent, PlaceError, make_wish
from fluxgym.run.queue import Ticket, tickets_folder
from fluxgym.run.record import AGAIN, OTHER_ENVIRONMENT, PERSON, Record, begin_attempt, put_aside, read_record, write_record
from fluxgym.run.resuming import best_state, find_states
from fluxgym.run.send import send_supervisor
from fluxgym.run.status import Status, find_unattended, read_status
from fluxgym.run.verdict import judge_unbegun
from trainer.folder import RunFolder, State, read_state

PATIENCE = 5.0  # s; others hold the lock for an instant, a supervisor for hours
ADOPTION = 15.0  # s in which a new supervisor must have come up
BEFORE_STOP = ("queued", "starting", "running")
SEND_AGAIN = 5.0  # s between two supervisors that this process sends to one run
_sent: dict[RunFolder, float] = {}  # monotonic time of the last supervisor that look_after sent


class RunError(ValueError):
    """A wish that cannot be fulfilled; the message says why and what can be done."""

    def __init__(self, folder: RunFolder, message: str):
        super().__init__(message)
        self.folder = folder


class NameTaken(RunError):
    """An earlier run has this name."""


class RunIsActive(RunError):
    """The run is under way."""


class RunIsNotActive(RunError):
    """The run is not under way."""


class OnlyToRead(RunError):
    """The folder was opened to be read."""


class NothingToResume(RunError):
    """No state, or not this one, can be resumed from."""


def start_run(
    folder: RunFolder,
    command: list[str] | None = None,
    *,
    care: Care | None = None,
    cwd: Path | None = None,
    any_command: bool = False,
) -> Status:
    """Starts a run that was created, or puts it into the queue. Raises RunIsActive, NameTaken after its end, or RunError.

    `command` trains; None: our trainer. `care`: the choices for it; None: those that are in its folder. `cwd`: where the
    command is started; None: the project. `any_command`: it need not be a trainer that we know."""
    refuse_read_only(folder)
    if not command and not folder.config.is_file():
        missing = f"{folder.config.name} is missing in {shown_path(folder.path)}"
        raise RunError(folder, f"{missing}, expected the settings of the run")
    try:
        check_place(care or read_care(folder))
    except PlaceError as error:
        raise RunError(folder, str(error)) from error
    with locked(folder):
        refuse_active(folder, lock_is_ours=True)
        record = read_record(folder)
        if record and not record.problem:
            raise NameTaken(folder, f"{folder.name} has run already; resume it, or create it anew")
        if care:
            write_care(folder, care)
        now, start = time.time(), str(cwd.resolve()) if cwd else None
        record = Record(folder.name, now, command or [], "starting", now, cwd=start, any_command=any_command)
        _launch(folder, begin_attempt(folder, record, []))
    return read_status(folder)


def check_place(care: Care) -> None:
    """Raises PlaceError, a ValueError, where it names a GPU that is not there, or nobody could wait for it."""
    if why_not := choose_backend(care).why_not():
        raise PlaceError(f"place: {why_not}")
    if care.place in (NONE, SLURM):
        return
    try:
        tickets_folder()
        if care.place != FIRST_FREE:
            with contextlib.suppress(DriverSilent):  # it may come back while the run waits
                make_wish(care.place)
    except PlaceError as error:
        raise PlaceError(f"place: {error}") from error
    except OSError as error:
        cure = "expected a folder for the locks that can be written; FLUXGYM_LOCKS names another"
        raise PlaceError(f"place: got {error.strerror} at {error.filename}, {cure}") from error


def resume_run(folder: RunFolder, state: State | None = None, changes: dict[str, Any] | None = None) -> Status:
    """Goes on from a state; None: the furthest whole one, or from the beginning where nothing was saved yet.

    `changes`: settings by dotted name, such as {"train.epochs": 20}; a completed run goes on for more epochs than before.
    Raises RunIsActive, NothingToResume, or RunError where the changes cannot be made."""
    refuse_read_only(folder)
    settle(folder)
    with locked(folder):
        status = refuse_active(folder, lock_is_ours=True)
        record = read_record(folder, lock_is_ours=True)
        if record and record.problem:
            record = None
        if status.state == "completed" and not _wants_more(folder, record, changes or {}):
            more = "" if record and record.any_command else "; it can go on for more epochs than before"
            raise NothingToResume(folder, f"{folder.name} is completed, there is nothing left to do{more}")
        chosen = None if status.can_restart and not state else _choose_state(folder, record, state)
        kept = _change_settings(folder, record, changes) if changes else None
        begun = begin_attempt(folder, record, [], chosen)
        if begun.any_command:
            begun = begun.to(begun.state, note=OTHER_ENVIRONMENT if chosen else AGAIN)
        try:
            _launch(folder, begun)
        except (OSError, RunError):
            if kept and read_record(folder) == record:  # nothing will start with them, and the next try must see the old ones
                kept.replace(folder.config)
            raise
    return read_status(folder)


def _wants_more(folder: RunFolder, record: Record | None, changes: dict[str, Any]) -> bool:
    from fluxgym.run.settings import SettingsError, read_settings

    try:
        before = int(read_settings(folder).get("train", {}).get("epochs", 0))
    except (SettingsError, TypeError, ValueError, AttributeError):
        before = 0
    wanted = changes.get("train.epochs")
    return isinstance(wanted, int) and wanted > before


def _change_settings(folder: RunFolder, record: Record | None, changes: dict[str, Any]) -> Path:
    from fluxgym.run.settings import change_settings

    if record and not record.is_ours:
        raise RunError(folder, f"{folder.name} has a command of its own: its settings are in that, not in {folder.config.name}")
    try:
        return change_settings(folder, changes)
    except ValueError as error:  # they name the setting and what is expected of it
        raise RunError(folder, str(error)) from error


def stop_run(folder: RunFolder, wait: float | None = None) -> Status:
    """Asks a run to save its state and end. `wait`: at most so many seconds for the end. Raises RunIsNotActive, RunError."""

    def is_wanted(status: Status) -> None:
        if not status.is_active:
            raise RunIsNotActive(folder, f"{folder.name} is not running, it is {status.state or 'not a run of FluxGym'}")

    if not _withdraw(folder, is_wanted):
        _signal(folder, signal.SIGUSR1, is_wanted)
    return wait_for_end(folder, wait) if wait is not None else _wait_for(folder, lambda status: status.state not in BEFORE_STOP)


def _withdraw(folder: RunFolder, check: Callable[[Status], None]) -> bool:
    """Takes a run back for which no supervisor came up yet; False where one did, or may."""
    refuse_read_only(folder)
    record = read_record(folder)
    if not record or record.problem or not find_backend(record).ask(record) or read_status(folder).state != "queued":
        return False
    try:
        with lock.hold(folder.lock, PATIENCE):
            check(read_status(folder, lock_is_ours=True))
            record = read_record(folder) or record
            if not find_backend(record).withdraw(folder, record):
                return False
            verdict = judge_unbegun(folder, record)
            record = replace(record, supervisor=None).to(verdict.state, stop=PERSON, ended=time.time(), verdict=verdict)
            write_record(folder, record)
    except lock.LockHeld:  # it began in this moment
        return False
    return True


def resume_now(folder: RunFolder) -> Status:
    """Ends the pause before a run goes on by itself. Raises RunIsNotActive where it does not pause, or RunError."""

    def is_wanted(status: Status) -> None:
        if not status.is_pausing:
            raise RunIsNotActive(folder, f"{folder.name} does not pause, it is {status.state or 'not a run of FluxGym'}")

    _signal(folder, signal.SIGUSR2, is_wanted)
    return _wait_for(folder, lambda status: not status.is_pausing)


def _wait_for(folder: RunFolder, is_heard: Callable[[Status], bool]) -> Status:
    """The status once what was asked for shows, or after some seconds: on another machine it is heard a little later."""
    deadline = time.monotonic() + PATIENCE
    while not is_heard(status := read_status(folder)) and time.monotonic() < deadline:
        time.sleep(lock.RETRY)
    return status


def _signal(folder: RunFolder, number: signal.Signals, check: Callable[[Status], None]) -> None:
    """Sends a signal to the run's supervisor, which may have to come up first. `check` raises where the status forbids it."""
    refuse_read_only(folder)
    deadline = time.monotonic() + ADOPTION
    while True:
        check(look_after(folder))
        if (record := read_record(folder)) and find_backend(record).signal(folder, record, number):
            return
        if time.monotonic() > deadline:
            raise RunError(folder, f"the supervisor of {folder.name} cannot be reached; it may run in another container")
        time.sleep(lock.RETRY)


def wait_for_end(folder: RunFolder, timeout: float) -> Status:
    """The status once the run has ended, or after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while (status := look_after(folder)).is_active and time.monotonic() < deadline:
        time.sleep(0.1)
    return status


def look_after_queued() -> None:
    """Sends supervisors to the waiting runs that lost theirs: those of our outputs root, and those that left a ticket."""
    for folder in find_unattended():
        look_after(folder)


def look_after(folder: RunFolder, line: list[Ticket] | None = None) -> Status:
    """read_status, and a supervisor is sent where one is missing: it adopts the training, or writes down how it ended."""
    status = read_status(folder, line=line)
    now = time.monotonic()
    if status.needs_supervisor and now - _sent.get(folder, -SEND_AGAIN) >= SEND_AGAIN:
        _sent[folder] = now
        send_supervisor(folder)
    return status


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Holds run.lock while a run is begun. Raises RunIsActive where somebody else does for long."""
    record = read_record(folder)
    if record and record.supervisor and record.supervisor.alive():  # it holds the lock for long: no use in waiting
        refuse_active(folder)
    try:
        with lock.hold(folder.lock, PATIENCE):
            yield
    except lock.LockHeld as error:
        raise RunIsActive(folder, f"{folder.name} is under way, its supervisor holds {folder.lock.name}") from error


def settle(folder: RunFolder) -> None:
    """An end that nobody saw is written down before anything new begins, and what it left running ends: a supervisor's work."""
    status, deadline = read_status(folder), time.monotonic() + ADOPTION
    while status.needs_supervisor and not status.is_active and time.monotonic() < deadline:
        record = read_record(folder)
        if not record or not record.attempt or record.attempt.verdict or record.attempt.number != status.attempt:
            return
        look_after(folder)
        time.sleep(lock.RETRY)


def refuse_read_only(folder: RunFolder) -> None:
    """Raises OnlyToRead for a folder that was opened to be read: what is in it stays as it is."""
    if folder.is_read_only:
        raise OnlyToRead(
            folder,
            f"got {shown_path(folder.path)}, which was opened to be read, expected a run of {shown_path(outputs_root())}",
        )


def refuse_active(folder: RunFolder, lock_is_ours: bool = False) -> Status:
    """The status of a run that is not under way. Raises RunIsActive. `lock_is_ours`: the caller holds run.lock."""
    status = read_status(folder, lock_is_ours)
    if status.is_active:
        process = f", process {status.pid}" if status.pid else ""
        how = f"{status.state}{process}" if status.state else status.message.rstrip(".")
        raise RunIsActive(folder, f"{folder.name} is under way already: {how}")
    return status


def _choose_state(folder: RunFolder, record: Record | None, state: State | None) -> State:
    states = find_states(folder, record)
    chosen = best_state(record, states)
    if state:
        there = {found.path.resolve(): found for found in states}
        chosen = there.get(state.path.resolve()) or read_state(state.path)
    if chosen is None:
        damaged = [f"{found.path.name} is damaged: {found.problem}" for found in states]
        raise NothingToResume(folder, "; ".join([f"{folder.name} has no whole state to resume from", *damaged]))
    if chosen.problem:
        raise NothingToResume(folder, f"{chosen.path.name} is damaged: {chosen.problem}")
    return chosen


def _launch(folder: RunFolder, record: Record) -> None:
    """Writes the record and starts a supervisor for it, which waits for the lock that we hold."""
    before = read_record(folder)
    if before and before.problem:
        put_aside(folder)
        before = None
    folder.stop_now.unlink(missing_ok=True)  # it was meant for an attempt before, which ended without it
    backend = choose_backend(care := read_care(folder))
    record = record.to("starting" if care.place == NONE else "queued", backend=backend.name)
    write_record(folder, record)
    try:
        begun = backend.start(folder, record)
        if (there := read_record(folder)) is None or (there.state, there.supervisor) == (record.state, None):
            write_record(folder, begun)  # else it began before we were told so, where our lock does not reach
    except BackendError as error:
        if before:
            write_record(folder, before)
        else:
            folder.record.unlink()
        raise RunError(folder, str(error)) from error
