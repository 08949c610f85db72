"""A pid is a stranger until its start ticks and its boot agree; strangers are never signalled."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fluxgym.run import identity
from fluxgym.run.identity import Identity, read_stat

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen]:
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        yield process
        process.kill()


def test_is_alive_until_it_is_a_zombie(process, wait_until):
    found = Identity.of(process.pid)
    assert found.alive()
    assert found.signal(signal.SIGKILL)
    wait_until(lambda: read_stat(process.pid).state == "Z")
    assert not found.alive()
    assert not found.signal(signal.SIGTERM)
    assert Identity.of(process.pid) is None
    assert Identity.of_child(process.pid) == found


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "another"}])
def test_a_stranger_with_the_same_pid_is_not_signalled(process, change):
    stranger = dataclasses.replace(Identity.of(process.pid), **change)
    assert not stranger.alive()
    assert not stranger.signal(signal.SIGKILL)
    assert not stranger.signal_group(signal.SIGKILL)
    assert Identity.of(process.pid).alive()


def test_no_process(process):
    process.kill()
    process.wait()
    assert Identity.of(process.pid) is None
    assert not Identity(process.pid, 1, identity.boot_id()).signal(signal.SIGKILL)


@pytest.mark.parametrize("refused", [(), ("pidfd_open",), ("pidfd_send_signal",)], ids=["pidfd", "no pidfd", "no group flag"])
def test_signal_reaches_the_group(refused, monkeypatch, wait_until):
    """Also on kernels that know pidfd not at all, or not for groups."""

    def refuse(*_: object) -> None:
        raise OSError("not on this kernel")

    for name in refused:
        monkeypatch.setattr(os if name == "pidfd_open" else signal, name, refuse)
    script = f"import subprocess, time; print(subprocess.Popen({SLEEP!r}).pid, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE) as leader:
        child = Identity.of(int(leader.stdout.readline()))
        assert Identity.of(leader.pid).signal_group(signal.SIGKILL)
        wait_until(lambda: not child.alive())
        assert leader.wait() == -signal.SIGKILL


def test_reads_commands_with_brackets_and_spaces(tmp_path, wait_until):
    command = tmp_path / "a) R 1 (b"
    command.symlink_to("/bin/sleep")
    with subprocess.Popen([command, "600"]) as process:
        wait_until(lambda: read_stat(process.pid).state == "S")
        assert read_stat(process.pid).parent == os.getpid()
        process.kill()


def test_a_container_that_restarted_is_another_boot(process):
    found = Identity.of(process.pid)
    machine, first = found.boot_id.split("/")
    assert int(first) == read_stat(1).start_ticks
    assert not dataclasses.replace(found, boot_id=f"{machine}/{int(first) + 1}").alive()


def test_own_figures():
    stat = read_stat(os.getpid())
    assert stat.parent == os.getppid()
    assert 0 < stat.cpu_seconds <= sum(os.times()[:2]) + 0.02
    assert 2**20 < stat.memory < 2**40
    assert read_stat(2**22 + 1) is None
