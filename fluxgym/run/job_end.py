"""How an attempt ended whose job is over: what its log and files prove, and where they do not, what the scheduler says."""

import re
from dataclasses import replace

from fluxgym.log.history import History
from fluxgym.log.tail import tail
from fluxgym.run.backend import FORGOTTEN, Job
from fluxgym.run.record import Record, Verdict
from fluxgym.run.verdict import Ending, judge
from trainer.folder import RunFolder

PUT_BACK = "PUT_BACK"  # of a job that begins again: nobody says why
ASKED, AT_LIMIT, MOVED = "ASKED", "TIMEOUT", "REQUEUED"  # of a job that is about to end
STOPS = {  # states of jobs that ended without a fault of their own: what is said of it, after "Its job 7"
    "CANCELLED": "was cancelled from outside FluxGym",
    "TIMEOUT": "reached its time limit",
    "DEADLINE": "reached its deadline",
    "PREEMPTED": "had to make room for another job",
    "NODE_FAIL": "lost its node",
    "REVOKED": "was taken back by the cluster",
    MOVED: "was put back into the queue by somebody",
    ASKED: "was asked to end by the cluster",
    PUT_BACK: "was put back into the queue by the cluster",
}
LOOKED_AT = 200  # lines
NODE_FAILED = ("NODE_FAIL", "BOOT_FAIL")
ANNOUNCED = re.compile(
    r"\*\*\* JOB (\d+) ON \S+ CANCELLED AT \S+ (?:DUE TO ([A-Z ]+[A-Z]))?"
)  # 25.05: "DUE to SIGNAL Terminated"
REASONS = {  # that a node writes into the job's output when it ends it, while the scheduler only says COMPLETING
    "": "CANCELLED",
    "TIME LIMIT": AT_LIMIT,
    "PREEMPTION": "PREEMPTED",
    "JOB REQUEUE": MOVED,
    "NODE FAILURE": "NODE_FAIL",
}


def is_put_back(state: str) -> bool:
    """Whether a run whose job ended so is to go on in another one: nobody wanted it to end."""
    return state in ("PREEMPTED", ASKED, AT_LIMIT, MOVED, PUT_BACK, *NODE_FAILED)


def judge_job(folder: RunFolder, record: Record, job: Job, history: History) -> Verdict:
    """The verdict on the last attempt; `history` is that of the run's log."""
    attempt = record.attempts[-1]
    if attempt.training is None:
        return _judge_unbegun(folder, job)
    verdict = judge(folder, record, Ending(), history)
    if verdict.state in ("completed", "stopped") and not (verdict.state == "stopped" and not attempt.stop):
        return verdict
    where = _where(verdict)
    if job.state in NODE_FAILED:
        node = f"node {attempt.nodes or job.nodes}" if attempt.nodes or job.nodes else "a node of it"
        return replace(verdict, state="lost", message=f"{node.capitalize()} failed {where}.", kind=None, last_lines=[])
    if job.state in STOPS:
        return replace(verdict, state="stopped", message=tell_stop(job, verdict), kind=None, last_lines=[])
    if job.state == "OUT_OF_MEMORY" and verdict.kind in (None, "other", "killed"):
        said = f"Its job {job.id} had less memory than it needed, and was ended {where}."
        return replace(verdict, state="failed", message=said, kind="host_oom")
    if job.state == FORGOTTEN and verdict.kind == "other":
        said = f"Its job {job.id} is over, {where}, and how it ended nobody remembers."
        return replace(verdict, state="lost", message=said, kind=None)
    return verdict


def tell_stop(job: Job, verdict: Verdict) -> str:
    """What the end of a job was for, one of STOPS."""
    return f"Its job {job.id} {STOPS[job.state]}, {_where(verdict)}."


def _where(verdict: Verdict) -> str:
    if verdict.step is None or not verdict.total_steps:
        return "before the first step"
    return f"at step {verdict.step:,} of {verdict.total_steps:,}"


def find_announced(folder: RunFolder, job: str) -> str:
    """For what its node ended the job in these last moments; empty: it did not. The job's output is the monitor's log."""
    lines = tail(folder.monitor_log, LOOKED_AT).lines
    begin = max((number for number, line in enumerate(lines) if " started the training" in line), default=0)
    found = [said for line in lines[begin:] if (said := ANNOUNCED.search(line)) and said[1] == job]
    return REASONS.get(found[-1][2] or "", ASKED) if found else ""


def _judge_unbegun(folder: RunFolder, job: Job) -> Verdict:
    if not job.id:
        return Verdict("failed", "It was not given to Slurm: whoever started it ended before.", "other", ["the training"])
    if job.state == "CANCELLED":
        return Verdict("stopped", f"Its job {job.id} was cancelled before it began.")
    known = {
        FORGOTTEN: "and nobody remembers how",
        "NODE_FAIL": "as its node failed",
        PUT_BACK: "and was put back into the queue",
    }
    how = known.get(job.state, f"Slurm says {job.state}")
    code = f", exit code {job.exit_code.partition(':')[0]}" if job.exit_code not in ("", "0:0") else ""
    said = f"Its job {job.id} ended before the training started, {how}{code}; {folder.monitor_log.name} may say more."
    return Verdict("failed", said, "other", ["the training"])
