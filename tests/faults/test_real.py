"""The real trainer, on flux-mini, through the same."""

import tomllib

from fluxgym.run.launch import create_run, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from trainer.config import parse_config
from trainer.mini import DEMO


def test_the_real_trainer_through_all_of_it(outputs, killed, wait_until):
    """flux-mini: supervisor killed while it learns, stopped, training killed after a resume, resumed again, completed."""
    values = tomllib.loads(DEMO.read_text())
    values |= {"name": "real", "sample": {}, "train": values["train"] | {"epochs": 1}, "save": {"state_every_epochs": 1}}
    folder = create_run(parse_config(values))

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
