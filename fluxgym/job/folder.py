"""A job on disk: outputs/.jobs/<kind>-<hash of its subject>/. There is one of a kind for a subject; a new one replaces it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fluxgym.run import lock
from fluxgym.run.folders import outputs_root
from fluxgym.run.identity import Identity, known_boot
from trainer.disk import write_whole

VERSION = 1
RUNNING, DONE, FAILED, STOPPED, LOST = "running", "done", "failed", "stopped", "lost"
UNHEARD = "It ended without a word: the machine restarted, somebody killed it, or the disk is full."
TOLD = 4096  # bytes at a log's end in which its last line is looked for


@dataclass(frozen=True)
class Job:
    """The files of one job."""

    path: Path

    @property
    def about(self) -> Path:
        """job.json: what it is, written by whoever starts it."""
        return self.path / "job.json"

    @property
    def progress(self) -> Path:
        """progress.json: how far it is, written by the process that works (trainer/progress.py)."""
        return self.path / "progress.json"

    @property
    def end(self) -> Path:
        """end.json: how it ended, written by the process that attends to it."""
        return self.path / "end.json"

    @property
    def process(self) -> Path:
        """process.json: which process works."""
        return self.path / "process.json"

    @property
    def log(self) -> Path:
        """job.log: what the process says; its last line tells why it failed."""
        return self.path / "job.log"

    @property
    def lock(self) -> Path:
        """job.lock: held as long as it runs, by the process that attends to it and the one that works."""
        return self.path / "job.lock"


@dataclass(frozen=True)
class About:
    """What a job is. Holds no secret: those travel in the environment of its process alone."""

    kind: str  # captions, download, publish
    subject: str  # what it is about: a data set's folder, a model's name; with the kind its identity
    title: str  # for people
    command: list[str]
    started: float  # s since 1970
    details: dict[str, Any] = field(default_factory=dict)  # whatever its kind wants to find again


@dataclass(frozen=True)
class Said:
    """How far it is, as its process says."""

    unit: str
    done: int
    total: int | None
    note: str
    rate: float | None  # units in a second
    result: Mapping[str, Any]


@dataclass(frozen=True)
class JobStatus:
    """A job at one moment."""

    job: Job
    about: About
    state: str  # running, done, failed, stopped, lost
    said: Said | None
    message: str = ""  # why it failed: the last line that it said
    ended: float | None = None

    @property
    def is_active(self) -> bool:
        return self.state == RUNNING


def jobs_root() -> Path:
    """Where jobs lie: hidden among the runs, so that FLUXGYM_OUTPUTS moves them too."""
    return outputs_root() / ".jobs"


def find_job(kind: str, subject: str) -> Job:
    """The folder of the job of this kind for this subject, whether there is one or not."""
    return Job(jobs_root() / f"{kind}-{hashlib.sha256(subject.encode(errors='surrogateescape')).hexdigest()[:16]}")


def list_jobs(kind: str = "") -> list[JobStatus]:
    """All jobs, or those of a kind, the last started first."""
    try:
        folders = [path for path in jobs_root().iterdir() if path.is_dir()]
    except OSError:
        return []
    found = [status for path in folders if (status := read_job(Job(path))) and kind in ("", status.about.kind)]
    return sorted(found, key=lambda status: -status.about.started)


def read_job(job: Job) -> JobStatus | None:
    """A job as it is now; None where there is none."""
    try:
        given = json.loads(job.about.read_bytes())
        about = About(**{name: given[name] for name in ("kind", "subject", "title", "command", "started", "details")})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_held = lock.is_held(job.lock)  # asked first: whoever lets it go wrote the end before
    said, end = _read_said(job), _read(job.end)
    if is_held:
        return JobStatus(job, about, RUNNING, said)
    if "code" not in end:
        return JobStatus(job, about, LOST, said, UNHEARD)
    state = STOPPED if end.get("stopped") else FAILED if end["code"] else DONE
    message = _last_line(job.log) or f"It ended with exit code {end['code']}." if state == FAILED else ""
    return JobStatus(job, about, state, said, message, end.get("at"))


def write_about(job: Job, about: About) -> None:
    """Raises NotWritten."""
    write_whole(job.about, json.dumps({"version": VERSION, **asdict(about)}, indent=1).encode())


def write_end(job: Job, code: int, stopped: bool, now: float) -> None:
    """Raises NotWritten."""
    write_whole(job.end, json.dumps({"version": VERSION, "code": code, "stopped": stopped, "at": now}).encode())


def write_process(job: Job, attendant: Identity, worker: Identity) -> None:
    """Who attends to it and who works. Raises NotWritten."""
    said = {"version": VERSION, "attendant": asdict(attendant), "worker": asdict(worker)}
    write_whole(job.process, json.dumps(said).encode())


def read_process(job: Job) -> tuple[Identity, Identity] | None:
    """(who attends to it, who works); None where that is not known yet."""
    said = _read(job.process)
    try:
        return _identity(said["attendant"]), _identity(said["worker"])
    except (KeyError, TypeError):
        return None


def _identity(said: dict[str, Any]) -> Identity:
    return Identity(said["pid"], said["start_ticks"], known_boot(said["boot_id"]))


def _read_said(job: Job) -> Said | None:
    said = _read(job.progress)
    try:
        return Said(said["unit"], said["done"], said["total"], said["note"], said["rate"], said["result"])
    except (KeyError, TypeError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TOLD))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
