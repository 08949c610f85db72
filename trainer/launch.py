"""Starts all processes of one training, one for each GPU: `python -m trainer launch --processes 2 outputs/<name>/config.toml`.
On several nodes, inside a job of Slurm: `... launch --nodes 2 --processes 4 CONFIG`, once, on the first of them; elsewhere
`... launch --nodes 2 --node 0 --meet HOST:PORT --processes 4 CONFIG` on each.

They find each other as torch.distributed has it (RANK, WORLD_SIZE, MASTER_ADDR ...), so the trainer also runs under torchrun
and `accelerate launch`. Those end a training that was asked to stop in a traceback with exit code 1, kill what has not saved
its state after 30 s, and read settings from a file in the person's home; so a run is not started by them. Imports no torch."""

import argparse
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.folder import RunFolder
from trainer.ranks import STOPPED, WRONG, run_apart, run_together
from trainer.report import error
from trainer.rotate import OUTPUTS
from trainer.slurm import STEP
from trainer.stacks import RUN

PORTS = range(20000, 32000)  # below those that systems give to outgoing connections
TRIES = 100


@dataclass(frozen=True)
class Team:
    """Where this machine's processes stand among all. `meet`: (host, port) of the first one."""

    processes: int  # on each machine
    meet: tuple[str, int]
    nodes: int = 1
    node: int = 0

    @property
    def total(self) -> int:
        return self.processes * self.nodes


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code of the training."""
    options = _parse(arguments)
    variables, nodes = os.environ, options.nodes
    train = [str(options.config), *(["--resume", str(options.resume)] if options.resume else [])]
    if nodes > 1 and not options.meet:
        if "SLURM_JOB_ID" not in variables:
            error(
                f"--nodes: got {nodes} outside of a job of Slurm, expected --meet HOST:PORT and --node as well, on each machine"
            )
            return WRONG
        return run_apart(make_srun(options.processes, nodes, train, variables), passes=signal.SIGUSR1)
    node = options.node if options.node is not None else int(variables.get("SLURM_NODEID", 0))
    host, _, port = (options.meet or f"127.0.0.1:{find_port()}").rpartition(":")
    if nodes > 1 and node == 0 and variables.get(RUN):
        write_log(RunFolder(Path(variables[RUN])))
    team = Team(options.processes, (find_host(host, variables), int(port)), nodes, node if nodes > 1 else 0)
    code = run_together(make_commands(team, train, variables), team.total)
    # srun ends the others as soon as one machine's exit code is not 0, and the first one may still be writing its last line
    return 0 if code == STOPPED and team.node else code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trainer launch", description="Starts all processes of one training, one for each GPU."
    )
    parser.add_argument("config", type=Path, help="config.toml in the run's folder")
    parser.add_argument("--resume", type=Path, help="a state in the run's folder to go on from")
    parser.add_argument("--processes", type=_positive, default=1, help="on each machine: how many of its GPUs train")
    parser.add_argument("--nodes", type=_positive, default=1, help="machines")
    parser.add_argument("--node", type=int, help="which of them this is, the first is 0; Slurm tells it")
    parser.add_argument("--meet", metavar="HOST:PORT", help="where the first one can be reached by the others")
    return parser.parse_args(arguments)


def _positive(said: str) -> int:
    number = int(said)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {said}, expected a whole number of 1 or more")
    return number


def make_commands(team: Team, train: list[str], variables: Mapping[str, str]) -> list[tuple[int, list[str], dict[str, str]]]:
    """(rank, command, environment) of each process of this machine. `train`: what the trainer is to do."""
    command = [sys.executable, "-m", "trainer", *train]
    if team.total == 1:
        return [(0, command, dict(variables))]
    host, port = team.meet
    threads = max(1, len(os.sched_getaffinity(0)) // team.processes)
    shared = {"OMP_NUM_THREADS": str(threads)} | dict(variables)
    shared |= {"PYTHONUNBUFFERED": "1", "MASTER_ADDR": host, "MASTER_PORT": str(port), "WORLD_SIZE": str(team.total)}
    shared |= {"LOCAL_WORLD_SIZE": str(team.processes), "GROUP_RANK": str(team.node)}
    first = team.node * team.processes
    return [
        (first + local, command, shared | {"RANK": str(first + local), "LOCAL_RANK": str(local)})
        for local in range(team.processes)
    ]


def make_srun(processes: int, nodes: int, train: list[str], variables: Mapping[str, str]) -> list[str]:
    """The command that starts this program on each node of the job that we are in, on its first one."""
    meet = f"{variables.get('SLURMD_NODENAME') or os.uname().nodename}:{find_port()}"
    cpus = variables.get("SLURM_CPUS_PER_TASK")  # srun of Slurm 22.05 and newer does not take it from its job
    srun = ["srun", f"--job-name={STEP}", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    srun += [f"--cpus-per-task={cpus}"] if cpus else []
    srun += ["--quiet", "--kill-on-bad-exit=1", "--wait=0", "--input=none", "--mpi=none", "--export=ALL"]
    hidden = ["env", "CUDA_VISIBLE_DEVICES="] if variables.get("CUDA_VISIBLE_DEVICES") == "" else []  # srun takes that back
    launch = [sys.executable, "-m", "trainer", "launch", "--processes", str(processes), "--nodes", str(nodes), "--meet", meet]
    return [*srun, *hidden, *launch, *train]


def write_log(folder: RunFolder) -> None:
    """Our output goes straight into the log of the run: srun's is no file that could be moved when it is full (rotate.py)."""
    handle = os.open(folder.training_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for output in OUTPUTS:
        os.dup2(handle, output)
    os.close(handle)


def find_host(host: str, variables: Mapping[str, str]) -> str:
    """The host as it is, or where nobody knows its name the address from which Slurm was told to start us."""
    with suppress(OSError):
        socket.getaddrinfo(host, None)
        return host
    return variables.get("SLURM_LAUNCH_NODE_IPADDR") or host


def find_port() -> int:
    """One that nobody listens at now. Two trainings that begin at once take different ones, most likely."""
    for port in random.sample(PORTS, TRIES):
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("", port))
            return port
    raise OSError(f"got no free port in {TRIES} tries, expected one of {PORTS.start} to {PORTS.stop - 1}")
