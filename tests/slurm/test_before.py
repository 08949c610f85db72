"""What is known of a job before it is submitted, on a real cluster: whether it would be taken, when, or why not."""

from pathlib import Path

import pytest

from fluxgym.preflight.cluster import find_refusal, look_at_job
from fluxgym.preflight.report import ERROR, FINE, WARNING, Finding
from fluxgym.run import slurm_ask
from fluxgym.run.care import SLURM, Care
from fluxgym.run.create import create_run
from fluxgym.run.launch import start_run, stop_run
from fluxgym.run.status import read_status
from fluxgym.terminal.main import main
from fluxgym.terminal.output import DONE, WRONG_USE
from fluxgym.view import partitions
from tests.slurm.cluster import NODES, Cluster
from trainer.config import dump_config, load_config, parse_config
from trainer.folder import RunFolder
from trainer.mini import DEMO

pytestmark = pytest.mark.usefixtures("cluster", "outputs")


def look(batch: int = 2, **slurm: object) -> Finding:
    config = load_config(DEMO)
    asked = config.slurm.model_copy(update={"memory": "100M", **slurm})
    data = config.data.model_copy(update={"batch_size": batch})
    (found,) = look_at_job(config.model_copy(update={"slurm": asked, "data": data}))
    return found


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ({"partition": "nowhere"}, "invalid partition"),
        ({"gpus": 7, "batch": 7}, "Requested node configuration is not available"),
        ({"nodes": 5, "batch": 5}, "node"),
        ({"partition": "short", "time_limit": "1:00:00"}, "got a time limit of 1 h, partition short gives 5 m at most"),
    ],
)
def test_what_slurm_would_refuse_is_an_error_with_its_reason(asked: dict, part: str) -> None:
    found = look(**asked)
    assert found.level == ERROR and part in found.what and found.fix


def test_what_it_would_take_is_told_with_its_start() -> None:
    found = look(gpus=2, time_limit="5")
    assert found.level == FINE
    assert found.what.startswith("would take the job: 1 node with 2 GPUs, 4 CPU cores and 100M of memory, for 5 m at most.")
    assert "It would start about " in found.what


def test_a_variable_does_not_win_over_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "60")
    assert look(partition="short", time_limit="5").level == FINE
    assert "invalid partition" in look().what, "it holds for what was left empty"


def test_a_batch_that_its_processes_cannot_share() -> None:
    config = load_config(DEMO)
    asked = config.slurm.model_copy(update={"memory": "100M", "gpus": 2, "nodes": 2})
    data = config.data.model_copy(update={"batch_size": 2})
    first, _ = look_at_job(config.model_copy(update={"slurm": asked, "data": data}))
    assert (first.level, first.subject) == (ERROR, "data.batch_size") and "for 4 GPUs" in first.what


def test_of_nodes_that_are_drained_it_is_said_that_it_would_wait(cluster: Cluster) -> None:
    for node in NODES:
        cluster.drain(node)
    found = look()
    assert found.level == WARNING and found.what.startswith("2 of 2 nodes are down or drained")


def test_a_controller_that_does_not_answer_is_said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_ask.call, "__defaults__", (1.0,))  # s of patience
    with cluster.silent_controller():
        found = look()
        assert partitions.ask() == []
    assert found.level == ERROR and found.what == "did not answer within 1 s" and "Try again" in found.fix


def test_a_resume_that_the_cluster_would_refuse_is_refused(outputs: Path) -> None:
    folder = RunFolder(outputs / "demo")
    folder.path.mkdir()
    folder.config.write_text(dump_config(load_config(DEMO)))
    assert find_refusal(folder, {"slurm.memory": "100M"}) == ""
    assert "slurm: would not take it: invalid partition" in find_refusal(folder, {"slurm.partition": "nowhere"})
    assert find_refusal(folder, {"slurm.nodes": 5, "data.batch_size": 5})
    assert find_refusal(folder, {"slurm.nodes": -1}) == "", "what cannot be a setting a resume tells itself"


def test_a_partition_that_is_closed(cluster: Cluster) -> None:
    cluster.run("scontrol", "update", "partitionname=short", "state=down", check=True)
    try:
        found = look(partition="short", time_limit="5")
    finally:
        cluster.run("scontrol", "update", "partitionname=short", "state=up", check=True)
    assert found.level == WARNING and "partition short takes no jobs at the moment" in found.what


def test_the_partitions_to_choose_from() -> None:
    told = [*map(str, partitions.ask())]
    assert told[0] == "main: 2 nodes with 2 GPUs each" and "short: 2 nodes with 2 GPUs each, up to 5 m" in told


def test_a_job_that_could_never_start_is_resumed_as_another_one(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal, as its page does with Resume with ...; what would be refused changes nothing."""
    wish = {"partition": "short", "time_limit": "10", "gpus": 0, "cpus": 1, "memory": "200M"}
    folder = create_run(parse_config({**load_config(DEMO).model_dump(), "slurm": wish}))
    start_run(folder, care=Care(place=SLURM))
    try:
        assert main(["resume", "demo", "--time-limit", "4"]) == WRONG_USE
        assert "is under way" in capsys.readouterr().err
        stop_run(folder, wait=60)
        for asked, part in (("--partition=nowhere", "invalid partition"), ("--gpus=-1", "slurm.gpus: got -1")):
            assert main(["resume", "demo", asked, "--time-limit=4", "--when-stalled=stop"]) == WRONG_USE
            assert part in capsys.readouterr().err
            assert load_config(folder.config).slurm.partition == "short"
        assert main(["resume", "demo", "--time-limit", "4", "--partition", "", "--memory", "100M"]) == DONE
        status = read_status(folder)
        assert status.is_active and status.attempt == 2 and status.job
        job = cluster.job(status.job.id)
        assert (job["TimeLimit"], job["Partition"]) == ("00:04:00", "main")
        assert load_config(folder.config).slurm.memory == "100M"
    finally:
        if read_status(folder).is_active:
            stop_run(folder, wait=60)
