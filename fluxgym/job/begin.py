"""Starting and stopping a job. It is a process of its own, which outlives whoever started it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fluxgym.job.folder import About, Job, JobStatus, find_job, jobs_root, read_job, read_process, write_about
from fluxgym.run import lock
from fluxgym.run.folders import PROJECT

LOOKED_AT = 1.0  # s in which pages that look at a job let its lock go
PATIENCE = 20.0  # s in which a job that was asked to end has ended, or was killed


class JobIsActive(ValueError):
    """There is one already of this kind for this subject."""

    def __init__(self, job: Job, title: str):
        super().__init__(f"{title} is under way already")
        self.job = job


def start_job(
    kind: str,
    subject: str,
    command: list[str],
    title: str,
    *,
    secrets: Mapping[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Job:
    """Starts `python <command>` in the project's folder and returns at once. What an earlier job of the same kind and subject
    left in its folder goes; what it made elsewhere is its successor's to go on with.

    `secrets`: environment variables for its process, such as a token; they are written nowhere. Raises JobIsActive, OSError."""
    job = find_job(kind, subject)
    jobs_root().mkdir(parents=True, exist_ok=True)
    job.path.mkdir(exist_ok=True)
    with _hold(job, title) as held:  # the process has it, too
        for path in (job.end, job.progress, job.process, job.log):
            path.unlink(missing_ok=True)
        write_about(job, About(kind, subject, title, command, time.time(), dict(details or {})))
        _send(job, held, {**os.environ, **(secrets or {})})
    return job


@contextlib.contextmanager
def _hold(job: Job, title: str) -> Iterator[lock.Held]:
    """The job's lock. Raises JobIsActive where a job has it; whoever only looks at one has it for an instant."""
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(lock.hold(job.lock, LOOKED_AT))
        except lock.LockHeld as error:
            raise JobIsActive(job, title) from error
        yield held


def _send(job: Job, held: lock.Held, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fluxgym.job", str(job.path), str(held.handle)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=PROJECT,
        env=environment,
        start_new_session=True,
        pass_fds=(held.handle,),
    )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie while we live


def stop_job(job: Job, wait: float = PATIENCE) -> JobStatus | None:
    """Asks it to end, and kills it where it does not. Returns how it then is; what is done already stays."""
    deadline = time.monotonic() + wait
    while (status := read_job(job)) and status.is_active and time.monotonic() < deadline:
        if processes := read_process(job):
            attendant, worker = processes
            if not attendant.signal(signal.SIGTERM):  # it was killed: then nobody but us ends the one that works
                worker.signal_group(signal.SIGKILL)
        time.sleep(5 * lock.RETRY)
    return status


def forget_job(job: Job) -> None:
    """Takes away what is known of a job that has ended. Raises JobIsActive, OSError."""
    if not job.path.is_dir():
        return
    status = read_job(job)
    with _hold(job, status.about.title if status else "It"):  # it may be just being started by somebody else
        shutil.rmtree(job.path, ignore_errors=True)
