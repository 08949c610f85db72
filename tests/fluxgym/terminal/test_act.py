"""stop, resume, save, sample, queue on real runs."""

import dataclasses
import json
import os

from fluxgym.run.care import Care, read_care
from fluxgym.run.create import create_run
from fluxgym.run.identity import Identity
from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.record import Verdict, begin_attempt, write_record
from fluxgym.run.status import read_status
from fluxgym.terminal.output import DONE, WRONG_USE
from tests.fluxgym.terminal.conftest import run_of
from tests.small_training import write_state
from trainer.config import load_config, parse_config


def test_stop_and_resume(outputs, say, start_small, wait_until):
    folder = start_small("--steps", "20000")
    wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
    code, out, _ = say("stop", "small", "--wait")
    assert code == DONE
    assert out.startswith("small: stopped. Stopped by you at step ")
    state = read_status(folder).resumable.path.name
    assert out.endswith(f"Resume goes on from {state}.\n")
    assert "Missing:" not in folder.monitor_log.read_text()  # nothing is wrong with a stop that was asked for
    assert say("stop", "small")[0] == WRONG_USE
    code, _, err = say("resume", "small", "--from", "nonsense")
    assert code == WRONG_USE
    assert f"got the state 'nonsense', expected one of: {state}" in err
    assert say("resume", "small", "--from", state)[0] == DONE
    code, _, err = say("resume", "small")
    assert code == WRONG_USE
    assert "small is under way" in err
    stop_run(folder, wait=20)


def test_resume_to_the_end(outputs, say, start_small):
    folder = start_small("--steps", "4", "--end-at", "2", "--code", "3")
    assert wait_for_end(folder, 20).state == "failed"
    write_state(folder.path, 2)
    code, out, err = say("resume", "small", "--wait")
    assert (code, err) == (DONE, "")
    assert "Resuming: step 2 of 4" in out
    assert out.splitlines()[-1].startswith("small: completed. All 4 steps are done")


def test_resume_lists_what_is_left(outputs, say):
    folder = run_of(outputs, "small", "Epoch 1/4\n" + "".join(bar(step) for step in range(1, 40)))
    assert say("resume", "small", "--list")[:2] == (DONE, "small: no state was saved.\n")
    write_state(folder.path, 20)
    (write_state(folder.path, 30) / "weights.bin").write_bytes(b"")
    code, out, _ = say("resume", "small", "--list")
    assert code == DONE
    assert out.splitlines() == [
        "small-step00000020-state  step 20, 60 steps left, about 1 m",
        "small-step00000030-state  damaged: weights.bin: got 0 bytes, expected 8",
    ]
    code, _, err = say("resume", "small", "--from", "small-step00000030-state")
    assert (code, "small-step00000030-state is damaged: weights.bin: got 0 bytes, expected 8" in err) == (WRONG_USE, True)
    code, _, err = say("resume", "small", "--from", "nothing")
    expected = "expected one of: small-step00000020-state, small-step00000030-state"
    assert (code, expected in err) == (WRONG_USE, True)


def bar(step):
    return f"steps:  1%|#| {step}/80 [00:{step:02d}<00:01, 1.00s/it, avr_loss=0.9]\n"


def test_more_epochs_and_another_rate(outputs, say):
    config = parse_config({"name": "small", "model": {"base": "x"}, "data": {"folder": "y"}, "train": {"epochs": 4}})
    folder = create_run(config)
    write_record(folder, begin_attempt(folder, None, []).to("completed", verdict=Verdict("completed", "all")))
    write_state(folder.path, 20)
    code, _, err = say("resume", "small")
    assert (code, "it can go on for more epochs than before" in err) == (WRONG_USE, True)
    code, out, _ = say("resume", "small", "--epochs", "6", "--learning-rate", "1e-5", "--place", "none")
    assert (code, out.startswith("small: starting.")) == (DONE, True)
    changed = load_config(folder.config).train
    assert (changed.epochs, changed.learning_rate) == (6, 1e-5)
    assert read_care(folder).place == "none"
    wait_for_end(folder, 30)


