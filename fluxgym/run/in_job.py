"""A supervisor and the cluster's job that it is inside of, or whose end it is to judge from outside.

Inside, a stop by the system is mostly the time limit or another job's turn: the state is saved, the job goes back into the
queue, and the same run goes on from there in the same log. Outside, a job that is over is judged, and where it was not its
fault, the next one is submitted.
"""

import os
import time
from dataclasses import dataclass, replace

from fluxgym.run.backend import FORGOTTEN, BackendError, Job, find_backend
from fluxgym.run.care import SLURM
from fluxgym.run.elsewhere import find_signs
from fluxgym.run.family import JOB
from fluxgym.run.guarded import Guarded
from fluxgym.run.identity import read_stat
from fluxgym.run.job_end import ASKED, AT_LIMIT, PUT_BACK, find_announced, is_put_back, tell_stop
from fluxgym.run.processes import find_layout
from fluxgym.run.record import SYSTEM, Record, read_record
from fluxgym.run.watch import Ended
from trainer.folder import RunFolder

PATIENCE = 600.0  # s; a node that Slurm gave up may go on for a while, and holds its locks until its server knows
LOOK_EVERY, ASK_EVERY = 1.0, 5.0  # s
NAMED = 30.0  # s in which whoever submitted our job has written its id down, and everybody reads it; NFS may tell of old files
STEPS_END = 120.0  # s; Slurm tries for a minute to end what does not answer
ASKS = 15  # times that a Slurm which does not answer is asked to put a job back; the job ends some time after
NEARLY = 300.0  # s before the end of the time limit, in which a stop is taken to be for that


@dataclass(frozen=True)
class Found:
    """What the cluster has to do with the attempt that a supervisor finds."""

    is_ours: bool = False  # its job is the one that we are inside of
    is_others: bool = False  # another supervisor's matter: one inside its job, or in a later job
    job: Job | None = None  # which is over


def own_job() -> str:
    """Id of the job that this supervisor is inside of; empty: of none."""
    return os.environ.get(JOB, "")


def await_name(folder: RunFolder) -> None:
    """Looks again for a while where run.json names another job than ours: the id is written down once the job was submitted,
    and only where locks reach are we held up until then. Before our lock is taken, which the writer may need."""
    deadline = time.monotonic() + NAMED
    while own_job() and _names_another(read_record(folder)) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)


def _names_another(record: Record | None) -> bool:
    attempt = record.attempt if record else None
    return attempt is not None and (attempt.backend != SLURM or attempt.job not in ("", own_job()))


def find(folder: RunFolder, record: Record) -> Found:
    """What run.json and the environment say; outside of the job Slurm, and where it forgot, what the job's node wrote."""
    attempt, mine = record.attempts[-1], own_job()
    if attempt.backend != SLURM:
        return Found(is_others=bool(mine))
    if mine:
        was_put_back = os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and not _is_of_this_start(record)
        is_ours = attempt.job in ("", mine)  # it may have begun before its id was written down
        return Found(is_ours, not is_ours, Job(mine, PUT_BACK) if was_put_back else None)
    if not attempt.job:
        return Found(job=Job("", "LOST"))
    from fluxgym.run.slurm import ask_now

    job = ask_now(record)
    # one that waits for its job again has nothing there: what was announced was the end of the attempt before
    said = find_announced(folder, attempt.job) if job.state == FORGOTTEN and attempt.training else ""
    return Found(is_others=not job.is_over, job=replace(job, state=said) if said else job)


def _is_of_this_start(record: Record) -> bool:
    """Whether its supervisor came up since our job began, or began again: later than the script that started us both. It was
    not put back since then, but killed."""
    script, before = read_stat(os.getppid()), record.supervisor
    return bool(script and before and before.is_of_this_boot and before.start_ticks >= script.start_ticks)


def outlast(folder: RunFolder) -> bool:
    """Waits until nothing is heard any more of a supervisor of before, on a node that Slurm gave up and that goes on. False: it
    does not end. Locks tell that too, where they hold."""
    deadline = time.monotonic() + PATIENCE
    while own_job() and (record := read_record(folder)) and (signs := find_signs(folder, record)) and signs.is_guarded:
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY)
    return True


