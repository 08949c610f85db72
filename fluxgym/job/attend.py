"""The process that attends to a job: starts the one that works, passes on a wish to stop, writes down how it ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from fluxgym.job.folder import Job, read_job, write_end, write_process
from fluxgym.run.folders import PROJECT
from fluxgym.run.identity import Identity
from trainer.progress import PLACE

GRACE = 5.0  # s for an end of its own accord
LOOK = 0.1  # s


def main(arguments: list[str]) -> int:
    """`arguments`: the job's folder, and the handle of its lock, which is ours and the worker's until both have ended."""
    folder, handle = arguments
    job = Job(Path(folder))
    status = read_job(job)
    if status is None:
        return 1
    asked: list[float] = []

    def ask(_number: int, _frame: FrameType | None) -> None:
        if not asked:
            asked.append(time.monotonic())

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask)
    with job.log.open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, *status.about.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=PROJECT,
            env={**os.environ, PLACE: str(job.progress)},
            process_group=0,
            pass_fds=(int(handle),),
        )
    try:
        write_process(job, Identity.of_child(os.getpid()), Identity.of_child(worker.pid))
    except OSError:  # nobody could ever stop it
        os.killpg(worker.pid, signal.SIGKILL)
        raise
    code = _wait(worker, asked)
    write_end(job, code, bool(asked) and code != 0, time.time())
    return 0


def _wait(worker: subprocess.Popen[bytes], asked: list[float]) -> int:
    """The worker's exit code. Once it was asked to end it is told so, and killed after GRACE."""
    is_told = False
    while True:
        try:
            return worker.wait(LOOK)
        except subprocess.TimeoutExpired:
            if asked and not is_told:
                os.killpg(worker.pid, signal.SIGTERM)
                is_told = True
            elif asked and time.monotonic() - asked[0] > GRACE:
                os.killpg(worker.pid, signal.SIGKILL)
