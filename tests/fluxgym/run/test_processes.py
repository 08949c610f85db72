"""One process for each GPU of our trainer, on each node of a job; what was typed stays as typed."""

import pytest
import tomli_w

from fluxgym.run.again import find_smaller
from fluxgym.run.care import Care, write_care
from fluxgym.run.processes import Layout, count_named, count_planned, find_layout, start_all
from trainer.folder import RunFolder

OURS = ["python", "-m", "trainer", "outputs/robot/config.toml", "--resume", "outputs/robot/robot-4-state"]
JOB = {"FLUXGYM_JOB": "4711", "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "4"}


@pytest.mark.parametrize(
    ("places", "variables", "expected"),
    [
        ([], {}, Layout(1, 1)),
        (["CPU"], {}, Layout(1, 1)),
        (["GPU 3"], {}, Layout(1, 1)),
        (["GPU 0", "GPU 1"], {}, Layout(2, 1)),
        ([], JOB, Layout(4, 2)),
        ([], {"FLUXGYM_JOB": "4711", "SLURM_JOB_NUM_NODES": "1"}, Layout(1, 1)),  # of no GPU: on the CPU
        (["GPU 0"], {name: said for name, said in JOB.items() if name != "FLUXGYM_JOB"}, Layout(1, 1)),  # salloc's shell
        ([], {**JOB, "SLURM_GPUS_ON_NODE": "gpu:2"}, Layout(1, 2)),
    ],
)
def test_how_many_there_are(places, variables, expected):
    assert find_layout(places, variables) == expected


@pytest.mark.parametrize(("place", "count"), [("auto", 1), ("none", 1), ("slurm", 1), ("0", 1), ("0,1", 2), ("2, 3,3", 2)])
def test_how_many_there_will_be(place, count):
    assert count_named(place) == count


@pytest.mark.parametrize(("slurm", "count"), [({}, 1), ({"nodes": 2, "gpus": 4}, 8), ({"nodes": 3, "gpus": 0}, 3)])
def test_how_many_a_job_will_have(slurm, count):
    assert count_planned("slurm", {"slurm": slurm}) == count and count_planned("0,1", {"slurm": slurm}) == 2


@pytest.mark.parametrize(("place", "changed"), [("0,1", "batch_size"), ("0,1,2,3", "resolution")])
def test_no_step_down_to_a_batch_that_its_gpus_cannot_share(tmp_path, place, changed):
    folder = RunFolder(tmp_path / "small")
    folder.path.mkdir()
    settings = {"data": {"batch_size": 4}, "train": {"gradient_checkpointing": True}}
    folder.config.write_text(tomli_w.dumps(settings), encoding="utf-8")
    write_care(folder, Care(place=place))
    assert f"data.{changed}" in find_smaller(folder).changes


def test_one_process_is_started_as_it_is():
    assert start_all(OURS, Layout()) == OURS


def test_several_are_started_by_the_trainers_launcher():
    assert start_all(OURS, Layout(2)) == ["python", "-m", "trainer", "launch", "--processes", "2", *OURS[3:]]
    both = ["--processes", "4", "--nodes", "2"]
    assert start_all(OURS, Layout(4, 2)) == ["python", "-m", "trainer", "launch", *both, *OURS[3:]]


def test_what_was_typed_stays_as_typed():
    typed = ["accelerate", "launch", "flux_train_network.py", "--config_file", "my.toml"]
    assert start_all(typed, Layout(2, 2)) == typed
