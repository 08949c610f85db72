"""What is said of a run's job on a Slurm cluster: where it runs and how long it may, or why it waits and what can be done.

Slurm names a reason for waiting by one word of some two hundred: those of limits are put together of parts, as
QOSMaxGRESPerUser, the others are a table. One that is in neither is told as it is."""

import re

from fluxgym.run.backend import Job
from fluxgym.run.slurm_script import Wish
from fluxgym.view import words
from trainer.slurm import MEMORY, read_time_limit

LATER = 60.0  # s; an estimate that is no further ahead says nothing
NOT_SO = "It will not start like this: take it out of the queue, then resume it with another"
RELEASE = "It is held until somebody lets it go: scontrol release {id}."
REASONS = {  # by letters and digits alone: squeue and scontrol write them in several ways
    "none": "Slurm has not looked at it yet.",
    "resources": "It waits until as many nodes, GPUs, CPU cores or as much memory as it asks for are free.",
    "priority": "Other jobs come first.",
    "schedDefer": "Slurm has not looked at it yet.",
    "cleaning": "What it left on a node the last time is still being cleared away.",
    "prolog": "A node is being prepared for it.",
    "beginTime": "It was told to wait for a while before it may start.",
    "dependency": "It waits for another job to end.",
    "dependencyNeverSatisfied": "It waits for another job that failed, so it will never start: stop it, and resume it.",
    "licenses": "It waits for a licence that other jobs use.",
    "reservation": "It waits for its reservation to begin.",
    "reservationDeleted": f"Its reservation was deleted. {NOT_SO} line in its script.",
    "reqNodeNotAvail": "Nodes that it needs are down, drained or reserved. It starts when they are back; sinfo -R tells more.",
    "nodesRequired": "All nodes that it could use are down, drained or kept for other jobs. It starts when they are back; "
    "sinfo -R tells more.",
    "nodeDown": "A node that it needs is down. It starts when that is back; sinfo -R tells more.",
    "frontEndDown": "Nodes that it needs are down. It starts when they are back.",
    "powerNotAvail": "Nodes are switched off to save power. It starts when they are up again.",
    "powerReserved": "Power is kept for other jobs. It starts when there is some.",
    "partitionDown": "Its partition takes no jobs at the moment. It starts when the partition is up again.",
    "partitionInactive": "Its partition is closed at the moment. It starts when the partition is opened again.",
    "partitionNodeLimit": f"It asks for more nodes than its partition gives to one job. {NOT_SO} number of nodes or partition.",
    "partitionTimeLimit": f"Its time limit is longer than its partition allows. {NOT_SO} time limit or partition.",
    "partitionConfig": "Its partition does not have what it asks for, or does not allow it. It will not start like this: take "
    "it out of the queue, then resume it with fewer nodes, GPUs or CPU cores, or in another partition.",
    "badConstraints": f"No node is as its script wants it. {NOT_SO} line in its script.",
    "invalidAccount": f"Its account may not be used. {NOT_SO} account.",
    "accountNotAllowed": f"Its account may not use this partition. {NOT_SO} account or partition.",
    "invalidQOS": f"Its QOS may not be used. {NOT_SO} QOS.",
    "qosNotAllowed": f"Its QOS may not be used in this partition. {NOT_SO} QOS or partition.",
    "qosUsageThreshold": "Too much of what its QOS has was used; it starts when that has faded. Ask who runs the cluster.",
    "accountingPolicy": "A limit of your account or QOS stands against it. Ask who runs the cluster.",
    "associationJobLimit": "Your account has as many jobs as it may; it starts when one of them ends.",
    "associationResourceLimit": "Your account uses as much as it may; it starts when one of its jobs ends.",
    "associationTimeLimit": "The time of your account is used up. Ask who runs the cluster.",
    "qosJobLimit": "Its QOS has as many jobs as it may; it starts when one of them ends.",
    "qosResourceLimit": "Its QOS uses as much as it may; it starts when one of its jobs ends.",
    "qosTimeLimit": "The time of its QOS is used up. Ask who runs the cluster.",
    "maxMemPerLimit": f"It asks for more memory than its partition allows. {NOT_SO} amount of memory.",
    "jobArrayTaskLimit": "As many jobs of its array run as may at a time.",
    "jobHeldUser": RELEASE,
    "jobHeldAdmin": "Who runs the cluster holds it back, and must let it go. Ask them why.",
    "jobHoldMaxRequeue": f"It was put back into the queue too often. {RELEASE}",
    "jobRequeuedInHeldState": RELEASE,
    "launchFailedRequeuedHeld": f"It could not be started on its node, and is held. Ask who runs the cluster, then: {RELEASE}",
    "jobLaunchFailure": "It could not be started on its node. Ask who runs the cluster.",
    "userEnvRetrievalFailedRequeuedHeld": f"Your environment could not be read on its node. {RELEASE}",
    "systemFailure": "Slurm itself failed there. Ask who runs the cluster.",
    "deadLine": "It cannot end before the time by which it must.",
    "fedJobLock": "Another cluster of the federation decides where it runs.",
    "burstBufferResources": "It waits for room in the burst buffer.",
    "burstBufferStageIn": "Its files are being copied into the burst buffer.",
    "burstBufferOperation": "The burst buffer is at work for it.",
}
THINGS = {  # what a limit is of
    "cpu": "CPU cores",
    "mem": "memory",
    "memory": "memory",
    "node": "nodes",
    "gres": "GPUs",
    "jobs": "jobs",
    "submitjob": "jobs in the queue",
    "submitjobs": "jobs in the queue",
    "wall": "time",
    "wallduration": "time",
    "energy": "energy",
    "license": "licences",
    "billing": "billing units",
    "bb": "burst buffer",
    "unknown": "resources",
}
LIMIT = re.compile(
    rf"(?P<who>assoc|qos|)(?P<kind>grp|max|min)(?P<thing>{'|'.join(sorted(THINGS, key=len, reverse=True))})"
    r"(?P<how>runminutes|minutesperjob|minutes|perjob|pernode|peruser|peraccount|)(?:limit|notsatisfied|)"
)
UNCOUNTED = ("memory", "energy", "burst buffer", "time")
ASLEEP = ("SUSPENDED", "STOPPED")  # states of a job that has begun, and does nothing
SUSPENDED = "Slurm has suspended {name}: it goes on when its nodes are free again."


