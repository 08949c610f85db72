"""demo, start, run: what they start, and that what is refused writes nothing."""

import shutil
import subprocess
import sys

import pytest

from fluxgym.run.care import Care, read_care
from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import stop_run
from fluxgym.run.record import read_record
from fluxgym.terminal.output import DONE, FAILED, WRONG_USE
from tests.fluxgym.terminal.conftest import run_of
from tests.small_training import write_lora
from trainer.config import load_config
from trainer.folder import RunFolder
from trainer.mini import DATASET, DEMO


def test_start_that_fails(outputs, say, settings):
    """A model of which nothing is there: the trainer itself says so, and the exit code is 1."""
    code, out, err = say("start", settings(), "--name", "named", "--wait", "--anyway")
    assert code == FAILED
    assert err.startswith("x model.base: ")
    assert out.startswith("named: queued.")
    assert "named: failed." in err
    assert "no-model" in err
    assert load_config(outputs / "named" / "config.toml").name == "named"
    code, _, err = say("start", settings(), "--name", "named", "--anyway")
    assert code == WRONG_USE
    assert "got the name named, which an earlier run has" in err
    assert say("start", settings(), "--name", "named", "--again", "--wait", "--anyway")[0] == FAILED
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
        (lambda path, data: path.write_text(path.read_text().replace("no-model", "none")), "or a name on the Hugging Face Hub"),
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


MINI = {"base": "trainer/mini/flux-mini"}


def test_what_check_refuses_start_refuses_in_the_same_words(outputs, say, settings, tmp_path, monkeypatch):
    """A gated model without a token would be queued, and fail when its turn comes."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("fluxgym.terminal.check.PATIENCE", 0.0)
    path = settings(model={"base": "black-forest-labs/FLUX.1-dev"})
    code, out, err = say("start", path)
    assert (code, out) == (WRONG_USE, "")
    assert err.startswith("fluxgym: it would not begin, and nothing was written; --anyway starts it all the same\nx token: ")
    assert list(outputs.iterdir()) == []
    found = [line for line in say("check", path)[1].splitlines() if line.startswith("x ")]
    assert found and [line for line in err.splitlines() if line.startswith("x ")] == found


def test_too_little_disk_is_refused_unless_it_is_to_begin_anyway(outputs, say, settings, monkeypatch):
    free = shutil.disk_usage(outputs)._replace(free=1000)
    monkeypatch.setattr("fluxgym.preflight.disk.shutil.disk_usage", lambda folder: free)
    code, _, err = say("start", settings(model=MINI), "--place", "none")
    assert (code, "x disk: needs about " in err) == (WRONG_USE, True)
    assert list(outputs.iterdir()) == []
    code, out, err = say("start", settings(model=MINI), "--place", "none", "--anyway")
    assert (code, out.startswith("mine: ")) == (DONE, True)
    assert err.startswith("x disk: needs about ")
    assert stop_run(RunFolder(outputs / "mine"), wait=60).state == "stopped"


def test_what_is_only_to_be_known_is_told_and_it_begins(outputs, say, settings):
    code, out, err = say("start", settings(model=MINI, train={"learning_rate": 0.1}))
    assert (code, out.startswith("mine: ")) == (DONE, True)
    assert "! train.learning_rate: got 1.0e-01 with adamw, which is very high\n    Around 1e-04 is usual.\n" in err
    assert stop_run(RunFolder(outputs / "mine"), wait=60).state == "stopped"


def test_the_look_before_needs_no_torch(outputs, settings):
    """It would take longer than all the rest of a start."""
    script = (
        "import sys; from fluxgym.terminal.main import main; main(['start', sys.argv[1]]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script, settings()], cwd=PROJECT, check=False).returncode == 0


@pytest.mark.parametrize(("place", "gpus"), [("slurm", 2), ("0,1", 1)])
def test_a_batch_that_its_gpus_cannot_share_writes_nothing(outputs, say, settings, place, gpus):
    """On a cluster it would fail only when the job begins, perhaps a day later."""
    code, out, err = say("start", settings(slurm={"gpus": gpus}), "--place", place)
    assert (code, out) == (WRONG_USE, "")
    assert err.startswith("fluxgym: data.batch_size: got a batch of 1 for 2 GPUs, which share it. Set a multiple of 2")
    assert list(outputs.iterdir()) == []


def test_hostile_names_write_nothing(outputs, say, settings, hostile_name):
    for verb in (["demo"], ["start", settings()]):
        code, out, err = say(*verb, f"--name={hostile_name}")
        assert (code, out) == (WRONG_USE, "")
        assert err.startswith("fluxgym: got the name ")
        assert "expected 1 to 64 letters" in err
    assert list(outputs.iterdir()) == []
    assert sorted(path.name for path in outputs.parent.iterdir()) == ["no-model", "outputs", "settings.toml"]


def test_demo_takes_a_free_name(outputs, say):
    """The real trainer on the real demo, stopped as soon as it runs."""
    run_of(outputs, "demo")
    code, out, _ = say("demo")
    assert code == DONE
    assert out.startswith("demo-2: queued.")
    folder = RunFolder(outputs / "demo-2")
    assert load_config(folder.config) == load_config(DEMO).model_copy(update={"name": "demo-2"})
    assert stop_run(folder, wait=60).state == "stopped"


def test_a_lora_alone_is_no_run_to_overwrite(outputs, say, settings):
    folder = RunFolder(outputs / "mine")
    folder.path.mkdir()
    write_lora(folder.lora)
    code, _, err = say("start", settings(), "--anyway")
    assert (code, "got the name mine" in err) == (WRONG_USE, True)
    assert [path.name for path in folder.path.iterdir()] == ["mine.safetensors"]


# ---- any command -----------------------------------------------------------------------------------------------------
def test_run_any_command(outputs, say, tmp_path, monkeypatch):
    """As it was typed: in this directory, with this environment, with options that look like ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TYPED_HERE", "yes")
    script = "import os, sys; print(os.getcwd(), os.environ['TYPED_HERE'], sys.argv[1:])"
    code, out, _ = say("run", "--name", "x", "--wait", "--", sys.executable, "-c", script, "--name", "--", "--help")
    assert code == DONE
    assert out.startswith(f"x: queued. {outputs / 'x'}")
    assert f"{tmp_path} yes ['--name', '--', '--help']\n" in out
    assert "x: completed. It ended without an error. Not checked: " in out
    record = read_record(RunFolder(outputs / "x"))
    assert (record.any_command, record.cwd, record.is_ours) == (True, str(tmp_path), False)


