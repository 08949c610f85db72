"""What a run's own settings make of its job: which variables they win over, the GPUs that it sees, and lines of its own."""

import pytest
import tomli_w

from fluxgym.run.care import SLURM, Care
from fluxgym.run.launch import start_run, stop_run, wait_for_end
from fluxgym.run.status import read_status
from tests.slurm.test_runs import job_of
from trainer.folder import RunFolder


@pytest.fixture
def start_with(cluster, outputs):
    """start_with(settings, name): a run that has those for [slurm], and whose training only tells its environment."""

    def start(slurm: dict[str, object], name: str = "small") -> RunFolder:
        folder = RunFolder(outputs / name)
        folder.path.mkdir()
        folder.config.write_text(tomli_w.dumps({"slurm": slurm}), encoding="utf-8")
        start_run(folder, ["env"], care=Care(place=SLURM), any_command=True)
        return folder

    return start


def test_what_was_chosen_wins_over_variables_and_what_was_left_empty_is_theirs(start_with, cluster, monkeypatch):
    """As a site's profile may set them: for sbatch they win over the script."""
    variables = {"PARTITION": "short", "TIMELIMIT": "1", "GRES": "gpu:2", "MEM_PER_CPU": "50", "OPEN_MODE": "truncate"}
    for name, value in {**variables, "SIGNAL": "USR2@10", "ARRAY_INX": "0-1", "WAIT": "1", "NO_REQUEUE": "1"}.items():
        monkeypatch.setenv(f"SBATCH_{name}", value)
    chosen = start_with({"partition": "main", "time_limit": "2:00:00", "memory": "200M", "gpus": 0}, name="chosen")
    said = cluster.job(job_of(chosen))
    told = [said[name] for name in ("Partition", "TimeLimit", "MinMemoryNode", "Requeue")]
    assert told == ["main", "02:00:00", "200M", "1"] and "TresPerNode" not in said and "ArrayTaskId" not in said
    own = start_with({"lines": ["#SBATCH -p main --mem-per-cpu=30"]}, name="own")
    said = cluster.job(job_of(own))
    assert [said[name] for name in ("Partition", "TimeLimit", "MinMemoryCPU")] == ["main", "00:01:00", "30M"]
    assert said["TresPerNode"] == "gres:gpu:1"
    assert {wait_for_end(folder, 60).state for folder in (chosen, own)} == {"completed"}


@pytest.mark.parametrize(
    ("wish", "sees"),
    [({"gpus": 0}, ""), ({"gpus": 1}, "0"), ({"gpus": 0, "lines": ["#SBATCH --gpus=1"]}, "0")],
    ids=["none", "one", "lines-of-its-own"],
)
def test_a_training_without_gpus_sees_none(start_with, monkeypatch, wish, sees):
    """Slurm itself hides none from a job that asks for none, unless it confines devices."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    folder = start_with(wish)
    assert wait_for_end(folder, 60).state == "completed"
    assert f"CUDA_VISIBLE_DEVICES={sees}\n" in folder.training_log.read_text()


def test_lines_of_its_own_may_go_to_another_folder(start_with):
    folder = start_with({"lines": ["cd /"]})
    assert wait_for_end(folder, 60).state == "completed"


def test_a_stop_during_lines_of_its_own_ends_the_job(start_with, cluster, wait_until, tmp_path):
    folder = start_with({"lines": [f"touch {tmp_path}/begun; sleep 600"]})
    wait_until((tmp_path / "begun").exists)
    stopped = stop_run(folder)
    assert (stopped.state, stopped.message) == ("stopped", "Removed from the queue before it began.")
    cluster.wait(job_of(folder), "CANCELLED")
    assert not folder.training_log.exists()


def test_a_job_whose_name_was_changed_is_still_that_of_its_run(start_job, cluster, page_of, wait_until):
    """By scontrol, or by a site whose Slurm changes what is submitted."""
    for node in cluster.nodes():
        cluster.drain(node)
    folder = start_job(name="it.s")
    job = job_of(folder)
    cluster.run("scontrol", "update", f"jobid={job}", "jobname=mine | yours", check=True)
    renamed = wait_until(lambda: (status := read_status(folder)).job.name == "mine | yours" and status)
    assert (renamed.state, renamed.is_active) == ("queued", True) and f"Waiting as job {job}." in page_of(folder)
    for node in cluster.nodes():
        cluster.resume(node)
    assert wait_for_end(folder, 60).state == "completed" and job_of(folder) == job