def tell_wish(wish: Wish) -> str:
    """2 nodes with 4 GPUs and 8 CPU cores each, for 2 h at most."""
    has = [words.plural(wish.gpus, "GPU")] if wish.gpus else []
    has += [words.plural(wish.cpus, "CPU core"), *([f"{wish.memory} of memory"] if _is_amount(wish.memory) else [])]
    what = " and ".join(", ".join(has).rsplit(", ", 1))
    told = f"{words.plural(wish.nodes, 'node')} with {what}{' each' if wish.nodes > 1 else ''}"
    try:
        limit = read_time_limit(wish.time_limit)
    except ValueError:  # told beside its field
        limit = None
    processes = wish.nodes * max(wish.gpus, 1)
    several = f" {processes:,} processes share each batch." if processes > 1 else ""
    return f"{told}{f', for {words.duration(limit)} at most' if limit else ''}.{several}"


def _is_amount(memory: str) -> bool:
    """Whether so much is asked for; what cannot be read is told beside its field."""
    return memory not in ("", "0") and MEMORY.fullmatch(memory) is not None


def tell_where(job: Job, now: float) -> str:
    """job 4711 on gpu-3, 3 h 20 m left of its time limit"""
    left = f", {words.duration(max(job.ends - now, 0))} left of its time limit" if job.ends is not None and job.is_live else ""
    return f"{_name(job)}{left}"


def tell_queued(job: Job, now: float) -> str:
    """Why it waits, what can be done, and when Slurm means it to start."""
    told = [_tell_state(job)]
    if job.starts is not None and job.starts - now > LATER:
        told.append(f"Slurm means it to start about {words.clock(job.starts, now)}, in {words.duration(job.starts - now)}.")
    return " ".join([*filter(None, told), *_tell_silence(job)])