def test_run_that_fails(outputs, say):
    code, _, err = say("run", "--name", "x", "--place", "none", "--wait", "--", sys.executable, "-c", "exit(3)")
    assert code == FAILED
    assert err.startswith("x: failed. Failed before the first step, the cause is not in the log. Exit code 3.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "x"], "got no command, expected one behind --"),
        (["--name", "x", "--"], "got no command, expected one behind --"),
        (["--name", "x", "--", "no-such-program", "y"], "got the command 'no-such-program', expected a program"),
        (["--name", "..", "--", "true"], "got the name '..'"),
        (["--name", "x", "--place", "7", "--", "true"], "place: got GPU 7, expected some of the GPUs there are"),
        (["--name", "x", "--place", "x", "--", "true"], "place: got 'x', expected 'auto', 'none', 'slurm', or numbers"),
    ],
)
def test_run_that_is_refused_writes_nothing(outputs, say, arguments, words):
    code, out, err = say("run", *arguments)
    assert (code, out) == (WRONG_USE, "")
    assert words in err
    assert list(outputs.iterdir()) == []


def test_run_over_an_earlier_one(outputs, say):
    assert say("run", "--name", "x", "--wait", "--", "true")[0] == DONE
    code, _, err = say("run", "--name", "x", "--", "true")
    assert (code, "got the name x, which an earlier run has" in err) == (WRONG_USE, True)
    assert say("run", "--name", "x", "--again", "--wait", "--", "true")[0] == DONE
    assert len(list((outputs / "x" / "logs").iterdir())) == 1


def test_care_is_kept(outputs, say):
    say("run", "--name", "x", "--resume-after-crash", "--most-resumes", "1", "--wait", "--", "true")
    assert read_care(RunFolder(outputs / "x")) == Care(resume_after_crash=True, most_resumes=1)


def test_start_for_a_gpu_that_is_not_there_writes_nothing(outputs, say, settings):
    code, _, err = say("start", settings(), "--place", "7")
    assert (code, "place: got GPU 7" in err) == (WRONG_USE, True)
    assert list(outputs.iterdir()) == []
