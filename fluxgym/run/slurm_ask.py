"""What Slurm says of jobs: squeue and scontrol while it remembers them, its accounting after, where there is one.

Pages ask `look`, which never waits for Slurm: it gives what was told last, and has a thread ask anew. Whoever must be sure
before it writes something down asks `ask_now`.
"""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fluxgym.run.backend import FORGOTTEN, Job
from fluxgym.run.family import NOT_PASSED_ON

PATIENCE = 10.0  # s for one answer
EVERY = 5.0  # s between two questions
FIRST = 1.0  # s in EVERY that those who ask for what is not known wait, all together; a healthy Slurm answers in hundredths
OLD = 30.0  # s after which what was told is waited for anew
NOT_YET = "Slurm has not answered yet"
KEPT = 600.0  # s that a job is asked for after somebody wanted to know
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
OVER = (  # any other may be one of a later Slurm, which must not make a job pass for over
    *("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL"),
    *("PREEMPTED", "DEADLINE", "OUT_OF_MEMORY", "REVOKED"),
)
COLUMNS = "%i|%T|%r|%N|%S|%e|%l|%j|%o"
OURS = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_UMASK", "SLURM_EXIT_ERROR")  # of its commands
FILTERS = ("SQUEUE_", "SCANCEL_", "SINFO_", "SCONTROL_", "SACCT_")  # a person's own: a job that they hide is not forgotten
UNLIMITED = ("UNLIMITED", "365-00:00:00")  # Slurm then tells of an end in a year; the second where backfill started it
NOT_KNOWN = re.compile("Invalid job id")
UNSAID = 30.0  # s for which a cluster that does not say its name is not asked again
CLUSTER = re.compile(r"^ClusterName\s*=\s*(\S+)", re.MULTILINE)
NAME = re.compile(r"^JobId=.*? JobName=(.*?) (?=UserId=)")
SCRIPT = re.compile(r" Command=(.*?) WorkDir=")  # a path may hold blanks
FIELD = re.compile(r"(?:^| )([A-Z][A-Za-z:/_]*)=(\S*)")


class Silent(OSError):
    """Slurm cannot be asked, or does not answer."""


def call(command: Sequence[str], patience: float = PATIENCE, *, without: Collection[str] = ()) -> tuple[int, str, str]:
    """Exit code, output and errors of one of Slurm's commands. `without`: variables that it must not see. Raises Silent."""
    environment = {key: value for key, value in os.environ.items() if key not in without and not _is_left_out(key)}
    environment["SLURM_TIME_FORMAT"] = "%s"  # s since 1970, whatever the time zone
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Silent(f"Slurm did not answer within {patience:.0f} s") from error
    except OSError as error:
        raise Silent(f"{command[0]} cannot be run here: {error.strerror or error}") from error
    if done.returncode and re.search("fetch_config|configuration source|process configuration file", done.stderr):
        raise Silent(f"Slurm is installed here, but not set up: {clean(done.stderr.splitlines()[-1])}")
    if done.returncode and re.search("(?i)unable to contact|communication|connection|timed out", done.stderr):
        raise Silent(f"Slurm does not answer: {clean(done.stderr)}")
    return done.returncode, done.stdout, done.stderr


def _is_left_out(key: str) -> bool:
    """Whether a variable is not for Slurm's commands, nor for a new job, which inherits theirs: secrets of the pages, what a
    person wants to see of the queue, and what the job has that we are inside of, as a dashboard's may be. srun refuses to start
    where SLURM_MEM_PER_CPU of the one is beside SLURM_MEM_PER_NODE of the other."""
    is_of_job = "SLURM_JOB_ID" in os.environ and key.startswith(("SLURM_", "SLURMD_")) and key not in OURS
    return key in NOT_PASSED_ON or key.startswith(FILTERS) or is_of_job


def clean(errors: str) -> str:
    """What one of its commands complained of, without the names of the programs that did."""
    lines = [re.sub(r"^\w+(?: error)?: (?:error: )?", "", line).strip() for line in errors.splitlines()]
    return "; ".join(dict.fromkeys(filter(None, lines)))[:300]


