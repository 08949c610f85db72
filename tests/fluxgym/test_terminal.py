"""The verbs of the terminal on real runs: what they print, what they return, what they refuse without writing anything."""

import json
import os
import shutil
import signal
import threading

import pytest

from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import start_run, stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from fluxgym.terminal import DONE, FAILED, INTERRUPTED, WRONG_USE, main
from tests.conftest import HOSTILE_NAMES
from tests.small_training import write_lora, write_state
from trainer.config import dump_config, load_config, parse_config
from trainer.folder import RunFolder
from trainer.mini import DATASET, DEMO

NO_PATHS = [name for name in HOSTILE_NAMES.values() if name not in ("", "..") and "/" not in name]


@pytest.fixture
def settings(tmp_path):
    """settings(**changes): a config file for the demo's data set and a model of which nothing is there but its folder."""
    (tmp_path / "no-model").mkdir()

    def write(**changes):
        values = {
            "name": "mine",
            "model": {"base": str(tmp_path / "no-model")},
            "data": {"folder": str(DATASET)},
            "trigger": "sks",
        }
        path = tmp_path / "settings.toml"
        path.write_text(dump_config(parse_config(values | changes)))
        return str(path)

    return write


@pytest.fixture
def say(capsys):
    """say(*arguments): exit code, stdout and stderr of one command line."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return (code, *capsys.readouterr())

    return run


def run_of(outputs, name, log="Epoch 2/4\n"):
    folder = RunFolder(outputs / name)
    folder.path.mkdir()
    folder.training_log.write_text(log)
    return folder


# ---- list, show, log --------------------------------------------------------------------------------------------------
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


@pytest.mark.parametrize("bad", ["training.log", "run.json"])
def test_a_bad_folder_takes_no_row_away(outputs, say, bad):
    run_of(outputs, "good")
    run_of(outputs, "bad").training_log.unlink()
    (outputs / "bad" / bad).mkdir()
    code, out, err = say("list")
    assert (code, err, len(out.splitlines())) == (DONE, "", 2)
    assert "cannot be read" in out
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
        ]
    out = say("show", "small")[1]
    assert "\ntotal_steps            4\n" in out
    assert "\nfailure                -\n" in out


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


# ---- start, demo, stop, resume ----------------------------------------------------------------------------------------
def test_start_that_fails(outputs, say, settings):
    """A model of which nothing is there: the trainer itself says so, and the exit code is 1."""
    code, out, err = say("start", settings(), "--name", "named", "--wait")
    assert code == FAILED
    assert out.startswith("named: queued.")
    assert "named: failed." in err
    assert "no-model" in err
    assert load_config(outputs / "named" / "config.toml").name == "named"
    code, _, err = say("start", settings(), "--name", "named")
    assert code == WRONG_USE
    assert "got the name named, which an earlier run has" in err
    assert say("start", settings(), "--name", "named", "--again", "--wait")[0] == FAILED
    assert len(list((outputs / "named" / "logs").iterdir())) == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path, data: path.write_text(path.read_text() + "[bogus]\n"), "bogus: unknown setting"),
        (
            lambda path, data: path.write_text(path.read_text().replace("epochs = 16", "epochs = 'ten'")),
            "train.epochs: got 'ten'",
        ),
        (lambda path, data: path.write_text("name = "), "is not TOML"),
        (lambda path, data: path.write_text(path.read_text().replace("no-model", "none")), "expected a folder, or a name on"),
        (
            lambda path, data: path.write_text(path.read_text().replace(str(data), "datasets/none")),
            f"looked at: {PROJECT / 'datasets/none'}",
        ),
        (lambda path, data: path.unlink(), "cannot be read"),
        (lambda path, data: [image.unlink() for image in data.glob("*.png")], "got no image"),
        (lambda path, data: (data / "lonely.txt").write_text("x"), "lonely.txt: a caption without an image"),
        (lambda path, data: next(data.glob("*.png")).write_text("x"), "no whole image"),
    ],
)
def test_bad_input_writes_nothing(outputs, say, settings, tmp_path, spoil, words):
    data = shutil.copytree(DATASET, tmp_path / "data")
    path = tmp_path / "settings.toml"
    settings(data={"folder": str(data)})
    spoil(path, data)
    code, out, err = say("start", path)
    assert (code, out) == (WRONG_USE, "")
    assert err.startswith("fluxgym: ")
    assert words in err
    assert list(outputs.iterdir()) == []


def test_hostile_names_write_nothing(outputs, say, settings, hostile_name):
    for verb in (["demo"], ["start", settings()]):
        code, out, err = say(*verb, f"--name={hostile_name}")
        assert (code, out) == (WRONG_USE, "")
        assert err.startswith("fluxgym: got the name ")
        assert "expected 1 to 64 letters" in err
    assert list(outputs.iterdir()) == []
    assert sorted(path.name for path in outputs.parent.iterdir()) == ["no-model", "outputs", "settings.toml"]


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


def test_demo_takes_a_free_name(outputs, say):
    """The real trainer on the real demo, stopped as soon as it runs."""
    run_of(outputs, "demo")
    code, out, _ = say("demo")
    assert code == DONE
    assert out.startswith("demo-2: queued.")
    folder = RunFolder(outputs / "demo-2")
    assert load_config(folder.config) == load_config(DEMO).model_copy(update={"name": "demo-2"})
    assert stop_run(folder, wait=60).state == "stopped"


def test_wait_can_be_left(outputs, say, start_small, wait_until):
    """Ctrl-C ends the waiting; the run goes on, and that is said."""
    folder = start_small("--steps", "20000")
    wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
    stop_run(folder, wait=20)

    def press() -> None:
        wait_until(lambda: "Resuming: step" in folder.training_log.read_text())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    code, out, _ = say("resume", "small", "--wait")
    assert code == INTERRUPTED
    assert out.endswith("The run goes on. Stop it with: python -m fluxgym stop small\n")
    assert stop_run(folder, wait=20).state == "stopped"


def test_a_lora_alone_is_no_run_to_overwrite(outputs, say, settings):
    folder = RunFolder(outputs / "mine")
    folder.path.mkdir()
    write_lora(folder.lora)
    assert say("start", settings())[0] == WRONG_USE
    assert [path.name for path in folder.path.iterdir()] == ["mine.safetensors"]
