"""The run that a supervisor guards: its folder, the lock in it, its monitor's log, and what is done to all its processes."""

import contextlib
import math
import os
import signal
import time
from dataclasses import dataclass, field

from fluxgym.run import lock
from fluxgym.run.beat import Heart
from fluxgym.run.evidence import SUSPENDED
from fluxgym.run.family import Member, find_family
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import Record, read_record, write_record
from trainer.folder import RunFolder

GRACE = 120  # s from SIGTERM to SIGKILL; FLUXGYM_STOP_GRACE changes it
REMAINS_GRACE = 20  # s for what a training leaves behind when it ends by itself


@dataclass(frozen=True)
class Guarded:
    """The run that we guard: its folder, our lock in it, and its monitor's log."""

    folder: RunFolder
    held: lock.Held
    monitor: Monitor
    heart: Heart = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "heart", Heart(self.folder))

    def takes_wish_to_stop(self) -> bool:
        """Whether somebody on another machine wants it to stop; told once."""
        try:
            self.folder.stop_now.unlink()
        except OSError:
            return False
        return True

    def is_there(self, record: Record) -> bool:
        """Whether the folder is still ours. Where run.lock alone was deleted, by a clean-up, say, we hold it anew."""
        if self.held.is_there():
            return True
        there = read_record(self.folder)
        ours = there and (there.supervisor, there.attempt_mark) == (record.supervisor, record.attempt_mark)
        try:
            return bool(ours) and self.held.take_again()
        except OSError as error:  # deleted in this very moment, or no room for it
            self.note(f"run.lock cannot be made anew: {error}")
            return False

    def note(self, text: str) -> None:
        """A line for the monitor's log, unless what lies at its path belongs to another run by now."""
        if self.held.is_there():
            self.monitor.note(text)
        else:
            with contextlib.suppress(OSError):
                print(text, flush=True)

    def write(self, record: Record) -> bool:
        """A record that cannot be written (a full disk, say) must not end the care for the training. False: try it again."""
        try:
            if self.held.is_there():
                write_record(self.folder, record)
        except OSError as error:
            self.note(f"{self.folder.record.name} cannot be written: {error}")
            return False
        return True

    def family(self, record: Record) -> list[Member]:
        """The living processes of the attempt under way."""
        return find_family(self.folder, record.attempts[-1].training, record.attempt_mark)

    def ask_to_end(self, member: Member) -> None:
        """SIGTERM, which a process that is suspended only hears when it is let go on."""
        member.identity.signal(signal.SIGTERM)
        if member.stat.state == SUSPENDED:
            member.identity.signal(signal.SIGCONT)
            self.note(f"process {member.identity.pid} is suspended: SIGCONT, so that it can end")

    def clear_remains(self, record: Record, deadline: float | None = None) -> int:
        """A training has ended when all its processes have: one that stays behind may hold the GPU's memory. How many did.

        With a `deadline` their group was asked to end before, and they have until then: of a training under `accelerate launch`
        the launcher ends first, while the process that learns is still saving its state. Who left the group is asked now."""
        remains = self.family(record)
        for member in remains:
            was_asked = deadline and _is_in_group(member, record)
            asked = "which was asked to end before" if was_asked else "which the training left behind: SIGTERM"
            self.note(f"process {member.identity.pid}, {asked}")
            if not was_asked:
                self.ask_to_end(member)
        deadline = deadline or time.monotonic() + min(REMAINS_GRACE, self.grace())
        while any(member.identity.alive() for member in remains) and time.monotonic() < deadline:
            self.heart.beat()
            signal.sigtimedwait([signal.SIGCHLD], 0.05)
        for member in self.family(record):
            member.identity.signal(signal.SIGKILL)
            self.note(f"process {member.identity.pid}, which stayed: SIGKILL")
        return len(remains)

    def grace(self) -> float:
        """Seconds from SIGTERM to SIGKILL."""
        return self.number("FLUXGYM_STOP_GRACE", GRACE)

    def number(self, name: str, usual: float) -> float:
        """A number from the environment, `usual` where none is set; one that makes no sense is noted and not taken."""
        wanted = os.environ.get(name, "")
        try:
            number = float(wanted or usual)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            self.note(f"{name}: got {wanted!r}, expected a number of 0 or more; it will be {usual:g}")
            return usual
        return number


def _is_in_group(member: Member, record: Record) -> bool:
    """Whether a signal to the training's process group reaches this process."""
    training = record.attempts[-1].training
    try:
        return training is not None and os.getpgid(member.identity.pid) == training.pid
    except ProcessLookupError:  # it ended this moment
        return True
