"""The sentence of each state, the numbers, and that nothing is invented."""

import dataclasses
import time

import pytest

from fluxgym.log.history import History
from fluxgym.run.backend import Job
from fluxgym.run.create import create_folder
from fluxgym.run.record import NAN, SLOW, STALLED, Health, Verdict, read_record, write_record
from fluxgym.run.status import Status
from fluxgym.view import words
from fluxgym.view.summary import LOOKS, summarise, tell_tab
from trainer.folder import RunFolder

from .runs import NOW, RUNNING, make_run, stamp, step_lines, tell_run, validations
from .test_health import evidence


def test_running(tell):
    log = f"{stamp(0)} Training: 100 steps, 10 epochs of 10 steps\n{stamp(0)} Epoch 1/10\n" + step_lines(1, 20, 100)
    told = tell(RUNNING, log.replace(" Epoch 1/10", " Epoch 2/10") + validations(0.9, 0.8, 0.7))
    ends = words.clock(NOW + 160, NOW)
    assert told.sentence == f"Learning steadily. The validation loss still falls, so let it run. Ends about {ends}."
    assert (told.label, told.icon, told.colour) == ("Running", "play_circle", "green")
    assert (told.progress, told.progress_text) == (0.2, "Step 20 of 100, epoch 2 of 10")
    names = [name for name, _, _ in told.metrics]
    assert names == ["Time left", "Loss, epoch mean", "Validation", "Pace", "Learning rate", "Last line"]
    assert told.metrics[0][1:] == ("3 m", None)
    assert told.metrics[2][1:] == ("0.7000", "-0.1000")
    assert told.metrics[3][1] == "2.00 s/step"
    assert told.age_text.startswith("last line ")


@pytest.mark.parametrize(
    ("mean", "metric"),
    [("avr_loss=0.6883, ", ("Loss, epoch mean", "0.6883", None)), ("", ("Loss, last step", "0.5000", None))],
)
def test_the_loss_is_called_what_it_is(tell, mean, metric):
    """The smoothed line in the chart beside it ends at 0.5 here."""
    assert tell(RUNNING, step_lines(1, 20, 100).replace("avr_loss=0.5000, ", mean)).metrics[1] == metric


def test_the_tab_of_a_browser_says_whether_it_is_alive(tell):
    running = tell(RUNNING, step_lines(1, 999, 1000))
    assert tell_tab("robot", running) == "robot - Running 99 %"
    assert tell_tab("robot" * 9, running) == "robotrobotrobotr... - Running 99 %"
    assert tell_tab("robot", tell(RUNNING)) == "robot - Starting"
    assert tell_tab("robot", tell(Status("stopped"), step_lines(1, 20, 100))) == "robot - Stopped"
    assert tell_tab("robot", tell(Status("completed"))) == "robot - Completed"


def test_stopping_and_queued(tell):
    assert (
        tell(Status("stopping", is_active=True, is_ours=True), step_lines(1, 20, 100)).sentence
        == "Finishing step 21 and saving its state."
    )
    queued = tell(Status("queued", since=NOW - 720, is_active=True))
    assert (queued.sentence, queued.age_text) == ("Waiting for its turn.", "queued 12 m ago")


def test_completed(tmp_path):
    log = f"{stamp(0)} Epoch 10/10\n" + step_lines(1, 100, 100) + f"{stamp(0)} Training finished\n"
    told = tell_run(make_run(tmp_path / "a", log, Verdict("completed", "All is done.", step=100, total_steps=100)))
    assert told.sentence == "10 of 10 epochs in 1 h. Its LoRA is ready."
    assert (told.progress, told.next_step, told.age_text) == (1.0, "", "completed 1 h ago")
    assert told.metrics[0] == ("Took", "1 h", None)


@pytest.mark.parametrize(
    ("ended", "took", "metric"),
    [
        (NOW - 1800, "in 1 h 30 m, 2 attempts together", ("2 attempts took", "1 h 30 m", None)),
        (None, "are done", ("Last attempt took", "1 h", None)),
    ],
)
def test_the_time_of_all_attempts(tmp_path, ended, took, metric):
    log = f"{stamp(0)} Epoch 10/10\n" + step_lines(1, 100, 100) + f"{stamp(0)} Training finished\n"
    folder = make_run(tmp_path / "a", log, Verdict("completed", "All is done.", step=100, total_steps=100), attempts=2)
    record = read_record(folder)
    first = dataclasses.replace(record.attempts[0], ended=ended)
    write_record(folder, dataclasses.replace(record, attempts=[first, record.attempts[1]]))
    told = tell_run(folder)
    assert told.sentence == f"10 of 10 epochs {took}. Its LoRA is ready."
    assert told.metrics[0] == metric