def test_resume_ends_a_pause(say, start_small, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "600")
    care = Care(place="none", resume_after_crash=True)
    folder = start_small("--steps", "9", "--end-at", "3", "--code", "1", "--attempts", "1", care=care)
    wait_until(lambda: read_status(folder).is_pausing)
    assert say("resume", "small", "--wait")[0] == DONE
    assert (read_status(folder).state, read_status(folder).attempt) == ("completed", 2)


def test_a_resume_that_is_refused_changes_no_choice(say, start_small, wait_until, tmp_path):
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: read_status(folder).pid)
    before = folder.care.read_bytes()
    code, _, err = say("resume", folder.name, "--when-stalled", "stop")
    assert (code, "is under way" in err) == (WRONG_USE, True)
    assert folder.care.read_bytes() == before


def test_what_a_job_is_asked_for_needs_a_job(outputs, say):
    """It would be written into the settings and change nothing."""
    folder = create_run(parse_config({"name": "small", "model": {"base": "x"}, "data": {"folder": "y"}}))
    write_record(folder, begin_attempt(folder, None, []).to("stopped", verdict=Verdict("stopped", "by you")))
    write_state(folder.path, 20)
    before = folder.config.read_bytes()
    code, _, err = say("resume", "small", "--time-limit", "2:00:00")
    assert (code, "got --time-limit, which a job is asked for, expected it with --place slurm" in err) == (WRONG_USE, True)
    assert folder.config.read_bytes() == before
    for option in ("--epochs=9", "--partition=x", "--from=y"):
        code, _, err = say("resume", "--sweep", "s", option)
        assert (code, "with --sweep, expected them with one run" in err) == (WRONG_USE, True)


def test_save_and_sample(outputs, say):
    folder = run_of(outputs, "small")
    code, _, err = say("save", "small")
    assert (code, "small cannot save now: it is no run of FluxGym" in err) == (WRONG_USE, True)
    me = Identity.of(os.getpid())
    write_record(folder, dataclasses.replace(begin_attempt(folder, None, []).to("running", training=me), supervisor=me))
    assert say("save", "small")[0] == say("sample", "small")[0] == DONE
    assert folder.save_now.exists()
    assert folder.sample_now.exists()


def test_queue(outputs, say, start_small, wait_until, tmp_path):
    assert say("queue")[:2] == (DONE, "No run waits.\n")
    folders = {}
    for name in "abc":
        folders[name] = start_small("--hold", str(tmp_path / "go"), name=name, care=Care(place="auto"))
        wait_until(lambda name=name: read_status(folders[name]).queue or (name == "a" and read_status(folders[name]).pid))
    assert say("queue")[1] == "1  b  the CPU  behind a\n2  c  the CPU  behind b\n"
    assert say("queue", "--first", "c")[1].startswith("1  c")
    assert say("queue", "--up", "b")[1].startswith("1  b")
    assert say("queue", "--down", "b")[1].startswith("1  c")
    [first, second] = json.loads(say("queue", "--json")[1])
    assert (first["name"], first["position"], second["holder"]) == ("c", 1, "a")
    code, _, err = say("queue", "--first", "a")
    assert (code, "a does not wait in the queue, it is running" in err) == (WRONG_USE, True)
    listed = {row["name"]: row for row in json.loads(say("list", "--json")[1])}
    assert (listed["c"]["state"], listed["c"]["queue"]["position"], listed["a"]["places"]) == ("queued", 1, ["CPU"])
    assert listed["a"]["queue"] is None
    code, out, _ = say("stop", "c", "--wait")
    assert (code, out) == (
        DONE,
        "c: stopped. Removed from the queue before it began. Resume starts the command again, from its beginning.\n",
    )
    assert say("queue")[1] == "1  b  the CPU  behind a\n"
    (tmp_path / "go").touch()
    assert wait_for_end(folders["b"], 20).state == "completed"
