"""Moves training.log to logs/ when it is full, and goes on in a new one; what was moved is packed after that. Imports no torch.

In whatever instant the process is killed, all lines are there, in files that can be read: a file is moved by its name alone,
and is packed beside itself. In between the log may be missing at its place; whoever starts the next attempt makes a new one.
"""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from trainer.disk import BESIDE, pack
from trainer.folder import RunFolder
from trainer.report import warn

OUTPUTS = (1, 2)  # standard output and standard error
MEGABYTE = 10**6
_packing = threading.Lock()  # one at a time


class TrainingLog:
    """The log that this process writes, if its output goes into the training.log of the run. `rotate_mb` 0: never moved.

    One process of the training `leads`: it moves the file. The others follow it to the new one."""

    def __init__(self, folder: RunFolder, rotate_mb: float, leads: bool = True):
        self._folder, self._leads = folder, leads
        self._full = self._step = rotate_mb * MEGABYTE  # bytes from which on it is moved

    def turn(self) -> None:
        """To be called now and then, between two lines; costs two looks at a file."""
        here = os.fstat(OUTPUTS[0])
        try:
            if not self._leads:
                self._follow(here)
            elif self._step and here.st_size >= self._full and is_file(self._folder.training_log, here):
                self._rotate(here)
        except OSError as error:  # a full disk, say: the log goes on as it is
            self._full = here.st_size + self._step
            warn(f"{self._folder.training_log} could not be moved to {self._folder.old_logs}: {error.strerror or error}")

    def _rotate(self, here: os.stat_result) -> None:
        folder = self._folder
        number = max(folder.log_parts(), default=0) + 1
        part, log = folder.log_part(number), folder.training_log
        beside = log.with_name(log.name + BESIDE)
        folder.old_logs.mkdir(exist_ok=True)
        new = os.open(beside, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(new, f"=== Log part {number + 1}, goes on from {part.relative_to(folder.path)} ===\n".encode())
            log.rename(part)
            beside.rename(log)
            redirect(here, new)
        except OSError:
            beside.unlink(missing_ok=True)
            if not log.exists() and part.exists():
                part.rename(log)
            raise
        finally:
            os.close(new)
        self._full = self._step
        threading.Thread(target=pack_parts, args=(folder,), name="packs old logs").start()

    def _follow(self, here: os.stat_result) -> None:
        """To the new file, where the one that this process writes is a part by now. Anybody else's file is left alone."""
        if is_file(self._folder.training_log, here):
            return
        if any(is_file(part, here) for part in self._folder.log_parts().values()):
            with suppress(FileNotFoundError):  # it is not there yet: after the next step
                new = os.open(self._folder.training_log, os.O_WRONLY | os.O_APPEND)
                redirect(here, new)
                os.close(new)


def redirect(here: os.stat_result, new: int) -> None:
    """What was written to the file `here` goes to the new one from now on."""
    sys.stdout.flush()
    sys.stderr.flush()
    for output in OUTPUTS:
        if os.path.samestat(os.fstat(output), here):
            os.dup2(new, output)


def pack_parts(folder: RunFolder) -> None:
    """Packs the parts that nobody writes any more; also those that an earlier attempt left, killed while it packed."""
    with _packing:
        for part in folder.log_parts().values():
            try:
                if part.suffix != ".gz" and not is_written(part):
                    pack(part, part.with_name(f"{part.name}.gz"))
            except OSError as error:
                warn(f"{part} could not be packed: {error.strerror or error}")


def is_file(path: Path, there: os.stat_result) -> bool:
    """Whether that is the file at the path, which may be gone, or another user's."""
    try:
        return os.path.samestat(path.stat(), there)
    except OSError:
        return False


def is_written(part: Path) -> bool:
    """Whether it still is the output of some process: a launcher keeps to the file that it was started with."""
    there = part.stat()
    return any(is_file(output, there) for output in Path("/proc").glob("[0-9]*/fd/[12]"))