def test_a_start_that_slurm_refused_is_no_run_that_may_be_alive(outputs):
    folder = create_folder("refused")
    folder.job_script.write_text("#!/bin/bash\n")
    told = tell_run(folder).sentence
    assert told.startswith("It has no run.json: Slurm refused its start. Nothing of it runs.")


def test_a_folder_of_another_tool(tell):
    told = tell(
        Status(None, "It has no run.json: FluxGym did not start it."), "\rsteps:  50%|# | 20/40 [01:00<01:00,  3.00s/it]"
    )
    assert (told.state, told.label) == (None, "Not started here")
    assert told.sentence == "Its log ends at step 20 of 40. Whether it is alive is not known here."
    assert tell(Status(None), "model saved.\n").label == "Completed"
    assert (
        tell(Status(None), "torch.OutOfMemoryError: CUDA out of memory.\n").sentence
        == "Out of GPU memory before the first step."
    )


def test_every_state_has_its_look():
    assert set(LOOKS) == {"queued", "starting", "running", "stopping", "stopped", "completed", "failed", "lost"}


@pytest.mark.parametrize(
    ("verdict", "look"),
    [
        (SLOW, ("Slow", "hourglass_top", "orange")),
        (STALLED, ("Stalled", "warning", "orange")),
        (NAN, ("Loss is NaN", "running_with_errors", "orange")),
    ],
)
def test_what_is_not_well_shows_in_the_badge_while_it_trains(tell, verdict, look):
    health = Health(verdict, "A reason.", NOW - 60)
    told = tell(dataclasses.replace(RUNNING, health=health), step_lines(1, 20, 100))
    assert (told.label, told.icon, told.colour) == look
    stopping = tell(dataclasses.replace(RUNNING, state="stopping", health=health), step_lines(1, 20, 100))
    assert (stopping.label, stopping.colour) == ("Stopping", "gray")


def test_a_run_that_never_trained_took_no_time(tell):
    removed = Status(
        "stopped", "Removed from the queue before it began.", since=NOW, started=NOW - 60, took=0.0, can_restart=True
    )
    told = tell(removed)
    assert told.metrics[0] == ("Took", "-", None)
    assert told.sentence.startswith("Removed from the queue before it began.")


def test_gpu_memory_where_the_monitor_saw_it(tell, tmp_path):
    seen = [evidence(10, memory=18_432), evidence(20, memory=12_288), evidence(21).partition(", gpu")[0] + "\n"]
    (tmp_path / "monitor.log").write_text("".join(seen))
    now = tell(RUNNING, step_lines(1, 20, 100)).metrics
    assert now[4] == ("GPU memory", "12.0 GiB", "of 24.0 GiB")
    assert [name for name, _, _ in now][3:] == ["Pace", "GPU memory", "Last line"]
    over = tell(Status("stopped", since=NOW, started=NOW - 60), step_lines(1, 20, 100)).metrics
    assert over[4] == ("GPU memory, most", "18.0 GiB", "of 24.0 GiB")


def test_gpu_memory_of_the_fullest_of_several(tell, tmp_path):
    (tmp_path / "monitor.log").write_text(evidence(10, memory=1024).rstrip() + ", gpu 1 memory 2,048/24,576 MiB\n")
    assert tell(RUNNING, step_lines(1, 20, 100)).metrics[4][1] == "2.0 GiB"


def test_a_run_on_another_machine_says_where_and_a_clock_that_differs(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "training.log").write_text("steps:  50%|#| 5/10 [00:05<00:05,  1.00s/it, loss=0.1, avr_loss=0.1, lr=1e-04]\n")
    history = History(folder.training_log)
    history.update()
    since = time.time() + 1800
    status = Status("queued", since=since, is_active=True, host="gpu-1", ahead=1830.0)
    said = summarise(folder, status, history)
    assert said.sentence.endswith(" It is on gpu-1. The clock of gpu-1 is 30 m ahead of that of this machine.")
    assert said.age_text == "queued 30 s ago"
    job = dataclasses.replace(status, job=Job("7", "RUNNING", is_live=True), ahead=-59.0)
    assert "gpu-1" not in summarise(folder, job, history).sentence
