"""`show`: the keys in their order, and the truth for runs of ours, foreign folders, bare logs."""

import dataclasses
import json
import os

import pytest

from fluxgym.run.backend import Job
from fluxgym.run.identity import Identity
from fluxgym.run.old_logs import archive_log
from fluxgym.run.record import Verdict, read_record, write_record
from fluxgym.run.status import Status
from fluxgym.view.opening import NotOpened
from fluxgym.view.show import find_log, show_fields, tell_job

from ..log.test_tools import TOOLS, log_of
from .runs import failed, make_run, make_state, step_lines

KEYS = [
    *("state", "finished", "phase", "step", "total_steps", "epoch", "total_epochs", "loss", "avr_loss", "seconds_per_step"),
    *("eta_seconds", "last_line_age_seconds", "points", "checkpoints", "samples", "failure", "message", "host", "job"),
]
KOHYA = "\rsteps:  50%|##### | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.5]"


def test_a_log_file(tmp_path):
    log = tmp_path / "any.txt"
    log.write_text(step_lines(1, 30, 300) + "x Saving LoRA: no\n")
    fields = show_fields(log)
    assert list(fields) == KEYS
    assert fields == json.loads(json.dumps(fields))
    assert (fields["state"], fields["finished"], fields["failure"], fields["epoch"]) == (None, False, None, None)
    assert (fields["phase"], fields["step"], fields["total_steps"], fields["points"]) == ("training", 30, 300, 30)
    assert (fields["seconds_per_step"], fields["eta_seconds"]) == (2.0, 540.0)
    assert fields["checkpoints"] == fields["samples"] == []
    assert fields["last_line_age_seconds"] >= 0


def test_what_a_log_proves(tmp_path):
    log = tmp_path / "a.log"

    def show(text):
        log.write_text(text)
        fields = show_fields(log)
        return fields["state"], fields["finished"], fields["failure"] and fields["failure"]["kind"], fields["eta_seconds"]

    assert show(KOHYA + "\nmodel saved.\n")[:3] == ("completed", True, None)
    assert show("torch.OutOfMemoryError: CUDA out of memory.\n") == ("failed", False, "oom", None)
    assert show("2026-11-24 10:15:06 Training stopped at step 12 of 30: resume from x\n") == ("stopped", False, "stopped", None)
    assert show("nothing of a training\n") == (None, False, None, None)
    nan = KOHYA.replace("0.5", "nan")
    assert show(nan)[:3] == (None, False, "nan")
    assert show(nan + "\nmodel saved.\n")[:3] == ("failed", False, "nan")


def test_a_run_that_completed(tmp_path):
    log = "=== Attempt 1, 2026-11-24 10:14:00 ===\n" + step_lines(1, 30, 30) + "2026-11-24 10:15:30 Training finished\n"
    folder = make_run(tmp_path / "good", log, Verdict("completed", "All is done.", step=30, total_steps=30))
    fields = show_fields(folder.path)
    assert list(fields) == KEYS
    assert (fields["state"], fields["finished"], fields["phase"], fields["failure"]) == ("completed", True, None, None)
    assert fields["eta_seconds"] == 0


def test_a_run_whose_verdict_is_failed_is_never_finished(tmp_path):
    log = step_lines(1, 30, 30) + "2026-11-24 10:15:30 Training finished\n"
    folder = make_run(tmp_path / "bad", log, failed(30, 30, "killed", "Killed by signal 9 (SIGKILL) at step 30 of 30."))
    fields = show_fields(folder.path)
    assert (fields["state"], fields["finished"], fields["eta_seconds"]) == ("failed", False, None)
    assert fields["failure"] == {"kind": "killed", "message": "Killed by signal 9 (SIGKILL) at step 30 of 30."}


