"""list, show, log: what they print of any folder, and that what cannot be read takes nothing else away."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from fluxgym.run.folders import PROJECT, list_opened
from fluxgym.run.identity import Identity
from fluxgym.run.launch import start_run, wait_for_end
from fluxgym.run.old_logs import archive_log
from fluxgym.run.record import Verdict, begin_attempt, read_record, write_record
from fluxgym.run.status import read_status
from fluxgym.terminal.look import _look, _row
from fluxgym.terminal.output import DONE, WRONG_USE
from tests.benchmarks.many_folders import make_folders
from tests.conftest import HOSTILE_NAMES
from tests.files_read import files_read
from tests.fluxgym.terminal.conftest import run_of
from tests.fluxgym.view.runs import failed, make_run, make_state, step_lines
from trainer.folder import RunFolder

NO_PATHS = [name for name in HOSTILE_NAMES.values() if name not in ("", "..") and "/" not in name]


def test_list_of_nothing(outputs, say):
    assert say("list") == (DONE, f"No run in {outputs} yet. Try: python -m fluxgym demo\n", "")
    assert json.loads(say("list", "--json")[1]) == []


def test_list(outputs, say, start_small):
    foreign = run_of(outputs, "a-foreign-run")
    foreign.training_log.rename(foreign.path / "train.log")
    wait_for_end(start_small("--steps", "4"), 20)
    code, out, _ = say("list")
    rows = out.splitlines()
    assert (code, len(rows)) == (DONE, 2)
    assert rows[0].startswith("small          Completed")
    assert "Step 4 of 4" in rows[0]
    assert rows[0].index("loss") == rows[1].index("loss")
    [small, foreign] = json.loads(say("list", "--json")[1])
    assert (small["name"], small["state"], small["step"], small["total_steps"]) == ("small", "completed", 4, 4)
    assert (foreign["state"], foreign["epoch"], foreign["step"]) == (None, 2, None)
    assert (foreign["attempt"], foreign["pid"], foreign["loss"], foreign["resumable_from"]) == (None, None, None, None)


def test_list_reads_no_log_of_a_run_that_ended_before(outputs, say):
    """So that it takes as long with thousands of them."""
    make_folders(outputs, 60)
    code, out, _ = say("list")
    assert (code, len(out.splitlines())) == (DONE, 60)
    row = next(line for line in out.splitlines() if line.startswith("robot-00000"))
    assert "Completed" in row and "loss 0." in row and "completed 3 d ago" in row
    assert row.endswith("2 of 2 epochs in 50 m. Its LoRA is ready.")
    os.utime(outputs, (1000, 1000))
    again = {}
    read = files_read(outputs, lambda: again.update(plain=say("list")[1], json=json.loads(say("list", "--json")[1])))
    assert {*read} == {str(outputs)}
    assert again["plain"] == out
    by_hand = {**_row(folder := RunFolder(outputs / "robot-00000"), *_look(folder, [])), "last_line_age_seconds": None}
    told = next(row for row in again["json"] if row["name"] == "robot-00000")
    assert told["last_line_age_seconds"] > 86_400
    assert {**told, "last_line_age_seconds": None} == by_hand


def test_list_stays_in_its_order_while_logs_are_written(outputs, say, start_small):
    """What is under way is first, whatever was written last."""
    wait_for_end(start_small("--steps", "4", name="ended"), 20)
    folder = start_small("--steps", "20000", "--pause", "0.05", name="under-way")
    os.utime(outputs / "ended" / "training.log")
    os.utime(outputs / "ended" / "run.json")
    rows = [row["name"] for row in json.loads(say("list", "--json")[1])]
    assert rows == ["under-way", "ended"]
    assert [line.split()[0] for line in say("list")[1].splitlines()] == rows
    assert read_status(folder).is_active


@pytest.mark.parametrize(("bad", "said"), [("training.log", "No steps in its log"), ("run.json", "run.json cannot be read")])
def test_a_bad_folder_takes_no_row_away(outputs, say, bad, said):
    run_of(outputs, "good")
    run_of(outputs, "bad").training_log.unlink()
    (outputs / "bad" / bad).mkdir()
    code, out, err = say("list")
    assert (code, err, len(out.splitlines())) == (DONE, "", 2)
    assert said in out
    assert {row["name"]: row["epoch"] for row in json.loads(say("list", "--json")[1])} == {"good": 2, "bad": None}


@pytest.mark.parametrize("name", [name for name in NO_PATHS if len(name) < 256 and "\0" not in name])
def test_folders_of_others_may_be_called_anything(outputs, say, name):
    run_of(outputs, name)
    run_of(outputs, os.fsdecode(b"\xff"))
    code, out, err = say("list")
    hidden = name.startswith(".")
    assert (code, len(out.splitlines()), err) == (DONE, 1 if hidden else 2, "")
    assert out.replace("\n", "").isprintable()
    assert len(json.loads(say("list", "--json")[1])) == (1 if hidden else 2)
    if not hidden:
        assert json.loads(say("show", "--json", "--", name)[1])["epoch"] == 2


@pytest.mark.parametrize("verb", [["list"], ["show", "small"]])
def test_list_and_show_send_a_supervisor(outputs, say, start_small, wait_until, verb):
    folder = start_small("--steps", "20000")
    before = wait_until(lambda: read_status(folder).pid and read_record(folder).supervisor)
    before.signal(9)
    wait_until(lambda: not before.alive())
    assert say(*verb)[0] == DONE
    wait_until(lambda: read_record(folder).supervisor != before)
    assert "adopts the training" in folder.monitor_log.read_text()


def test_show(outputs, say, start_small):
    folder = start_small("--steps", "4")
    wait_for_end(folder, 20)
    for target in ("small", folder.path, folder.training_log):
        code, out, _ = say("show", target, "--json")
        shown = json.loads(out)
        assert (code, shown["state"], shown["finished"], shown["step"]) == (DONE, "completed", True, 4)
        assert list(shown) == [
            "state",
            "finished",
            "phase",
            "step",
            "total_steps",
            "epoch",
            "total_epochs",
            "loss",
            "avr_loss",
            "seconds_per_step",
            "eta_seconds",
            "last_line_age_seconds",
            "points",
            "checkpoints",
            "samples",
            "failure",
            "message",
            "host",
            "job",
        ]
    out = say("show", "small")[1]
    assert "\ntotal_steps            4\n" in out
    assert "\nfailure                -\n" in out


def test_show_says_how_a_run_is_as_the_list_does(outputs, say, start_small, tmp_path):
    """While it runs there is no message, and of a failure it is one raw line: the sentence and the next step come first."""
    folder = start_small("--hold", str(tmp_path / "go"), name="alive")
    for is_over in (False, True):
        if is_over:
            (tmp_path / "go").touch()
            wait_for_end(folder, 60)
        first, second, *_ = say("show", "alive")[1].splitlines()
        assert first.startswith(
            "alive: Completed. " if is_over else ("alive: Running. ", "alive: Starting. ", "alive: Queued. ")
        )
        assert second == ""
    assert say("list")[1].strip().endswith(first.removeprefix("alive: Completed. "))
    make_run(outputs / "idle", "", Verdict("stopped", "Stopped by you before the first step."))
    first, second, *_ = say("show", "idle")[1].splitlines()
    assert first.startswith("idle: Stopped. Stopped by you before the first step. Nothing was saved yet: ")
    assert second == "", "it is said once"
    verdict = failed(7, 9, "oom", "torch.OutOfMemoryError: CUDA out of memory, at step 7 of 9. Exit code 1.")
    make_state(make_run(outputs / "big", step_lines(1, 7, 9), verdict), 5, 1)
    first, second, third, fourth, *_ = say("show", "big")[1].splitlines()
    assert first == "big: Failed. Out of GPU memory at step 7 of 9."
    assert second.startswith("Nothing is lost. The state of epoch 1 (step 5) is whole; resuming repeats 2 steps")
    assert (third, fourth.split()) == ("", ["state", "failed"])
    assert say("show", outputs / "big" / "training.log")[1].startswith("state "), (
        "of a log file alone there is no run to tell of"
    )


def test_show_lists_the_last_of_many(outputs, say):
    folder = run_of(outputs, "many")
    with folder.training_log.open("a") as log:
        log.writelines(f"2026-11-24 10:15:06 Saving sample: sample/{number}.png\n" for number in range(40))
    out = say("show", "many")[1]
    assert "\n    35 before these\n    sample/35.png\n" in out
    assert len(json.loads(say("show", "many", "--json")[1])["samples"]) == 40


@pytest.mark.parametrize("verb", ["stop", "resume"])
def test_no_such_run(outputs, say, hostile_name, verb):
    run_of(outputs, "my-lora")
    code, out, err = say(verb, "--", hostile_name)
    assert (code, out) == (WRONG_USE, "")
    assert err.startswith("fluxgym: got the run ")
    assert len(err) < 500


@pytest.mark.parametrize("verb", ["show", "log"])
@pytest.mark.parametrize("name", [*NO_PATHS, "", "/nowhere/x"])
def test_no_such_run_or_path(outputs, say, name, verb):
    run_of(outputs, "my-lora")
    code, out, err = say(verb, "--", name)
    assert (code, out) == (WRONG_USE, "")
    assert err.startswith("fluxgym: got the path " if "/" in name else "fluxgym: got the run ")
    assert len(err) < 500


def test_near_names(outputs, say):
    run_of(outputs, "my-lora")
    assert "did you mean my-lora?" in say("show", "my-lara")[2]


def test_log(outputs, say):
    folder = run_of(outputs, "a", "".join(f"line {number}\n" for number in range(300)))
    assert say("log", "a", "-n", "2") == (DONE, "line 298\nline 299\n", "")
    assert len(say("log", folder.training_log)[1].splitlines()) == 100
    code, _, err = say("log", "a", "--monitor")
    assert code == WRONG_USE
    assert "monitor.log is not there" in err
    folder.monitor_log.write_text("seen\n")
    assert say("log", "a", "--monitor")[1] == "seen\n"


def test_log_of_another_tools_folder(outputs, say, tmp_path):
    (tmp_path / "kohya").mkdir()
    code, _, err = say("log", tmp_path / "kohya")
    assert code == WRONG_USE
    assert "expected a log in it" in err
    (tmp_path / "kohya" / "train.log").write_text("epoch 1/16\n")
    assert say("log", tmp_path / "kohya") == (DONE, "epoch 1/16\n", "")


def test_log_follows_to_the_end(outputs, say, start_small):
    folder = start_small("--steps", "60")
    code, out, _ = say("log", "small", "-f")
    lines = out.splitlines()
    assert code == DONE
    assert lines == folder.training_log.read_text().splitlines()
    assert lines[-1].endswith("Training finished")


def test_log_follows_to_a_last_line_without_an_end(outputs, say):
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    start_run(folder, ["/bin/sh", "-c", "echo first; sleep 1; printf 'cut in the mid'"])
    code, out, _ = say("log", "small", "-f")
    assert (code, out.splitlines()[-2:]) == (DONE, ["first", "cut in the mid"])


def test_show_remembers_the_folder_of_somebody_else_for_the_pages(outputs, say, tmp_path):
    foreign = RunFolder(tmp_path / "their lora")
    foreign.path.mkdir()
    (foreign.path / "train.log").write_text("epoch 1/16\n")
    code, out, err = say("show", foreign.path, "--json")
    assert (code, err, json.loads(out)["epoch"], list_opened()) == (DONE, "", 1, [])
    code, out, err = say("show", foreign.path)
    [opened] = list_opened()
    assert (code, err, opened.path) == (DONE, "", foreign.path)
    assert out.splitlines()[-1] == f"The pages show it too, only to read: /run?run={opened.name}"
    assert say("show", opened.name)[1].splitlines()[-1] == out.splitlines()[-1], "it is found by its key, too"
    assert "pages" not in say("show", run_of(outputs, "mine").path)[1]


def test_show_of_a_folder_that_cannot_be_remembered_shows_it_all_the_same(outputs, say, tmp_path):
    (tmp_path / "kohya").mkdir()
    (tmp_path / "kohya" / "train.log").write_text("epoch 1/16\n")
    (outputs / ".opened").touch()
    code, out, err = say("show", tmp_path / "kohya")
    assert code == DONE
    assert "\nepoch                  1\n" in out
    assert err.startswith("fluxgym: the pages cannot show it: ")


def test_compare(outputs, say, start_small, tmp_path):
    for name in ("one", "two"):
        wait_for_end(start_small("--steps", "4", name=name), 20)
    (outputs / "one" / "config.toml").write_text("[lora]\nrank = 4\nalpha = 8\n")
    (outputs / "two" / "config.toml").write_text("[lora]\nrank = 16\nalpha = 8\n")
    code, out, _ = say("compare", "one", "two")
    rows = [line.split() for line in out.splitlines()]
    assert (code, rows[0], rows[1]) == (DONE, ["one", "two"], ["State", "Completed", "Completed"])
    assert ["lora.rank", "4", "16"] in rows
    assert "alpha" not in out
    told = json.loads(say("compare", "one", "two", "--json")[1])
    assert (told["names"], told["settings"], told["note"]) == (["one", "two"], {"lora.rank": ["4", "16"]}, None)
    assert told["runs"]["State"] == ["Completed", "Completed"]


def test_compare_needs_two(outputs, say):
    run_of(outputs, "one")
    assert say("compare", "one") == (WRONG_USE, "", "fluxgym: got 1 run, expected two or more to compare\n")
    assert say("compare", "one", outputs / "one")[0] == WRONG_USE, "it is the same run"
    assert "expected a run or a folder" in say("compare", "one", outputs / "one" / "training.log")[2]


def test_following_the_log_of_somebody_else_sends_nobody(outputs, tmp_path):
    theirs = run_of(tmp_path, "theirs", "epoch 1/16\n")
    record = begin_attempt(theirs, None, ["x"]).to("running", training=Identity(1, 1, "another boot"))
    write_record(theirs, dataclasses.replace(record, since=1.0))
    before = sorted(theirs.path.iterdir())
    command = [sys.executable, "-m", "fluxgym", "log", "-f", theirs.path]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout.readline() == "epoch 1/16\n"
        for line in ("epoch 2/16\n", "epoch 3/16\n"):  # before each line it looked after the run
            with theirs.training_log.open("a") as log:
                log.write(line)
            assert following.stdout.readline() == line
        following.terminate()
    assert sorted(theirs.path.iterdir()) == before


def test_a_run_whose_log_was_archived_is_told_by_all_verbs(outputs, say, start_small):
    folder = start_small("--steps", "5")
    assert wait_for_end(folder, 20).state == "completed"
    archived = archive_log(folder)
    code, printed, told = say("log", "small")
    assert (code, "5/5" in printed) == (DONE, True)
    assert f"its log was archived, and is {archived.log} now" in told
    assert say("log", "small", "--monitor")[1].strip()
    assert say("log", "small", "-f")[0] == DONE, "it ends, as the run has"
    assert "Step 5 of 5" in (listed := say("list")[1])
    assert "0 steps" not in listed
    assert json.loads(say("list", "--json")[1])[0]["step"] == 5
