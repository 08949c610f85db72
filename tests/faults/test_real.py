"""The real trainer, on flux-mini, through the same."""

import tomllib

from fluxgym.log.history import get_history
from fluxgym.log.parts import list_parts, open_part
from fluxgym.run.care import write_care
from fluxgym.run.create import create_run
from fluxgym.run.launch import look_after, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from tests.faults.tree import NO_TURN, empty_disk, fill_disk, steps_in
from trainer.config import parse_config
from trainer.folder import RunFolder
from trainer.mini import DEMO


def create_demo(**more: dict[str, object]) -> RunFolder:
    """One epoch of the demo, without samples. It waits for no turn."""
    values = tomllib.loads(DEMO.read_text())
    values |= {"name": "real", "sample": {}, "train": values["train"] | {"epochs": 1}, "save": {"state_every_epochs": 1}}
    values |= more
    folder = create_run(parse_config(values))
    write_care(folder, NO_TURN)
    return folder


def test_the_real_trainer_through_all_of_it(outputs, killed, wait_until):
    """flux-mini: supervisor killed while it learns, stopped, training killed after a resume, resumed again, completed."""
    folder = create_demo()

    def makes_steps(attempt: int) -> bool:
        text = folder.training_log.read_text() if folder.training_log.exists() else ""
        return "steps:" in text.partition(f"=== Attempt {attempt},")[2]

    start_run(folder)
    wait_until(lambda: makes_steps(1), 120)
    killed(read_record(folder).supervisor)
    stopped = stop_run(folder, wait=60)
    assert (stopped.state, stopped.total_steps) == ("stopped", 30)
    assert stopped.resumable.step == stopped.step
    resume_run(folder)
    wait_until(lambda: makes_steps(2), 120)
    killed(read_record(folder).attempts[-1].training)
    failed = wait_for_end(folder, 20)
    assert (failed.state, failed.failure.kind) == ("failed", "killed")
    resume_run(folder)
    ended = wait_for_end(folder, 240)
    assert (ended.state, ended.step, ended.total_steps, ended.attempt) == ("completed", 30, 30, 3)


def test_the_real_trainer_whose_log_moves_away_again_and_again(outputs, killed, wait_until):
    """Every 600 bytes a new file. Supervisor and training are killed, the next one goes on: one log, one curve, no alarm."""
    folder = create_demo(log={"rotate_mb": 0.0006})
    history = get_history(folder.training_log)
    start_run(folder)
    wait_until(lambda: len(list_parts(folder.training_log)) > 4, 120)
    record = read_record(folder)
    killed(record.supervisor)
    killed(record.attempts[-1].training)
    failed = look_after(folder)
    history.update()
    assert (failed.state, failed.step) == ("failed", history.step)
    resume_run(folder)
    ended = wait_for_end(folder, 240)
    assert (ended.state, ended.step, ended.total_steps, ended.attempt) == ("completed", 30, 30, 2)
    history.update()
    assert list(history.steps) == [*range(1, 31)]
    parts = list_parts(folder.training_log)
    assert len(parts) > 10
    text = b"".join(open_part(part).read() for part in parts).decode()
    assert [line[:13] for line in text.splitlines() if line.startswith("=== Attempt")] == ["=== Attempt 1", "=== Attempt 2"]
    assert text.endswith("Training finished\n")
    assert "stalled" not in folder.monitor_log.read_text()


def test_the_real_trainer_on_a_disk_that_fills(disk_of, wait_until):
    """It learns, the disk fills, it is stopped: that its state cannot be saved is told, and half of one is not there."""
    disk = disk_of("64m")
    folder = create_demo()
    start_run(folder)
    wait_until(lambda: steps_in(folder) > 2, 120)
    fill_disk(disk, logs=False)
    training = read_record(folder).attempts[-1].training
    stop_run(folder)
    wait_until(lambda: not training.alive(), 60)
    empty_disk(disk)
    status = wait_for_end(folder, 20)
    assert (status.state, status.failure.kind) == ("failed", "no_space")
    assert "state could not be written: No space left on device" in status.message
    assert not list(folder.path.glob("*-state*"))
    assert status.can_restart
