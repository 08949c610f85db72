"""A run that is a job: begun, waiting, stopped, resumed, cancelled, refused, and what its page says of it."""

import re
import signal

import pytest

from fluxgym.run.launch import RunError, resume_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import steps_of
from trainer.folder import RunFolder

LONG = ("--steps", "9000", "--pause", "0.02")  # longer than any wait here, on a busy machine too
GPUS = 4  # of the cluster


def job_of(folder: RunFolder) -> str:
    return read_record(folder).attempts[-1].job


def is_at(folder: RunFolder, step: int) -> bool:
    return folder.training_log.exists() and max(steps_of(folder), default=0) >= step


def test_from_start_to_end(start_job, page_of, tmp_path, wait_until):
    go = tmp_path / "go"
    folder = start_job("--hold", str(go))
    wait_until(lambda: read_status(folder).state == "running" and read_status(folder).job.state == "RUNNING")
    assert re.search(rf"Job {job_of(folder)} on n[12]\.", page_of(folder))
    go.touch()
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.step, ended.total_steps) == ("completed", 5, 5)
    assert "Completed" in page_of(folder)


def test_a_run_waits_for_a_gpu_and_is_taken_back(start_job, cluster, page_of, wait_until):
    folders = [start_job(*LONG, name=f"run-{number}") for number in range(GPUS + 1)]
    last = folders[-1]
    wait_until(lambda: all(read_status(folder).state == "running" for folder in folders[:-1]))
    wait_until(lambda: read_status(last).job.reason == "Resources")
    assert "It waits until as many nodes, GPUs, CPU cores or as much memory as it asks for are free." in page_of(last)
    assert stop_run(last).state == "stopped"
    cluster.wait(job_of(last), "CANCELLED")
    assert not last.training_log.exists() and not last.stop_now.exists()


def test_what_waits_begins_when_a_gpu_is_free(start_job, wait_until):
    folders = [start_job(*LONG, name=f"run-{number}") for number in range(GPUS)]
    wait_until(lambda: all(read_status(folder).state == "running" for folder in folders))
    last = start_job(name="last")
    stop_run(folders[0], wait=60)
    assert wait_for_end(last, 60).state == "completed"


def test_stopped_and_resumed_in_another_job(start_job, wait_until):
    folder = start_job("--steps", "200", "--pause", "0.02")
    wait_until(lambda: is_at(folder, 5))
    first = job_of(folder)
    stopped = stop_run(folder, wait=60)
    assert stopped.state == "stopped" and stopped.resumable.step == stopped.step
    resume_run(folder)
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt) == ("completed", 2) and job_of(folder) != first
    assert steps_of(folder) == [*range(1, 201)]


def test_a_stop_while_no_supervisor_is_up_is_heard_by_the_next(start_job, wait_until):
    """One was killed; the job's script has nobody to pass the signal on to until another is up."""
    folder = start_job(*LONG)
    wait_until(lambda: is_at(folder, 5))
    supervisor = read_record(folder).supervisor
    supervisor.signal(signal.SIGKILL)
    wait_until(lambda: not supervisor.alive())
    assert stop_run(folder, wait=60).state == "stopped"
    assert not folder.stop_now.exists()


def test_cancelled_from_outside_it_saves_and_stays_so(start_job, cluster, page_of, wait_until):
    folder = start_job(*LONG, resume_after_crash=True)
    wait_until(lambda: is_at(folder, 5))
    cluster.run("scancel", job_of(folder), check=True)
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.resumable.step) == ("stopped", ended.step)
    said = f"Its job {job_of(folder)} was cancelled from outside FluxGym, at step {ended.step:,} of 9,000."
    assert ended.message == said and said in page_of(folder)


def test_cancelled_from_outside_before_it_began(start_job, cluster, page_of, wait_until):
    for node in cluster.nodes():
        cluster.drain(node)
    folder = start_job()
    wait_until(lambda: read_status(folder).job.reason.startswith("Nodes required"))
    assert "All nodes that it could use are down, drained or kept for other jobs." in page_of(folder)
    cluster.run("scancel", job_of(folder), check=True)
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.message) == ("stopped", f"Its job {job_of(folder)} was cancelled before it began.")


def test_what_a_person_wants_to_see_of_the_queue_hides_no_job(start_job, cluster, monkeypatch, wait_until):
    """By variables that Slurm's commands read: the job was forgotten for FluxGym, and could not be taken back."""
    for name in ("SQUEUE_PARTITION", "SCANCEL_PARTITION"):
        monkeypatch.setenv(name, "urgent")
    for node in cluster.nodes():
        cluster.drain(node)
    folder = start_job()
    wait_until(lambda: read_status(folder).job.reason)
    assert stop_run(folder).state == "stopped"
    cluster.wait(job_of(folder), "CANCELLED")


def test_a_partition_that_is_not_there(start_job, outputs, monkeypatch):
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    with pytest.raises(RunError, match=r"Slurm refused small: invalid partition.*sinfo lists the partitions"):
        start_job()
    assert not RunFolder(outputs / "small").record.exists()
