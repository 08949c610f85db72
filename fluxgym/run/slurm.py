"""The backend of a cluster under Slurm: a run is a job, and its supervisor runs inside of it, on the first of its nodes."""

import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fluxgym.run import slurm_ask
from fluxgym.run.backend import FORGOTTEN, BackendError, Job
from fluxgym.run.care import SLURM
from fluxgym.run.record import Record, read_record
from fluxgym.run.settings import SettingsError, read_settings
from fluxgym.run.slurm_ask import Silent, call, clean
from fluxgym.run.slurm_script import Wish, find_overruled, make_script, read_wish
from trainer.disk import write_whole
from trainer.folder import RunFolder
from trainer.slurm import STEP

SUBMITTING, TELLING = 30.0, 10.0  # s of patience; what Slurm did with a start that took longer is found out later
JOB_ID = re.compile(r"^(\d+)(?:;(\S*))?$", re.MULTILINE)  # with its cluster's name; a site's own words may come before
TESTED = re.compile(r"Job \d+ to start at (\S+)")


@dataclass(frozen=True)
class Tested:
    """What Slurm says of a script that is not submitted."""

    starts: float | None = None  # estimated, s since 1970
    problem: str = ""  # why it would be refused
    silence: str = ""  # why it could not be asked


class Slurm:
    """Jobs of the cluster that this machine's Slurm commands reach."""

    name = SLURM

    def why_not(self) -> str:
        """Where the commands are missing; whether the cluster answers now is told by each job."""
        missing = [name for name in ("sbatch", "squeue", "scancel", "scontrol") if not shutil.which(name)]
        return f"Slurm is not installed here: got no {', '.join(missing)} on PATH" if missing else ""

    def start(self, folder: RunFolder, record: Record) -> Record:
        """Submits the job; the script stays in the folder. Raises BackendError with what Slurm says."""
        wish = find_wish(folder)
        script = make_script(folder, wish or Wish())
        try:
            write_whole(folder.job_script, script.encode())
            # the name is what tells that a job is this run's: here it wins over SBATCH_JOB_NAME and over lines of one's own
            name = f"--job-name={record.name}"
            command = ["sbatch", "--parsable", name, str(folder.job_script.absolute())]
            code, said, errors = call(command, SUBMITTING, without=find_overruled(script, wish is not None))
        except Silent as error:
            unsure = "" if "connect" in str(error) else "; should it have taken the job all the same, that finds nothing to do"
            raise BackendError(f"{folder.name} was not given to Slurm: {error}{unsure}") from error
        except OSError as error:
            raise BackendError(f"{folder.name} was not given to Slurm: {error}") from error
        found = JOB_ID.search(said)
        if code or not found:
            raise BackendError(f"Slurm refused {folder.name}: {explain(errors)}")
        return record.to("queued", job=found[1], cluster=found[2] or slurm_ask.find_cluster())

    def withdraw(self, folder: RunFolder, record: Record) -> bool:
        """A job that waits is cancelled. One that comes up nevertheless finds nothing to do, also where Slurm is silent now.
        One that begins in this moment, where no lock reaches from here to its node, finds the wish to stop."""
        job = record.attempts[-1].job
        if not job or (record.supervisor is not None and not ask_now(record).is_waiting):
            return False
        is_told = _scancel(record, "--state=PENDING")
        _leave_wish(folder)
        if read_record(folder) != record:
            return False
        if is_told and ask_now(record).is_over:
            folder.stop_now.unlink(missing_ok=True)
        else:  # it began: lines of one's own may take hours before a supervisor looks, and it has its GPUs
            _scancel(record)
        return True

    def signal(self, folder: RunFolder, record: Record, number: signal.Signals) -> bool:
        """Through Slurm, to the job's script, which passes it on. A wish to stop is left in the folder as well: Slurm may be
        silent, and who is just coming up, after another supervisor was killed, say, has not heard the signal."""
        is_left = number == signal.SIGUSR1 and _leave_wish(folder)
        return _scancel(record, "--quiet", "--batch", f"--signal={number.name.removeprefix('SIG')}") or is_left

    def ask(self, record: Record) -> Job | None:
        """As it was told last."""
        job = record.attempts[-1].job if record.attempts else ""
        return _check(record, slurm_ask.look(job), slurm_ask.known_cluster) if job else None


