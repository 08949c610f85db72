"""The backend of one machine: a supervisor is a process that we start, and is told by signals; or, where a shared folder is all
that leads to the machine on which it runs, by a file."""

import signal
from dataclasses import replace

from fluxgym.run.backend import Job
from fluxgym.run.beat import hear
from fluxgym.run.record import Record
from trainer.folder import RunFolder


class Local:
    """Runs on this machine, or on another one that has the same outputs."""

    name = "local"

    def why_not(self) -> str:
        """Always possible."""
        return ""

    def start(self, folder: RunFolder, record: Record) -> Record:
        """Sends a supervisor."""
        from fluxgym.run.send import send_supervisor  # with subprocess

        return replace(record, supervisor=send_supervisor(folder))

    def withdraw(self, folder: RunFolder, record: Record) -> bool:
        """Its supervisor comes up at once, so it is told."""
        return False

    def signal(self, folder: RunFolder, record: Record, number: signal.Signals) -> bool:
        """By the kernel; a supervisor on another machine finds the wish in its folder."""
        supervisor = record.supervisor
        if supervisor is None:
            return False
        if number == signal.SIGUSR1 and (supervisor.is_elsewhere or hear(folder, supervisor)):
            folder.stop_now.touch()
            return True
        return supervisor.signal(number)

    def ask(self, record: Record) -> Job | None:
        """No scheduler, no job."""
        return None
