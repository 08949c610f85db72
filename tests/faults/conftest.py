"""Fixtures of the fault cases: a run that is under way, and SIGKILL for one of its processes."""

import signal
from collections.abc import Callable

import pytest

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