@pytest.mark.parametrize("state", ["starting", "running", "stopping", "queued"])
def test_a_run_of_another_place_that_was_left_under_way_is_neither_alive_nor_lost(outputs, tmp_path, state):
    """What lies outside of outputs/ may have run on another machine, whose processes nobody can see from here."""
    gone = Identity(2**22 + 1, 1, "00000000-another-boot/1")
    theirs = make_run(tmp_path / "theirs", step_lines(1, 150, 300), state=state, supervisor=gone)
    record = read_record(theirs)
    write_record(theirs, dataclasses.replace(record, attempts=[dataclasses.replace(record.attempt, training=gone)]))
    fields = show_fields(theirs.path)
    assert (fields["state"], fields["finished"], fields["failure"], fields["step"]) == (None, False, None, 150)
    assert fields["message"] in (
        f"It was {state} when its run.json was written last.",
        "Its run.json does not say how it ended.",
    )


def test_a_run_without_a_line_yet(tmp_path):
    folder = make_run(tmp_path / "new", "", Verdict("stopped", "Stopped by you before the first step."))
    fields = show_fields(folder.path)
    assert (fields["state"], fields["step"], fields["points"], fields["checkpoints"]) == ("stopped", None, 0, [])


def test_a_foreign_folder(tmp_path):
    with pytest.raises(NotOpened, match=r"expected a log in it: training\.log, train\.log, log\.txt or another \*\.log"):
        show_fields(tmp_path)
    (tmp_path / "monitor.log").write_text("not this")
    for age, name in ((30, "log.txt"), (20, "train.log"), (10, "run 7.log")):
        (tmp_path / name).write_text(KOHYA)
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
        assert find_log(tmp_path).name == name
    assert show_fields(tmp_path)["step"] == 20
    (tmp_path / "training.log").write_text(step_lines(1, 3, 30))
    assert find_log(tmp_path).name == "training.log"
    assert show_fields(tmp_path)["step"] == 3


@pytest.mark.parametrize("tool", TOOLS)
def test_a_folder_of_another_tool(tmp_path, tool):
    """What is not in its log is None, and done is only what the log calls so: not what it saved before it crashed."""
    expected, log = TOOLS[tool], tmp_path / "job" / "log.txt"
    log.parent.mkdir()
    log.write_bytes(log_of(tool).read_bytes())
    fields = show_fields(tmp_path)
    assert list(fields) == KEYS
    assert (fields["step"], fields["total_steps"], fields["points"]) == (expected.steps,) * 3
    assert (fields["total_epochs"], fields["checkpoints"]) == (expected.total_epochs, expected.checkpoints)
    assert (fields["state"], fields["finished"]) == (("completed", True) if expected.finished else (None, False))
    log.write_bytes(log_of(tool).read_bytes() + b"\nOSError: [Errno 28] No space left on device\n")
    fields = show_fields(tmp_path)
    assert (fields["state"], fields["finished"], fields["failure"]["kind"]) == ("failed", False, "no_space")
    assert fields["eta_seconds"] is None


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a run, a folder or a log file"):
        show_fields(tmp_path / "none")


def test_of_a_job_what_its_scheduler_says():
    assert tell_job(Status("completed")) is None
    job = tell_job(Status("running", job=Job("4711", "RUNNING", nodes="gpu-3", ends=1_800_000_000.0, is_live=True)))
    assert job is not None and {name: value for name, value in job.items() if value} == {
        "id": "4711",
        "state": "RUNNING",
        "nodes": "gpu-3",
        "ends": 1_800_000_000.0,
    }


def test_a_run_whose_log_was_archived_shows_what_is_known_and_what_is_there(outputs):
    done = Verdict("completed", "All 300 steps are done and a.safetensors is whole.", None, [], 300, 300)
    folder = make_run(outputs / "a", step_lines(1, 300, 300), done)
    (folder.path / "a-000001.safetensors").write_bytes(b"x")
    make_state(folder, 150, 1)
    folder.samples.mkdir()
    for name in ("a_e000002_00_20261124101503_42.png", "a_e000001_00_20261124101502_42.png"):
        (folder.samples / name).touch()
    assert show_fields(folder.path)["checkpoints"] == []
    archive_log(folder)
    fields = show_fields(folder.path)
    assert (fields["step"], fields["total_steps"]) == (300, 300)
    assert {path.rpartition("/")[2] for path in fields["checkpoints"]} == {"a-000001.safetensors", folder.epoch_state(1).name}
    assert [path.rpartition("_e")[2][:6] for path in fields["samples"]] == ["000001", "000002"]
