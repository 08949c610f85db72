"""A disk that is full or read-only: nothing is lost, and the run says so."""

import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from fluxgym.run.create import create_run
from fluxgym.run.folders import list_runs
from fluxgym.run.launch import RunError, look_after, resume_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING, empty_disk, fill_disk, steps_in, text_of
from tests.small_training import PHASES
from trainer.config import parse_config
from trainer.mini import DEMO


def test_a_verdict_waits_until_it_can_be_written(running, wait_until):
    """As on a full disk: nothing is lost, and nobody else is sent meanwhile."""
    folder, supervisor, _ = running(*RUNNING)
    in_the_way = folder.path / "run.json.new"
    in_the_way.mkdir()
    stop_run(folder)
    wait_until(lambda: folder.monitor_log.read_text().count("run.json cannot be written") >= 3)
    assert supervisor.alive()
    status = look_after(folder)
    assert not status.needs_supervisor
    assert "its verdict is yet to be written" in status.message
    in_the_way.rmdir()
    status = wait_for_end(folder, 20)
    assert (status.state, status.message[:14]) == ("stopped", "Stopped by you")
    assert read_record(folder).attempts[-1].exit_code == 143


@pytest.fixture
def small_disk(disk_of):
    """The outputs on a disk of half a megabyte."""
    return disk_of("512k")


def test_the_disk_fills_while_the_log_is_written(small_disk, running, wait_until):
    """The training breaks over it; the verdict waits for room and is written then; the states are whole."""
    folder, supervisor, training = running(*RUNNING, "--state-at", "3")
    wait_until(folder.states)
    fill_disk(small_disk)
    wait_until(lambda: not Path(f"/proc/{training.pid}").exists())  # its supervisor saw the end
    status = look_after(folder)
    assert (status.is_active, supervisor.alive()) == (True, True)
    assert "its verdict is yet to be written. That waits while the disk is full." in status.message
    empty_disk(small_disk)
    status = wait_for_end(folder, 20)
    assert (status.state, status.resumable.step) == ("failed", 3)
    assert status.failure.kind == "no_space"  # its log could not say so any more
    resume_run(folder)
    wait_until(lambda: "Resuming: step 3" in text_of(folder.training_log))
    assert stop_run(folder, wait=20).state == "stopped"


def test_the_disk_fills_before_a_state_is_saved(small_disk, running, wait_until):
    """A stop that cannot save: the run fails and says so, the state of before is whole, no half of one is taken for it."""
    folder, _, training = running(*RUNNING, "--state-at", "3", "--pause", "0.2")
    wait_until(folder.states)
    stop_run(folder)
    fill_disk(small_disk)
    wait_until(lambda: not training.alive())
    empty_disk(small_disk)
    status = wait_for_end(folder, 20)
    assert (status.resumable.step, [state.problem for state in folder.states()]) == (3, [""])
    resume_run(folder)
    assert stop_run(folder, wait=20).state == "stopped"


def test_the_disk_fills_before_the_lora_is_saved(small_disk, start_small, wait_until, tmp_path):
    folder = start_small("--state-at", "3", "--in", "sampling", "--hold", str(tmp_path / "go"))
    wait_until(lambda: PHASES["sampling"] in text_of(folder.training_log))
    training = read_record(folder).attempts[-1].training
    fill_disk(small_disk)
    (tmp_path / "go").touch()
    wait_until(lambda: not training.alive())
    empty_disk(small_disk)
    status = wait_for_end(folder, 20)
    assert (status.state, status.resumable.step, folder.lora.exists()) == ("failed", 3, False)
    resume_run(folder)
    assert wait_for_end(folder, 20).state == "completed"


def test_a_full_disk_refuses_a_start_in_words(small_disk):
    """Nothing that looks like a run stays behind."""
    fill_disk(small_disk)
    values = tomllib.loads(DEMO.read_text()) | {"name": "new"}
    with pytest.raises(RunError, match="No space left on device"):
        create_run(parse_config(values))
    assert list_runs() == []


@pytest.fixture
def read_only(small_disk):
    """read_only(): nothing new can be opened for writing from then on; what is open goes on. read_only(False): as before."""
    bound = []

    def close(is_closed: bool = True) -> None:
        if bound:
            subprocess.run(["umount", "--lazy", small_disk], check=True)
            bound.clear()
        if is_closed:
            for options in (["--bind", small_disk, small_disk], ["-o", "remount,ro,bind", small_disk]):
                subprocess.run(["mount", *options], check=True)
                bound.append(options)

    yield close
    close(False)


def test_outputs_become_read_only_while_a_run_goes_on(small_disk, read_only, running, wait_until):
    """The supervisor stays with its training, and writes the verdict once that can be written."""
    folder, supervisor, training = running(*RUNNING)
    read_only()
    assert look_after(folder).state == "running"
    seen = steps_in(folder)
    wait_until(lambda: steps_in(folder) > seen)
    supervisor.signal(signal.SIGUSR1)
    wait_until(lambda: not training.alive())
    assert "its verdict is yet to be written" in look_after(folder).message
    tried = text_of(folder.monitor_log).count("cannot be written")
    wait_until(lambda: not supervisor.alive() or text_of(folder.monitor_log).count("cannot be written") > tried + 5)
    assert supervisor.alive()
    read_only(False)
    assert wait_for_end(folder, 20).state == "failed", "no state could be saved"
    assert read_record(folder).attempts[-1].exit_code == 1, "which only the one knows who saw its end"


def test_read_only_outputs_refuse_a_start_in_words(small_disk, read_only, start_small):
    wait_for_end(start_small(), 20)
    read_only()
    values = tomllib.loads(DEMO.read_text()) | {"name": "new"}
    with pytest.raises(RunError, match=r"Read-only file system at .* expected a folder that can be written"):
        create_run(parse_config(values))
    [folder] = list_runs()
    assert read_status(folder).state == "completed"
