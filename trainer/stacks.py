"""Where a training is at this moment: SIGUSR2 makes it write down the stacks of all its threads. Imports no torch.

The signal is answered by C code, so also by a process that is in an endless loop, waits in the kernel or in a library. It goes
on afterwards as if nothing had happened."""

import faulthandler
import os
import signal
from pathlib import Path

from trainer.folder import RunFolder

RUN = "FLUXGYM_RUN"  # in the environment of a supervised training: its run folder
STDERR = 2
NUMBER = signal.SIGUSR2


def tell_stacks() -> None:
    """From here on the signal is answered: in monitor.log where there is a supervisor, who keeps it; otherwise on stderr."""
    faulthandler.register(NUMBER, file=_open_place(), all_threads=True, chain=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {NUMBER})


def _open_place() -> int:
    """A file descriptor, open for as long as the process lives. Several processes may share the file: writes are appended."""
    if not os.environ.get(RUN):
        return STDERR
    try:
        return os.open(RunFolder(Path(os.environ[RUN])).monitor_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:  # a folder that was removed or cannot be written; the log of the training is as good
        return STDERR
