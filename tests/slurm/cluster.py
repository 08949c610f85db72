"""A real Slurm cluster of this one machine, for tests: its own folder, ports and daemons, two nodes with two GPUs each.

Needs Debian's slurm-wlm, or another build of Slurm that allows several slurmd on one machine; no systemd, no munge. The GPUs
are links to /dev/null: Slurm hands them out as it does real ones. By hand: `python -m tests.slurm.cluster FOLDER` starts one
and tells the SLURM_CONF to use, until Ctrl-C.
"""

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

NODES, GPUS, CPUS, MEMORY = ("n1", "n2"), 2, 8, 16000  # each node's; what the machine has does not matter
PATIENCE = 60.0  # s for whatever is waited for
OVER = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"}
CONFIG = """
ClusterName=fluxgym
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
PreemptType=preempt/partition_prio
ReturnToService=2
JobRequeue=1
"""
USUAL = {  # lines that a test may replace
    "KillWait": "30",
    "MinJobAge": "300",
    "MessageTimeout": "10",
    "SlurmdTimeout": "300",
    "PreemptMode": "REQUEUE",
    "SlurmctldParameters": "preempt_send_user_signal",  # at the beginning of a time of grace
}
PARTITIONS = """
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 DefMemPerNode=100
PartitionName=patient Nodes=ALL PriorityTier=1 GraceTime=20 DefMemPerNode=100
PartitionName=urgent Nodes=ALL PriorityTier=10 DefMemPerNode=100
PartitionName=short Nodes=ALL PriorityTier=1 MaxTime=5 DefMemPerNode=100
"""


class ClusterError(Exception):
    """The cluster did not do in time what it was asked to; says what its daemons say."""


def why_not() -> str:
    """What is missing for a cluster here, or nothing."""
    needed = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "srun")
    missing = [name for name in needed if not _find(name)]
    return f"Slurm is not installed here: got no {', '.join(missing)}" if missing else ""