def tell_running(job: Job, now: float, left: float | None = None, saves: bool = True) -> str:
    """Where, and how long it may; what follows where the training takes longer. `left`: s to its last step, where known.
    `saves`: a training that keeps its state when it is told to end."""
    if job.state in ASLEEP:
        told = SUSPENDED.format(name=_name(job))
    else:
        where = tell_where(job, now)
        told = f"{_begin(where)}." if job.nodes or job.ends else f"It runs as {where}."
        if left is not None and job.ends is not None and now + left > job.ends:
            goes_on = ": it saves its state before the end, and goes on in its next job" if saves else " for what is left"
            told += f" That is not enough{goes_on}."
    return " ".join([told, *_tell_silence(job)])


def tell_reason(reason: str, job: str = "") -> str:
    """One of Slurm's reasons for waiting in plain words, with what to do; of one that is not known the word itself."""
    name, _, more = reason.partition(",")
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    if key.startswith("nodesrequired"):
        key = "nodesrequired"
    told = _KNOWN.get(key) or _tell_limit(key)
    if not told:
        return f"Slurm says: {reason}." if reason else ""
    nodes = re.search(r"UnavailableNodes:([\w\[\],.-]+)", more)
    return told.format(id=job or "JOB") + (f" Not there: {nodes[1]}." if nodes else "")


_KNOWN = {key.lower(): told for key, told in REASONS.items()}


def _tell_state(job: Job) -> str:
    """Of one that has not begun, or is about to; Slurm may be ahead of what the folder says."""
    match job.state:
        case "CONFIGURING":
            return f"{_begin(_name(job))} is being given its nodes, which may have to boot first."
        case "RUNNING" | "SIGNALING" | "STAGE_OUT" | "RESIZING":
            return f"{_begin(_name(job))} has begun; its supervisor is coming up."
        case "COMPLETING":
            return f"{_begin(_name(job))} is just ending."
        case "SUSPENDED" | "STOPPED":
            return SUSPENDED.format(name=_name(job))
        case "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD":
            return f"Waiting as job {job.id}. {RELEASE.format(id=job.id)}"
        case "":
            return f"Given to Slurm as job {job.id}."
    why = tell_reason(job.reason, job.id)
    return f"Waiting as job {job.id}. {why}".rstrip()


def _tell_silence(job: Job) -> list[str]:
    """A cluster that does not answer stops nothing that runs."""
    if not job.silence:
        return []
    return [f"{job.silence.rstrip('.')}." + (" What is said of the job is what was told last." if job.state else "")]


def _tell_limit(key: str) -> str:
    """Of a reason that is put together: whose limit, of what, and counted how."""
    found = LIMIT.fullmatch(key)
    if not found:
        return ""
    kind, how, thing = found["kind"], found["how"], THINGS[found["thing"]]
    whose = "its QOS" if found["who"] == "qos" else "its account"
    many, fewer = ("as much", "less") if thing in UNCOUNTED else ("as many", "fewer")
    if kind == "min":
        return f"It asks for {fewer} {thing} than {whose} wants. {NOT_SO} number."
    if how == "peraccount" or (kind == "grp" and not how and thing != "time"):
        used = "" if thing.startswith("jobs") else " in use"
        return f"{_begin(whose)} has {many} {thing}{used} as it may; it starts when some of its jobs end."
    if how == "runminutes":
        told = f"The running jobs of {whose} may take no more time together; it starts when some of them end"
        return f"{told}, or sooner with a shorter time limit."
    if kind == "grp":
        of = "" if thing == "time" else f" for {thing}"
        return f"The time{of} that {whose} has is used up. Ask who runs the cluster."
    if how == "peruser" or thing.startswith("jobs"):
        return f"You have {many} {thing} as {whose} allows at a time; it starts when one of your jobs ends."
    if thing == "time":
        return f"Its time limit is longer than {whose} allows. {NOT_SO} time limit."
    told = f"It asks for more {thing}" + (", or for longer," if how == "minutesperjob" else "")
    return f"{told} than {whose} allows {'on a node' if how == 'pernode' else 'to one job'}. {NOT_SO} number."


def _name(job: Job) -> str:
    return f"job {job.id} on {job.nodes}" if job.nodes else f"job {job.id}"


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]
