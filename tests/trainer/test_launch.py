"""All processes of a training: where each is told to be, how Slurm starts them, and real ones of flux-mini."""

import os
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file

from trainer.launch import PORTS, Team, find_host, find_port, main, make_commands, make_srun

ROOT = Path(__file__).parent.parent.parent
CONFIG = ["outputs/robot/config.toml"]


def test_each_process_is_told_where_it_stands():
    commands = make_commands(Team(2, ("gpu-1", 20001), nodes=3, node=1), CONFIG, {"HOME": "/home/me", "RANK": "7"})
    assert [rank for rank, _, _ in commands] == [2, 3]
    for local, (rank, command, variables) in enumerate(commands):
        assert command[1:] == ["-m", "trainer", *CONFIG]
        told = {"WORLD_SIZE": "6", "RANK": str(rank), "LOCAL_RANK": str(local), "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1"}
        told |= {"MASTER_ADDR": "gpu-1", "MASTER_PORT": "20001", "HOME": "/home/me"}
        assert told.items() <= variables.items() and int(variables["OMP_NUM_THREADS"]) > 0


def test_one_process_is_told_nothing():
    assert make_commands(Team(1, ("127.0.0.1", 20001)), CONFIG, {"A": "b"}) == [
        (0, [sys.executable, "-m", "trainer", *CONFIG], {"A": "b"})
    ]


def test_threads_that_were_chosen_stay():
    _, _, variables = make_commands(Team(2, ("gpu-1", 20001)), CONFIG, {"OMP_NUM_THREADS": "7"})[0]
    assert variables["OMP_NUM_THREADS"] == "7"


def test_srun_starts_this_program_once_on_each_node():
    command = make_srun(4, 2, CONFIG, {"SLURMD_NODENAME": "gpu-1", "SLURM_CPUS_PER_TASK": "16"})
    begin = command.index(sys.executable)
    assert command[0] == "srun"
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=16", "--kill-on-bad-exit=1"} <= set(
        command[:begin]
    )
    meet = command[command.index("--meet") + 1]
    assert meet.startswith("gpu-1:") and int(meet.partition(":")[2]) in PORTS
    assert command[begin + 1 :] == [
        *("-m", "trainer", "launch", "--processes", "4", "--nodes", "2", "--meet", meet),
        *CONFIG,
    ]
    assert not any(part.startswith("--cpus-per-task") for part in make_srun(1, 2, CONFIG, {}))
    hides = ["env", "CUDA_VISIBLE_DEVICES=", sys.executable]
    for visible, is_hidden in (("", True), ("0,1", False)):
        command = make_srun(1, 2, CONFIG, {"CUDA_VISIBLE_DEVICES": visible})
        begin = command.index(sys.executable)
        assert (command[begin - 2 : begin + 1] == hides) == is_hidden


def test_a_host_that_nobody_knows_by_its_name():
    slurm = {"SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7"}
    assert find_host("localhost", slurm) == "localhost"
    assert find_host("no-such-host.invalid", slurm) == "10.0.0.7"
    assert find_host("no-such-host.invalid", {}) == "no-such-host.invalid"


def test_ports_differ():
    assert len({find_port() for _ in range(5)}) > 1


def test_several_machines_without_slurm_must_be_told_where_to_meet(monkeypatch, capsys):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert main(["--nodes", "2", *CONFIG]) == 2
    assert "got 2 outside of a job of Slurm, expected --meet HOST:PORT and --node" in capsys.readouterr().out


# ---- real ones ------------------------------------------------------------------------------------------------------
RUNS_OUT = """
import sys
from pathlib import Path
import torch
from trainer import loop
from trainer.start import start
real, calls = loop.compute_loss, []
def compute_loss(*given):
    calls.append(given)
    if len(calls) == 3 and torch.distributed.get_rank() == 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 18.00 MiB. GPU 1 has")
    return real(*given)
loop.compute_loss = compute_loss
sys.exit(start(Path(sys.argv[1]), None))
"""
TOGETHER = """
import os, sys
from trainer.launch import Team, find_port, make_commands
from trainer.ranks import run_together
commands = make_commands(Team(2, ("127.0.0.1", find_port())), sys.argv[2:], os.environ)
sys.exit(run_together([(rank, [sys.executable, "-c", sys.argv[1], *sys.argv[2:]], told) for rank, _, told in commands], 2))
"""


def test_two_processes_learn_what_one_learns_also_where_the_memory_of_one_runs_out(small, make_run, learn):
    """It does its share in a smaller way, while the other one waits."""
    small["data"]["validation_images"] = 0
    alone, folder = learn(small, "alone"), make_run(small, "together")
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER, RUNS_OUT, str(folder.config)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (told,) = [line for line in done.stdout.splitlines() if "memory ran out" in line]
    assert told.startswith("[rank1]: ") and "done again with base as it is, 2 of 7 blocks checkpointed" in told
    assert "in 2 processes" in done.stdout and done.stdout.count("Training finished") == 1
    assert [done.stdout.count(f"| {step}/12 [") for step in range(1, 13)] == [1] * 12
    first, second = load_file(alone.lora), load_file(folder.lora)
    assert first.keys() == second.keys()
    for name in first:
        assert (first[name] - second[name]).norm() < 0.05 * first[name].norm() + 1e-6, name


def test_on_two_machines_the_first_writes_the_log_of_the_run(small, make_run, tmp_path):
    """As without Slurm, where somebody starts it on each; a log that is a file can be moved when it is full."""
    small["train"]["epochs"] = 1
    small["log"] = {"rotate_mb": 0.0005}
    folder, meet = make_run(small), f"127.0.0.1:{find_port()}"
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "FLUXGYM_RUN": str(folder.path)}
    nodes, outputs = [], [tmp_path / "node0", tmp_path / "node1"]
    for node, output in enumerate(outputs):
        command = [sys.executable, "-m", "trainer", "launch", "--nodes", "2", "--node", str(node), "--meet", meet]
        with output.open("wb") as file:
            nodes.append(subprocess.Popen([*command, str(folder.config)], cwd=ROOT, env=variables, stdout=file, stderr=file))
    assert [node.wait(120) for node in nodes] == [0, 0], [output.read_text() for output in outputs]
    assert [output.read_text() for output in outputs] == ["", ""]
    assert "Training finished" in folder.training_log.read_text() and folder.log_parts()
