"""Where a training hangs: the stacks of its processes, written into monitor.log before anything is stopped.

Our trainer writes its own, Python's and of all threads, when it gets SIGUSR2. Of any other program py-spy tells, where it is
installed. What the kernel tells is noted always: state and place in the kernel of each process and its threads.
"""

import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fluxgym.run.family import Member
from trainer.folder import RunFolder

NUMBER = signal.SIGUSR2
PATIENCE = 5.0  # s for the trainer to answer
QUIET = 0.3  # s without a new line: it has answered
SPY_PATIENCE = 10.0  # s
MOST_PROCESSES, MOST_LINES = 16, 300


def write_stacks(folder: RunFolder, family: list[Member], note: Callable[[str], None], may_ask: bool) -> None:
    """Takes some seconds. `may_ask`: the training is of those that answer SIGUSR2 with their stacks, and do nothing else."""
    for member in family[:MOST_PROCESSES]:
        note(f"stack: {_tell_process(member)}")
    asked = [member for member in family if may_ask and member.stat.state in "RSD" and handles(member.identity.pid, NUMBER)]
    if asked and _ask(folder, asked, note):
        return
    for member in family[:MOST_PROCESSES]:
        _spy(member.identity.pid, note)


def handles(pid: int, number: int) -> bool:
    """Whether the process has a handler for a signal: without one it would die of it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        caught = next(line for line in lines if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
    except (OSError, ValueError, IndexError, StopIteration):
        return False


def _ask(folder: RunFolder, asked: list[Member], note: Callable[[str], None]) -> bool:
    """Whether the log grew by stacks."""
    note(f"stack: SIGUSR2 to {', '.join(str(member.identity.pid) for member in asked)}, which write their stacks here:")
    before = size = _size(folder.monitor_log)
    deadline = quiet = time.monotonic() + PATIENCE
    for member in asked:
        member.identity.signal(NUMBER)
    while time.monotonic() < min(deadline, quiet):
        time.sleep(0.05)
        if _size(folder.monitor_log) != size:
            size, quiet = _size(folder.monitor_log), time.monotonic() + QUIET
    if size == before:
        note("stack: no answer")
    return size != before


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _spy(pid: int, note: Callable[[str], None]) -> None:
    """What py-spy tells of a process, where it is installed and the process runs Python."""
    beside = Path(sys.executable).with_name("py-spy")
    command = str(beside) if beside.is_file() else shutil.which("py-spy")
    if not command or not _is_python(pid):
        return
    import subprocess  # a megabyte that a supervisor seldom needs

    try:
        told = subprocess.run(
            [command, "dump", "--nonblocking", "--pid", str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SPY_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        note(f"stack: py-spy: {error}")
        return
    for line in (told.stdout + told.stderr).splitlines()[:MOST_LINES]:
        note(f"stack: {line}")


def _is_python(pid: int) -> bool:
    try:
        return "python" in Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False


def _tell_process(member: Member) -> str:
    """process 123 (python), state S, in futex_wait; 14 threads: 13 S, 1 R"""
    pid = member.identity.pid
    states = Counter(_thread_states(pid))
    threads = ", ".join(f"{count} {state}" for state, count in states.most_common())
    where = _read(f"/proc/{pid}/wchan").strip()
    place = f", in {where}" if where not in ("", "0") else ""
    return f"process {pid} ({_read(f'/proc/{pid}/comm').strip()}), state {member.stat.state}{place}; threads: {threads}"


def _thread_states(pid: int) -> list[str]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
    stats = (_read(f"{thread}/stat") for thread in threads)
    return [stat[stat.rindex(")") + 2] for stat in stats if ")" in stat]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # gone, or somebody else's
        return ""
