"""Sends a supervisor to a run: a process of its own, which outlives whoever sent it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from fluxgym.run.family import NOT_PASSED_ON
from fluxgym.run.folders import PROJECT, shown_path
from fluxgym.run.identity import Identity
from trainer.folder import RunFolder

BLOCKED = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU}


def send_supervisor(folder: RunFolder) -> Identity | None:
    """Starts a supervisor in a session of its own, with no pipe to us and no file of ours."""
    environment = {key: value for key, value in os.environ.items() if key not in NOT_PASSED_ON}
    command = [sys.executable, "-m", "fluxgym.run", shown_path(folder.path)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)  # so that a stop asked for before it is up waits for it
    try:
        with _open_errors(folder) as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=PROJECT,
                env=environment,
                start_new_session=True,
            )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie while we live
    return Identity.of(process.pid)


def _open_errors(folder: RunFolder) -> IO[bytes]:
    """Where a supervisor complains: its log, or nowhere when the outputs cannot be written."""
    try:
        return folder.monitor_log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")