def take(record: Record) -> Record:
    """The record of an attempt that begins inside our job."""
    mine, said = own_job(), os.environ.get
    changes = {"job": mine, "cluster": said("SLURM_CLUSTER_NAME", ""), "nodes": said("SLURM_JOB_NODELIST", "")}
    return record.to(record.state, **changes) if mine else record


def clear_nodes(run: Guarded) -> None:
    """Ends what a training left on the other nodes of our job. Nobody sees it here, and nothing tells it that its srun was
    killed; while it is there no other can begin."""
    mine = own_job()
    if not mine or find_layout((), os.environ).nodes == 1:
        return
    from fluxgym.run.slurm import end_steps
    from fluxgym.run.slurm_ask import Silent

    deadline = time.monotonic() + STEPS_END
    try:
        while steps := end_steps(mine):
            run.heart.beat()
            if time.monotonic() > deadline:
                run.note(f"{' and '.join(steps)} of job {mine} does not end")
                return
            time.sleep(LOOK_EVERY)
    except Silent as error:
        run.note(f"what is left on the other nodes of job {mine} is not known: {error}")


def explain_end(folder: RunFolder, ended: Ended) -> Ended:
    """What a stop by the system was for: the job's node says so where it ends the job, else Slurm knows its time limit."""
    mine = own_job()
    if not mine or ended.record.attempts[-1].stop != SYSTEM or ended.verdict.state != "stopped":
        return ended
    state = _find_reason(folder, mine)
    verdict = replace(ended.verdict, message=tell_stop(Job(mine, state), ended.verdict))
    return replace(ended, verdict=verdict, put_back=state if is_put_back(state) else "")


def _find_reason(folder: RunFolder, mine: str) -> str:
    from fluxgym.run.slurm_ask import ask_now

    return find_announced(folder, mine) or _guess(ask_now(mine))


def leave(run: Guarded, record: Record) -> None:
    """Lets a run that pauses inside its job wait in the next one, where the cluster ends this one."""
    mine = own_job()
    if mine and is_put_back(_find_reason(run.folder, mine)) and run.write(waiting := replace(record, supervisor=None)):
        hand_over(run, waiting)


def _guess(job: Job) -> str:
    """What a job that still runs is told to end for. One that must make room ends soon, too, so that is looked at first."""
    if job.must_leave:
        return "PREEMPTED"
    is_at_limit = job.state == "RUNNING" and job.ends is not None and job.ends - time.time() < NEARLY
    return AT_LIMIT if is_at_limit else ASKED


def must_hand_over(again: Record, ended: Ended) -> bool:
    """Whether what goes on needs a job of its own: ours is about to end, or there is none."""
    mine = own_job()
    return again.attempts[-1].backend == SLURM and (not mine or ended.put_back not in ("", PUT_BACK))


def hand_over(run: Guarded, record: Record) -> bool:
    """Has the next attempt begin in a job: this one, put back into the queue, or a new one. False: it cannot be had."""
    mine = own_job()
    problem = _requeue(run, mine) if mine else "there is no job any more"
    if not problem:
        run.note(f"job {mine} is put back into the queue")
        return True
    try:
        begun = find_backend(record).start(run.folder, record.to("queued", job=""))
    except BackendError as error:
        run.note(f"it does not go on by itself: {problem}; {error}")
        return False
    run.note(f"job {begun.attempts[-1].job} is submitted, as {problem}")
    while not run.write(begun):  # a job that the record does not name finds nothing to do
        time.sleep(LOOK_EVERY)
    return True


def _requeue(run: Guarded, job: str) -> str:
    """What stands in the way of putting our job back into the queue, or nothing. While Slurm is silent it is asked again."""
    from fluxgym.run.slurm import requeue
    from fluxgym.run.slurm_ask import Silent

    for left in reversed(range(ASKS)):
        try:
            return requeue(job)
        except Silent as error:
            if not left:
                return str(error)
            run.note(f"job {job} cannot be put back yet: {error}")
            time.sleep(ASK_EVERY)
    return ""
