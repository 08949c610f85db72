"""A cluster that does not answer: killed and restarted, busy; what runs goes on, pages say so and wait for nobody."""

import re

import pytest

from fluxgym.run import slurm
from fluxgym.run.launch import RunError, stop_run, wait_for_end
from fluxgym.run.status import read_status
from tests.slurm.cluster import Cluster
from tests.slurm.test_runs import LONG, is_at, job_of, steps_of
from trainer.folder import RunFolder


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    """Nobody here waits as long as people do."""
    monkeypatch.setattr(slurm, "TELLING", 1.0)


def test_a_run_outlives_the_controller(start_job, cluster, page_of, tmp_path, wait_until):
    go = tmp_path / "go"
    folder = start_job("--hold", str(go))
    wait_until(lambda: is_at(folder, 5) and read_status(folder).job.state == "RUNNING")
    cluster.save(job_of(folder))
    cluster.kill("slurmctld")
    wait_until(lambda: read_status(folder).job.silence)
    said = page_of(folder)
    assert re.search(
        r"Running.*Job \d+ on n\d.*Slurm d\w+ not answer.*What is said of the job is what was told last", said, re.DOTALL
    )
    go.touch()
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.step) == ("completed", 5)
    cluster.start_controller()
    assert wait_until(lambda: cluster.job(job_of(folder)).get("JobState") == "COMPLETED")


def test_a_run_is_stopped_though_the_controller_is_dead(start_job, cluster, wait_until):
    folder = start_job(*LONG)
    wait_until(lambda: is_at(folder, 5))
    cluster.save(job_of(folder))  # else its id is given to the next job while the node still knows this one
    cluster.kill("slurmctld")
    stopped = stop_run(folder, wait=60)
    assert stopped.state == "stopped" and stopped.resumable.step == stopped.step


def test_a_start_without_an_answer_is_told_and_begins_nothing_later(start_job, cluster, outputs, wait_until):
    """sbatch gives up after 10 s; Slurm takes the job nevertheless, as soon as it goes on."""
    folder, before = RunFolder(outputs / "small"), list_jobs(cluster)
    with (
        cluster.silent_controller(),
        pytest.raises(RunError, match=r"small was not given to Slurm: Slurm does not answer: .*timed out"),
    ):
        start_job()
    assert not folder.record.exists()
    wait_until(lambda: [state for job, state in list_jobs(cluster).items() if job not in before] == ["FAILED"])
    assert not folder.record.exists() and not folder.training_log.exists()
    start_job()
    assert wait_for_end(folder, 60).state == "completed"
    assert steps_of(folder) == [1, 2, 3, 4, 5]


def list_jobs(cluster: Cluster) -> dict[str, str]:
    """All that it remembers, with their states."""
    return dict(re.findall(r"(\d+) (\w+)", cluster.run("squeue", "--noheader", "--states=all", "--format=%i %T").stdout))