class Cluster:
    """The daemons and what a test does to them. What it needs of Slurm's commands goes through run()."""

    def __init__(self, folder: Path, **settings: str):
        self.folder, self.config = folder, folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._write(USUAL | settings)

    def _write(self, settings: Mapping[str, str]) -> None:
        host = socket.gethostname().partition(".")[0]
        port, *ports = find_ports(1 + len(NODES))
        for folder in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        lines = [CONFIG.strip().format(host=host, user=getpass.getuser(), port=port, folder=self.folder)]
        lines += [f"{name}={value}" for name, value in settings.items()]
        gpus = []
        for node, port in zip(NODES, ports, strict=True):
            has = f"CPUs={CPUS} RealMemory={MEMORY} Gres=gpu:{GPUS}"
            lines.append(f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {has} State=UNKNOWN")
            (self.folder / node).mkdir(exist_ok=True)
            for number in range(GPUS):
                (self.folder / node / f"gpu{number}").symlink_to("/dev/null")
            gpus.append(f"NodeName={node} Name=gpu File={self.folder / node}/gpu[0-{GPUS - 1}]\n")
        self.config.write_text("\n".join(lines) + PARTITIONS)
        (self.folder / "gres.conf").write_text("".join(gpus))

    @property
    def environment(self) -> dict[str, str]:
        """That of a user of this cluster, and of no other."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "SRUN_"))}
        return ours | {"SLURM_CONF": str(self.config)}

    # ---- its daemons -------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Returns when all nodes are idle."""
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        wait_for(lambda: self.nodes() == dict.fromkeys(NODES, "idle"), "nodes that are idle", self.explain)

    def start_controller(self) -> None:
        self._start("slurmctld")
        wait_for(lambda: self.run("scontrol", "ping").returncode == 0, "an answer of slurmctld", self.explain)

    def start_node(self, node: str) -> None:
        self._start("slurmd", "-N", node)

    def _start(self, program: str, *options: str) -> None:
        """In a session of its own; it ends with us even where we are killed."""
        name = options[-1] if options else program
        command = ["setpriv", "--pdeathsig", "TERM", _find(program), "-D", *options]
        environment = self.environment | ({"SLURMD_NODENAME": name} if options else {})  # tells whose steps are whose
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )

    def save(self, job: str) -> None:
        """Until slurmctld has its jobs on disk; one that is killed forgets those of the last five seconds, even their ids."""
        saved = self.folder / "state" / "job_state"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        self.run("scontrol", "update", f"jobid={job}", "comment=saved", check=True)
        wait_for(lambda: saved.exists() and saved.stat().st_mtime_ns != before, "state that is saved", self.explain)

    def kill(self, daemon: str) -> None:
        """slurmctld or a node's name: its daemon is gone at once, as by a power cut; the node's jobs go on."""
        process = self.daemons.pop(daemon)
        process.kill()
        process.wait()

    def fail_node(self, node: str) -> None:
        """A node that is gone with all that runs on it, and that Slurm takes for down."""
        self.kill(node)
        for pid in self._steps(node) + self._processes(node):  # first those that would tell of the others
            _signal(pid, signal.SIGKILL)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=power", check=True)

    @contextlib.contextmanager
    def silent_controller(self) -> Iterator[None]:
        """It takes connections and answers none, as one that is busy or whose disk hangs."""
        process = self.daemons["slurmctld"]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def clear(self) -> None:
        """No jobs, all daemons and nodes as in the beginning."""
        if "slurmctld" not in self.daemons:
            self.start_controller()
        for node in NODES:
            if node not in self.daemons:
                self.start_node(node)
            if self.nodes().get(node) not in ("idle", "allocated", "mixed", "completing"):
                self.run("scontrol", "update", f"nodename={node}", "state=resume")
        self.run("scancel", "--user", getpass.getuser())
        for pid in self._processes():
            _signal(pid, signal.SIGKILL)
        wait_for(lambda: not self.run("squeue", "--noheader").stdout, "an empty queue", self.explain)
        wait_for(lambda: self.nodes() == dict.fromkeys(NODES, "idle"), "nodes that are idle", self.explain)

    def stop(self) -> None:
        """All daemons, and whatever of the jobs is left."""
        for process in self.daemons.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.daemons.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        for pid in self._steps() + self._processes():
            _signal(pid, signal.SIGKILL)

    def _processes(self, node: str = "") -> list[int]:
        """Of jobs, on all nodes or one."""
        return [pid for pid, words in self._members(node) if any(word.startswith(b"SLURM_JOB_ID=") for word in words)]

    def _steps(self, node: str = "") -> list[int]:
        """What slurmd left to start and watch them."""
        return [pid for pid, _ in self._members(node) if _read(pid, "cmdline").startswith(b"slurmstepd: [")]

    def _members(self, node: str) -> Iterator[tuple[int, list[bytes]]]:
        """All that lives of this cluster, told by its environment; without the daemons and ourselves."""
        marks = {f"SLURM_CONF={self.config}".encode(), *([f"SLURMD_NODENAME={node}".encode()] if node else [])}
        others = {process.pid for process in self.daemons.values()} | {os.getpid()}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) not in others:
                words = _read(int(entry.name), "environ").split(b"\0")
                if marks <= set(words):
                    yield int(entry.name), words

    # ---- its jobs ----------------------------------------------------------------------------------------------------
    def run(self, *command: str, check: bool = False, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """One of Slurm's commands."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self.environment,
            check=check,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def submit(self, script: Path, *options: str) -> str:
        """Id of the job."""
        done = self.run("sbatch", "--parsable", *options, str(script))
        if done.returncode:
            raise ClusterError(f"{script} was not taken: {done.stderr}")
        return done.stdout.strip()

    def job(self, job: str) -> dict[str, str]:
        """What scontrol says of it; nothing where it is forgotten."""
        said = self.run("scontrol", "--oneliner", "show", "job", job).stdout
        return dict(re.findall(r"(\S+?)=(\S*)", said))

    def wait(self, job: str, *states: str) -> dict[str, str]:
        """Until it is in one of the states; what scontrol says of it then."""
        wait_for(lambda: self.job(job).get("JobState") in states, f"job {job} in {states}", self.explain)
        return self.job(job)

    def hasten(self, job: str) -> None:
        """Lets a job that was put back begin at once: Slurm has it wait for the time that credentials of before are good."""
        self.wait(job, "PENDING")
        self.run("scontrol", "update", f"jobid={job}", "StartTime=now+2", check=True)  # not in the second in which it ended

    # ---- its nodes ---------------------------------------------------------------------------------------------------
    def nodes(self) -> dict[str, str]:
        """The state of each, as sinfo says it."""
        said = self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T").stdout
        return dict(re.findall(r"(\S+) (\S+)", said))

    def drain(self, node: str) -> None:
        self.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=repair", check=True)

    def resume(self, node: str) -> None:
        self.run("scontrol", "update", f"nodename={node}", "state=resume", check=True)

    def explain(self) -> str:
        """Jobs, nodes and the end of what its daemons say."""
        said = [self.run(*command).stdout for command in (["squeue"], ["sinfo", "-Nl"])]
        logs = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join([*said, *(f"{log.name}: ...{log.read_text(errors='replace')[-1500:]}" for log in logs)])


def wait_for(condition: Callable[[], bool], what: str, explain: Callable[[], str]) -> None:
    """With a deadline."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"no {what} within {PATIENCE:.0f} s.\n{explain()}")
        time.sleep(0.1)


def find_ports(count: int) -> list[int]:
    """Free ones, below those that the system gives to connections."""
    found: list[int] = []
    start = 20000 + os.getpid() * 16 % 10000  # far from those of a cluster that starts at the same time
    for port in range(start, 32000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise ClusterError(f"no {count} free ports from {start} to 32000")


def _find(program: str) -> str:
    """Debian has the daemons where a user's PATH does not look."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin") or ""


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def main() -> None:
    if problem := why_not():
        sys.exit(problem)
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True)
    cluster = Cluster(folder)
    try:
        cluster.start()
        print(f"export SLURM_CONF={cluster.config}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("Stopping")
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
