"""One training of flux-mini on two nodes: it learns what one process learns, stops and goes on, and ends when one is lost."""

import os
import re
import signal
from pathlib import Path

import pytest
import tomli_w
from safetensors.torch import load_file

from fluxgym.run.care import NONE, SLURM, Care
from fluxgym.run.family import find_family
from fluxgym.run.launch import resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import steps_of
from tests.slurm.test_runs import is_at
from trainer import mini
from trainer.folder import RunFolder
from trainer.slurm import STEP

SETTINGS = {
    "model": {"base": str(mini.MODEL), "dtype": "fp32", "device": "cpu", "max_sequence_length": 24},
    "data": {"folder": str(mini.DATASET), "resolution": 64, "repeats": 1, "batch_size": 4},
    "lora": {"rank": 4, "alpha": 8.0},
    "train": {"epochs": 10, "learning_rate": 2e-3, "gradient_checkpointing": False},
    "save": {"every_epochs": 0, "state_every_epochs": 100, "dtype": "fp32"},
    "slurm": {"nodes": 2, "gpus": 1, "cpus": 2, "lines": ["export OMP_NUM_THREADS=1"]},
}
STEPS = 30


@pytest.fixture
def start_mini(cluster, outputs):
    """start_mini(name, place, epochs): a run of flux-mini."""

    def start(name: str, place: str = SLURM, epochs: int = 10) -> RunFolder:
        folder = RunFolder(outputs / name)
        folder.path.mkdir()
        settings = {"name": name, **SETTINGS, "train": {**SETTINGS["train"], "epochs": epochs}}
        folder.config.write_text(tomli_w.dumps(settings), encoding="utf-8")
        start_run(folder, care=Care(place=place))
        return folder

    return start


def find_rank(folder: RunFolder, rank: int) -> int:
    """Pid of one of the processes that train."""
    mark = f"RANK={rank}".encode()
    pids = [member.identity.pid for member in find_family(folder)]
    (pid,) = [pid for pid in pids if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
    return pid


def commands_of(folder: RunFolder) -> list[bytes]:
    """Of all its processes."""
    paths = [Path(f"/proc/{member.identity.pid}/cmdline") for member in find_family(folder)]
    return [path.read_bytes() for path in paths if path.exists()]


def test_two_nodes_learn_what_one_process_learns_also_when_stopped_in_between(start_mini, wait_until):
    folder = start_mini("two")
    wait_until(lambda: is_at(folder, 4), 180)
    assert read_record(folder).attempts[-1].nodes == "n[1-2]"
    stopped = stop_run(folder, wait=60)
    assert (stopped.state, stopped.resumable.step) == ("stopped", stopped.step)
    assert folder.training_log.read_text().count("Training stopped at step") == 1
    resume_run(folder)
    alone = start_mini("alone", NONE)
    assert [wait_for_end(run, 180).state for run in (folder, alone)] == ["completed", "completed"]
    assert steps_of(folder) == [*range(1, STEPS + 1)]
    assert folder.training_log.read_text().count(" in 2 processes") == 2
    first, second = load_file(alone.lora), load_file(folder.lora)
    assert first.keys() == second.keys()
    for name in first:
        # sums in another order: they differ by 1e-4 of it at most
        assert (first[name] - second[name]).norm() < 2e-3 * first[name].norm(), name


def test_a_process_that_is_lost_on_the_second_node_ends_the_run_and_is_named(start_mini, page_of, wait_until):
    folder = start_mini("lost", epochs=1000)
    wait_until(lambda: is_at(folder, 4), 180)
    os.kill(find_rank(folder, 1), signal.SIGKILL)
    ended = wait_for_end(folder, 60)
    assert (ended.state, read_record(folder).verdict.kind) == ("failed", "killed")
    assert ended.message.startswith("Rank 1 of 2, on n2, was killed by signal 9 (SIGKILL), at step ")
    assert any("ERROR Rank 1 of 2, on n2, was killed by signal 9 (SIGKILL)" in line for line in ended.last_lines)
    assert "Traceback" not in folder.training_log.read_text()
    assert "Rank 1 of 2, on n2, was killed" in page_of(folder)
    assert not find_family(folder) and read_status(folder).pid is None


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGXCPU])
def test_a_stop_that_comes_while_the_processes_on_the_nodes_start_is_one(start_mini, wait_until, number):
    """They died of it: the run failed, and at the time limit it did not go on."""
    folder = start_mini("early", epochs=1000)
    is_task = re.compile(rb"[^\0]*python[^\0]*\0-m\0trainer\0.*--meet", re.DOTALL).match  # not srun, which starts it
    wait_until(lambda: any(is_task(command) for command in commands_of(folder)), 180)
    read_record(folder).supervisor.signal(number)
    wait_until(lambda: read_record(folder).attempts[0].verdict, 120)
    ended = read_record(folder).attempts
    assert ended[0].verdict.state == "stopped", folder.training_log.read_text()
    assert len(ended) == (1 if number == signal.SIGUSR1 else 2)
    if len(ended) == 2:
        stop_run(folder, wait=60)


KILLED = """
if [ -e "$0" ]; then exec srun --nodes=2 --ntasks=2 true; fi
touch "$0"
srun --job-name={step} --nodes=2 --ntasks=2 env -u FLUXGYM_RUN sh -c 'touch "$0.$SLURM_NODEID"; exec sleep 600' "$0" &
while [ ! -e "$0.0" ] || [ ! -e "$0.1" ]; do sleep 0.1; done
kill -KILL $(pgrep -P $!) $! && exit 1
"""


def test_what_was_left_on_another_node_does_not_keep_the_next_attempt_from_beginning(cluster, outputs, tmp_path, monkeypatch):
    """Of a training that hung there, whose srun was killed here. What is started so has no mark, as if it could not be seen."""
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "0.1")
    folder = RunFolder(outputs / "left")
    folder.path.mkdir()
    folder.config.write_text(tomli_w.dumps({"slurm": {"nodes": 2, "gpus": 1, "cpus": 1}}))
    command = ["bash", "-c", KILLED.format(step=STEP), str(tmp_path / "mark")]
    start_run(folder, command, care=Care(place=SLURM, resume_after_crash=True, most_resumes=1), any_command=True)
    ended = wait_for_end(folder, 120)
    assert (ended.state, ended.attempt) == ("completed", 2), folder.training_log.read_text()