# ---- without waiting -------------------------------------------------------------------------------------------------
class Told:
    """What was told of all jobs that somebody wants to know of; asked for by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}  # monotonic time at which somebody looked last
        self._jobs: dict[str, Job] = {}
        self._asked = self._waited = -EVERY  # monotonic; since when somebody waits
        self._asking: threading.Thread | None = None
        self._silence = ""

    def look(self, job: str) -> Job:
        """What is known of it. Waits only where nothing is, and not for long."""
        now = time.monotonic()
        with self._lock:
            self._wanted[job] = now
            is_old = now - self._asked > OLD  # nobody looked for a while: that is no answer to one who looks now
            is_unknown = (is_old or job not in self._jobs) and not self._silence
            is_due = now - self._asked >= EVERY or is_unknown
            if is_due and not (self._asking and self._asking.is_alive()):
                self._asked = now
                self._asking = threading.Thread(target=self._ask, daemon=True)
                self._asking.start()
            asking = self._asking if is_unknown else None
            if asking and now - self._waited >= EVERY:
                self._waited = now
            left = self._waited + FIRST - now
        if asking:
            asking.join(max(0.0, left))
        with self._lock:
            known, silence = self._jobs.get(job), self._silence
        if known is None:
            return Job(job, silence=silence or NOT_YET)
        return replace(known, silence=silence)

    def _ask(self) -> None:
        with self._lock:
            self._wanted = {job: looked for job, looked in self._wanted.items() if time.monotonic() - looked < KEPT}
            wanted = sorted(self._wanted)
        try:
            jobs, silence = ask_many(wanted), ""
        except Silent as error:
            jobs, silence = {}, str(error)
        with self._lock:
            self._jobs = (self._jobs if silence else {}) | jobs
            self._silence = silence
        if not silence:
            find_cluster()  # for known_cluster


_told = Told()
_clusters: dict[str, tuple[str, float]] = {}  # by configuration: name, and the monotonic time until which it is not asked for


def look(job: str) -> Job:
    """What Slurm told of a job in the last seconds, or before it fell silent."""
    return _told.look(job)


# ---- asking ----------------------------------------------------------------------------------------------------------
def ask_many(jobs: Sequence[str]) -> dict[str, Job]:
    """The jobs, those that it forgot as FORGOTTEN. Raises Silent."""
    command = ["squeue", "--noheader", "--states=all", f"--format={COLUMNS}", f"--jobs={','.join(jobs)}"]
    code, said, errors = call(command)
    if code and not NOT_KNOWN.search(errors):
        raise Silent(f"squeue failed: {clean(errors)}")
    found = {job.id: job for line in said.splitlines() if (job := _read_row(line))}
    return {job: found.get(job, Job(job, FORGOTTEN)) for job in jobs}


def _read_row(line: str) -> Job | None:
    parts = line.strip().split("|", COLUMNS.count("|") - 1)
    if len(parts) != COLUMNS.count("|"):
        return None
    job, state, reason, nodes, start, end, limit, rest = parts
    name, _, script = rest.partition("|/") if "|/" in rest else rest.rpartition("|")  # both may hold a "|", no run's name a "/"
    return _make_job(job, state, reason, (start, end, limit), nodes=nodes, name=name, script=f"/{script}")


def _make_job(job: str, state: str, reason: str, times: tuple[str, str, str], **more: Any) -> Job:
    """As squeue and scontrol alike write it. `times`: start, end and limit."""
    start, end, limit = times
    is_waiting = state in WAITING
    return Job(
        job,
        state,
        "" if reason == "None" else reason,
        starts=_time(start) if is_waiting else None,
        ends=None if is_waiting or limit in UNLIMITED else _time(end),
        is_live=state not in OVER,
        is_waiting=is_waiting,
        **more,
    )


def ask_now(job: str) -> Job:
    """All that is known of one job. Never raises: see Job.silence."""
    try:
        code, said, errors = call(["scontrol", "--oneliner", "show", "job", job])
        if not code and "JobState=" in said:
            return _read_job(job, _read_fields(said))
        if code and not NOT_KNOWN.search(errors):
            return Job(job, silence=f"scontrol failed: {clean(errors)}")
        return _ask_accounting(job)
    except Silent as error:
        return Job(job, silence=str(error))


def _read_fields(said: str) -> dict[str, str]:
    """What scontrol says of one job in a line. Its name and, after all else that is read here, a comment may hold anything."""
    named = NAME.search(said)
    rest = said[named.end() :] if named else said
    fields: dict[str, str] = {}
    for key, value in FIELD.findall(rest):
        fields.setdefault(key, value)
    script = SCRIPT.search(rest)
    return fields | ({"JobName": named[1]} if named else {}) | ({"Command": script[1]} if script else {})


def _read_job(job: str, said: Mapping[str, str]) -> Job:
    state = said["JobState"]
    return _make_job(
        job,
        state,
        said.get("Reason", ""),
        (said.get("StartTime", ""), said.get("EndTime", ""), said.get("TimeLimit", "")),
        nodes=said.get("NodeList", "").replace("(null)", ""),
        exit_code=said.get("ExitCode", ""),
        must_leave=state == "RUNNING" and _time(said.get("PreemptTime", "")) is not None,
        name=said.get("JobName", ""),
        script=said.get("Command", ""),
    )


def find_cluster() -> str:
    """The name of the cluster that Slurm's commands reach here; empty where it does not say. Asked for once in a while."""
    config, now = os.environ.get("SLURM_CONF", ""), time.monotonic()
    name, until = _clusters.get(config, ("", now))
    if now < until:
        return name
    try:
        found = CLUSTER.search(call(["scontrol", "show", "config"])[1])
    except Silent:
        found = None
    _clusters[config] = (found[1], now + KEPT) if found else (name, now + UNSAID)
    return _clusters[config][0]


def known_cluster() -> str | None:
    """The same without waiting, as it was when jobs were asked for; None: that is under way."""
    return _clusters.get(os.environ.get("SLURM_CONF", ""), (None, 0.0))[0]


def _ask_accounting(job: str) -> Job:
    """What it remembers of a job that the controller forgot. Most small clusters have none. One that for it runs or waits to
    this day was lost by the controller: it is told to nobody any more how that ended."""
    if not shutil.which("sacct"):
        return Job(job, FORGOTTEN)
    code, said, _ = call(
        ["sacct", "--noheader", "--parsable2", "--allocations", "--format=State,NodeList,ExitCode,JobName", f"--jobs={job}"]
    )
    parts = said.strip().splitlines()[-1].split("|", 3) if said.strip() else []
    state = parts[0].split()[0] if len(parts) == 4 and parts[0] else ""  # "CANCELLED by 1000"
    if code or state not in OVER:
        return Job(job, FORGOTTEN)
    nodes = parts[1].replace("None assigned", "")
    return Job(job, state, nodes=nodes, exit_code=parts[2], name=parts[3])


def _time(said: str) -> float | None:
    """s since 1970; None for N/A, Unknown and the like."""
    return float(said) if re.fullmatch(r"\d{9,11}", said) else None
