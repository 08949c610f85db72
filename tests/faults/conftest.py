"""Fixtures of the fault cases: a run that is under way, and SIGKILL for one of its processes."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxgym.run.family import find_family
from fluxgym.run.folders import list_runs
from fluxgym.run.identity import Identity
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import steps_in
from trainer.folder import RunFolder

Run = tuple[RunFolder, Identity, Identity]


@pytest.fixture
def killed(wait_until: Callable[..., object]) -> Callable[[Identity], None]:
    """killed(identity): SIGKILL, and its end is waited for."""

    def kill(process: Identity) -> None:
        assert process.signal(signal.SIGKILL)
        wait_until(lambda: not process.alive())

    return kill


@pytest.fixture
def running(start_small: Callable[..., RunFolder], wait_until: Callable[..., object]) -> Callable[..., Run]:
    """running(*options): a run that makes steps, its supervisor, its training."""

    def start(*options: str, **more: object) -> Run:
        folder = start_small(*options, **more)
        wait_until(lambda: read_status(folder).pid and steps_in(folder))
        record = read_record(folder)
        return folder, record.supervisor, record.attempts[-1].training

    return start


@pytest.fixture
def disk_of(outputs: Path) -> Iterator[Callable[[str], Path]]:
    """disk_of(size): the outputs on a disk of their own. Skips where nothing may be mounted."""
    mounted = []

    def mount(size: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(outputs)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("nothing may be mounted here: this needs root, or CAP_SYS_ADMIN")
        mounted.append(outputs)
        return outputs

    yield mount
    for disk in mounted:
        for folder in list_runs():
            record = read_record(folder)
            for process in [record and record.supervisor, *(member.identity for member in find_family(folder))]:
                if process:
                    process.signal(signal.SIGKILL)
        subprocess.run(["umount", "--lazy", disk], check=True)
