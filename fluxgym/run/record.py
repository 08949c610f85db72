"""run.json: identity, attempts, state and verdict of a run. Written only by the holder of run.lock, beside and renamed over.

A file that is damaged or of a future version is never overwritten in passing: it is read as a Record whose `problem` says
what is wrong, and a new start keeps it as run.json.bad-<time>.
"""

import dataclasses
import errno
import itertools
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxgym.run import lock
from fluxgym.run.care import Care
from fluxgym.run.folders import shown_path, touch_root
from fluxgym.run.identity import Identity, known_boot
from trainer.disk import write_whole
from trainer.folder import RunFolder, State

VERSION = 1
TRIES = 5
ACTIVE = ("queued", "starting", "running", "stopping")  # a run goes through these in order, never back within an attempt
ENDED = ("completed", "stopped", "failed", "lost")
STATES = ACTIVE + ENDED
TRAINER = ["-m", "trainer"]
PERSON, SYSTEM = "person", "system"  # who asked for a stop
MONITOR = "monitor"  # the supervisor itself: it stops what is stuck, and resumes
WELL, SLOW, STALLED, NAN = "well", "slow", "stalled", "nan"  # verdicts on a training under way

AGAIN = "The command is started again from its beginning."
OTHER_ENVIRONMENT = "Its environment is that of the one who resumed it."
ANEW = "Nothing was saved before: it begins at the beginning."
NEXT_JOB = "It was put back into the cluster's queue, and goes on from there."
BEGINNINGS = (AGAIN, OTHER_ENVIRONMENT, ANEW, NEXT_JOB)  # what is worth a word only until the training runs


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended, and from what that is known."""

    state: str  # one of ENDED
    message: str  # one or two sentences for people
    kind: str | None = None  # of a failure: one of fluxgym.log.failures' kinds
    missing: list[str] = field(default_factory=list)  # what a completed run would have
    step: int | None = None
    total_steps: int | None = None
    last_lines: list[str] = field(default_factory=list)  # end of the training's log, of a failure
    nan_at: int | None = None  # states from this step on are of no use: the loss was no number, and is not past it since


@dataclass(frozen=True)
class Health:
    """How a training under way is, as its supervisor judged when that last changed."""

    verdict: str = WELL  # WELL, SLOW, STALLED or NAN
    reason: str = ""  # one or two sentences for people: what is seen, and the likely cause
    since: float = 0.0  # s since 1970
    will: str = ""  # "stop" or "resume": what is done at `acts_at`; empty: it is only told
    acts_at: float | None = None  # s since 1970


@dataclass(frozen=True)
class Attempt:
    """One process that trained, or tried to."""

    number: int
    started: float  # s since 1970
    command: list[str]
    resumed_from: str | None = None  # name of the state's folder
    lora_before: str | None = None  # stamp of the LoRA that lay there at the start: it is not this attempt's
    training: Identity | None = None
    stop: str | None = None  # PERSON, SYSTEM or MONITOR, once a stop was asked for
    ended: float | None = None
    seconds: float | None = None  # that it took, by a clock which nobody can set; None: nobody saw its end
    exit_code: int | None = None  # negative: the signal; None: not ended, or nobody was there to see it
    verdict: Verdict | None = None
    begun_by: str = PERSON  # or MONITOR: resumed by itself; or SYSTEM: put back into the cluster's queue
    places: list[str] = field(default_factory=list)  # "GPU 0", "CPU": what it holds while it trains; empty: it asked for none
    note: str = ""  # a sentence for people: what is different from the attempt before
    backend: str = "local"  # which started it, see fluxgym.run.backend
    job: str = ""  # its id there, where it is a job of a cluster
    cluster: str = ""  # its name, where that is known: another one that has the same outputs knows nothing of the job
    nodes: str = ""  # on which it trains, or trained, as the cluster calls them: "gpu[1-2]"


@dataclass(frozen=True)
class Record:
    """All that run.json says."""

    name: str
    created: float
    command: list[str]  # of the training; an attempt that resumes adds to it
    state: str
    since: float  # of the state, s since 1970
    supervisor: Identity | None = None
    attempts: list[Attempt] = field(default_factory=list)
    version: int = VERSION
    problem: str = ""
    cwd: str | None = None  # where the command is started; None: the project
    any_command: bool = False  # not our trainer: what its log does not say is not demanded of it
    health: Health = Health()
    resumes_at: float | None = None  # s since 1970: a pause before the attempt that begins by itself
    killed_at: float | None = None  # s since 1970: then a training that was asked to end is killed

    @property
    def attempt(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def attempt_mark(self) -> str:
        """Tells this attempt from all others, also of an earlier run in a folder of the same name."""
        return f"{self.created!r}-{len(self.attempts)}"

    @property
    def is_ours(self) -> bool:
        """Whether our own trainer trains."""
        return not self.any_command and self.command[1:3] == TRAINER

    @property
    def took(self) -> float | None:
        """Seconds that all attempts took together; None where that of one is not known."""
        taken = [_took(attempt) for attempt in self.attempts]
        return None if None in taken else sum(filter(None, taken))

    @property
    def nan_at(self) -> int | None:
        """As the last attempt that trained has it, see Verdict."""
        trained = [attempt.verdict for attempt in self.attempts if attempt.verdict and attempt.training]
        return trained[-1].nan_at if trained else None

    def resumes_left(self, care: Care) -> int:
        """How often it may still go on by itself, before a person must look."""
        unasked = itertools.takewhile(lambda attempt: attempt.begun_by != PERSON, reversed(self.attempts))
        return max(0, care.most_resumes - sum(attempt.begun_by == MONITOR for attempt in unasked))

    @property
    def verdict(self) -> Verdict | None:
        return self.attempt.verdict if self.attempt and self.state in ENDED else None

    def to(self, state: str, **changes: Any) -> "Record":
        """The record in another state, with `changes` made to its last attempt."""
        attempts = [*self.attempts[:-1], dataclasses.replace(self.attempts[-1], **changes)]
        since = self.since if state == self.state else time.time()
        return dataclasses.replace(self, state=state, since=since, attempts=attempts)


def _took(attempt: Attempt) -> float | None:
    if attempt.seconds is not None or attempt.training is None:  # it took none where it only waited
        return attempt.seconds or 0.0
    return max(0.0, attempt.ended - attempt.started) if attempt.ended else None


def begin_attempt(folder: RunFolder, record: Record | None, command: list[str], state: State | None = None) -> Record:
    """The record with one more attempt, `starting`. `command` trains; empty: the one of before, or our trainer.

    What else the record holds, such as where its command is started, stays."""
    command = command or (record.command if record else [])
    is_as_typed = record is not None and record.any_command
    if not is_as_typed and (not command or command[1:3] == TRAINER):  # made anew: the project or its Python may have moved
        command = [sys.executable, *TRAINER, shown_path(folder.config)]
    now = time.time()
    record = record or Record(folder.name, now, command, "starting", now)
    full = command
    if state:
        full = [*command, "--resume", str(state.path.absolute()) if record.cwd else shown_path(state.path)]
    attempt = Attempt(len(record.attempts) + 1, now, full, state.path.name if state else None, stamp(folder.lora))
    return dataclasses.replace(
        record,
        name=folder.name,
        command=command,
        state="starting",
        since=now,
        supervisor=None,
        attempts=[*record.attempts, attempt],
        health=Health(),
        resumes_at=None,
        killed_at=None,
    )


def stamp(path: Path) -> str | None:
    """Tells whether a file was replaced since, without a clock, which somebody may set; None: there is no file."""
    try:
        there = path.stat()
    except OSError:
        return None
    return f"{there.st_ino}-{there.st_mtime_ns}"


def read_record(folder: RunFolder, lock_is_ours: bool = False) -> Record | None:
    """What run.json says; None when there is none. Raises nothing: see Record.problem. `lock_is_ours`: the caller has run.lock.

    A copy of a run that was under way has ended: what its run.json names belongs to the other folder, which a stop here must
    not reach. One that was renamed under its supervisor is still locked."""
    record = _read_said(folder)
    if record is None or record.problem or record.state in ENDED or record.name == folder.name or folder.is_read_only:
        return record
    if not lock_is_ours and lock.is_held(folder.lock):
        return record
    copied = f"This folder is a copy of {record.name}, made while that was under way: what trains is there, and not here."
    return dataclasses.replace(record.to("lost", verdict=Verdict("lost", copied)), since=record.since)


def _read_said(folder: RunFolder) -> Record | None:
    try:
        said = json.loads(_read(folder.record))
        if not isinstance(said, dict):
            raise ValueError(f"got {type(said).__name__}, expected an object")
        if isinstance(said.get("version"), int) and said["version"] > VERSION:
            return _unreadable(folder, f"is of version {said['version']}, this FluxGym reads up to {VERSION}", said["version"])
        return _record(said)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return _unreadable(folder, f"cannot be read: {type(error).__name__}: {error}", VERSION)


def _read(path: Path) -> bytes:
    """On NFS a file that another machine replaces while we read it is stale: then a new one is there."""
    for _ in range(TRIES):
        try:
            return path.read_bytes()
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return path.read_bytes()


def write_record(folder: RunFolder, record: Record) -> None:
    """Replaces run.json as a whole: a reader sees the old one or the new one, after a power loss too.

    Where an attempt begins the outputs root is touched, so that nobody has to look at thousands of folders to notice."""
    said = dataclasses.asdict(record)
    del said["problem"]
    write_whole(folder.record, json.dumps(said, indent=1).encode())
    if record.state in ("queued", "starting"):
        touch_root(folder)


def put_aside(folder: RunFolder) -> Path:
    """Keeps an unreadable run.json under another name, so that a new one can be written."""
    kept = folder.record.with_name(time.strftime("run.json.bad-%Y%m%d%H%M%S"))
    folder.record.replace(kept)
    return kept


def _unreadable(folder: RunFolder, problem: str, version: int) -> Record:
    return Record(folder.name, 0, [], "", 0, version=version, problem=f"run.json {problem}")


def _record(said: dict[str, Any]) -> Record:
    if said["state"] not in STATES:
        raise ValueError(f"got the state {said['state']!r}, expected one of {', '.join(STATES)}")
    attempts = [_attempt(dict(attempt)) for attempt in said["attempts"]]
    if not attempts:
        raise ValueError("got no attempt, expected at least one")
    if said["state"] in ENDED and not attempts[-1].verdict:
        raise ValueError(f"got the state {said['state']} without a verdict")
    return Record(
        name=str(said["name"]),
        created=float(said["created"]),
        command=[str(part) for part in said["command"]],
        state=said["state"],
        since=float(said["since"]),
        supervisor=_identity(said["supervisor"]),
        attempts=attempts,
        version=int(said["version"]),
        cwd=said.get("cwd"),
        any_command=bool(said.get("any_command", False)),
        health=Health(**said.get("health", {})),
        resumes_at=said.get("resumes_at"),
        killed_at=said.get("killed_at"),
    )


def _attempt(said: dict[str, Any]) -> Attempt:
    verdict = said["verdict"]
    return Attempt(
        number=int(said["number"]),
        started=float(said["started"]),
        command=[str(part) for part in said["command"]],
        resumed_from=said["resumed_from"],
        lora_before=said.get("lora_before"),
        training=_identity(said["training"]),
        stop=said["stop"],
        ended=said["ended"],
        seconds=said.get("seconds"),
        exit_code=said["exit_code"],
        verdict=Verdict(**verdict) if verdict else None,
        begun_by=str(said.get("begun_by", PERSON)),
        places=[str(place) for place in said.get("places", [])],
        note=str(said.get("note", "")),
        backend=str(said.get("backend", "local")),
        job=str(said.get("job", "")),
        cluster=str(said.get("cluster", "")),
        nodes=str(said.get("nodes", "")),
    )


def _identity(said: dict[str, Any] | None) -> Identity | None:
    if not said:
        return None
    return Identity(int(said["pid"]), int(said["start_ticks"]), known_boot(str(said["boot_id"])), str(said.get("host", "")))