def _leave_wish(folder: RunFolder) -> bool:
    """To stop; whether that could be written."""
    try:
        folder.stop_now.touch()
    except OSError:
        return False
    return True


def find_wish(folder: RunFolder) -> Wish | None:
    """What the run's settings ask for; None: a command that has none."""
    try:
        settings = read_settings(folder)
    except SettingsError:
        return None
    return read_wish(settings) if "slurm" in settings else None


def ask_now(record: Record) -> Job:
    """The job of the last attempt, as Slurm tells it now."""
    return _check(record, slurm_ask.ask_now(record.attempts[-1].job))


def _check(record: Record, told: Job, find: Callable[[], str | None] = slurm_ask.find_cluster) -> Job:
    """What was told, where it is of this run's job. A cluster that never had the job has not forgotten it either."""
    job, cluster = told.of(record.name), record.attempts[-1].cluster
    if job.state != FORGOTTEN or not cluster or (here := find()) == cluster:
        return job
    if here is None:
        return Job(job.id, silence=slurm_ask.NOT_YET)
    named = here or "another, which does not say its name"
    return Job(job.id, silence=f"It is a job of the cluster {cluster}, and Slurm here is that of {named}")


def _scancel(record: Record, *options: str) -> bool:
    """Whether it was done. A Slurm that was silent a moment ago is not waited for: scancel would try for a minute. Nor is a
    job of another run touched, which has the id by now, or has it on another cluster."""
    job = record.attempts[-1].job
    told = _check(record, slurm_ask.look(job))
    if told.silence == slurm_ask.NOT_YET:
        told = ask_now(record)
    if told.silence or told.is_over:
        return False
    try:
        return call(["scancel", *options, job], TELLING)[0] == 0
    except Silent:
        return False


def requeue(job: str) -> str:
    """Puts a running job back into Slurm's queue, which ends it here; why not, or nothing. Raises Silent."""
    code, _, errors = call(["scontrol", "requeue", job])
    if code and "pending execution" in errors:  # Slurm was faster
        return ""
    return clean(errors) or f"scontrol ended with {code}" if code else ""


def end_steps(job: str) -> list[str]:
    """Ends the trainings that srun started in a job, on all its nodes; those that had not ended yet. Raises Silent."""
    said = call(["squeue", "--noheader", "--steps", f"--jobs={job}", "--format=%i %j"])[1]
    steps = [name.split()[0] for name in said.splitlines() if name.split()[1:] == [STEP]]
    if steps:
        call(["scancel", *steps])
    return steps


def test_script(script: str) -> Tested:
    """Whether Slurm would take it, and when it would start; nothing is submitted."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "job.sh"
        path.write_text(script, encoding="utf-8")
        try:
            code, said, errors = call(["sbatch", "--test-only", str(path)], without=find_overruled(script, is_chosen=True))
        except Silent as error:
            return Tested(silence=str(error))
    if code:
        return Tested(problem=explain(errors))
    found = TESTED.search(said + errors)
    return Tested(starts=float(found[1]) if found and found[1].isdecimal() else _local_time(found[1] if found else ""))


test_script.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test where it is imported


def explain(errors: str) -> str:
    """What Slurm complains of, with what to do about it where that is known."""
    said = re.sub("Batch job submission failed: |allocation failure: ", "", clean(errors)) or "it does not say why"
    known = next((fix for words, fix in FIXES.items() if words in said.lower()), "")
    return f"{said}.{f' {known}' if known else ''}" if not said.endswith(".") else f"{said} {known}".rstrip()


FIXES = {
    "invalid partition": "sinfo lists the partitions; choose one of them for [slurm] partition.",
    "invalid account": "Ask who runs the cluster for your account, and set it for [slurm] account.",
    "invalid qos": "sacctmgr show qos lists them; set one for [slurm] qos, or none.",
    "requested node configuration is not available": "No node of this partition has so many GPUs, CPU cores or so much memory.",
    "more processors": "No node of this partition has so many CPU cores.",
    "time limit": "The partition allows less time; sinfo tells how much.",
    "invalid generic resource": "This cluster's nodes have no GPUs of that kind; [slurm] gpus says how many are asked for.",
}


def _local_time(said: str) -> float | None:
    import datetime

    try:
        return datetime.datetime.fromisoformat(said).timestamp()
    except ValueError:
        return None
