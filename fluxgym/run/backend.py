"""Where supervisors are started, and by whom: on this machine, or by a cluster's scheduler. Small on purpose.

Everything else reads the run's folder and does not know which it was. A third backend is one file with a class like Local or
Slurm, and one line in `_backend`.
"""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fluxgym.run.care import SLURM, Care
from fluxgym.run.record import Record
from trainer.folder import RunFolder

UNKNOWN, FORGOTTEN = "", "FORGOTTEN"  # states of a job: nobody answered yet; the scheduler answers and knows no such job


class BackendError(ValueError):
    """What the backend was asked for cannot be; the message says why."""


@dataclass(frozen=True)
class Job:
    """A run's job as its scheduler told last."""

    id: str
    state: str = UNKNOWN  # as Slurm calls it: PENDING, RUNNING, COMPLETING, CANCELLED ...
    reason: str = ""  # why it waits, or how it ended, as Slurm calls it
    nodes: str = ""  # "gpu[1-2]"; empty: none yet
    starts: float | None = None  # estimated, s since 1970, while it waits
    ends: float | None = None  # when its time limit is over, s since 1970, while it runs
    silence: str = ""  # why the scheduler cannot be asked now, for people; empty: it answers
    exit_code: str = ""  # "1:0": code and signal, of a job that ended, where it is known
    is_live: bool = False  # it waits, runs, or is just ending
    is_waiting: bool = False  # for its start, also for the next one
    must_leave: bool = False  # it runs, and was given a last while to make room for another
    name: str = ""  # that of its run, where nobody changed it: a scheduler that lost its memory gives ids again
    script: str = ""  # path of what was submitted, where it is known

    @property
    def is_over(self) -> bool:
        """Whether that is certain: a scheduler that does not answer proves nothing."""
        return bool(self.state) and not self.is_live

    def of(self, run: str) -> "Job":
        """The job as one of this run: forgotten, where its id is that of another run's by now."""
        is_its = self.name in ("", run) or self.script.endswith(f"/{RunFolder(Path(run)).job_script}")
        return self if is_its else Job(self.id, FORGOTTEN)


class Backend(Protocol):
    """What a backend can be asked. No answer takes longer than some seconds."""

    name: str

    def why_not(self) -> str:
        """Why no run can be started with it here, for people; empty: it can."""

    def start(self, folder: RunFolder, record: Record) -> Record:
        """Has a supervisor started for the last attempt; it waits for run.lock, which the caller holds.

        The record with what is known of it then. Raises BackendError."""

    def withdraw(self, folder: RunFolder, record: Record) -> bool:
        """Takes back a start of which no supervisor came up yet; False: it may be up, and is to be signalled."""

    def signal(self, folder: RunFolder, record: Record, number: signal.Signals) -> bool:
        """Tells the run's supervisor something; False where it cannot be reached now."""

    def ask(self, record: Record) -> Job | None:
        """The job of the last attempt, as far as it is known without waiting; None: it has none."""


def find_backend(record: Record) -> Backend:
    """That of the last attempt."""
    attempt = record.attempt
    return _backend(attempt.backend if attempt else "local")


def choose_backend(care: Care) -> Backend:
    """That which a new attempt is started with."""
    return _backend(SLURM if care.place == SLURM else "local")


def _backend(name: str) -> Backend:
    if name == SLURM:
        from fluxgym.run.slurm import Slurm  # with subprocess, which a supervisor need not load

        return Slurm()
    from fluxgym.run.local import Local

    return Local()
