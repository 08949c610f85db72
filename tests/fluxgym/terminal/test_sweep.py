"""sweep: what it lists and begins, and that what is refused writes nothing."""

import json
import re

import pytest

from fluxgym.run.care import read_care
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from fluxgym.sweep.mark import Mark, find_members, write_mark
from fluxgym.terminal.output import DONE, FAILED, WRONG_USE
from tests.fluxgym.terminal.conftest import run_of
from tests.fluxgym.view.runs import step_lines, validations
from trainer.config import load_config
from trainer.mini import DATASET

MINI = {"base": "trainer/mini/flux-mini"}


def test_a_dry_run_lists_and_writes_nothing(outputs, say, settings):
    code, out, _ = say("sweep", settings(model=MINI), "--set", "lr=1e-4,4e-4", "--set", "rank=8,16", "--dry-run")
    assert code == DONE
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["lr", "rank", "steps"]
    assert lines[1] == ["mine-lr1e-4-rank8", "1e-4", "8", "1,920"]
    assert lines[4] == ["mine-lr4e-4-rank16", "4e-4", "16", "1,920"]
    assert out.splitlines()[5] == "4 runs to begin, 7,680 steps in all."
    assert list(outputs.iterdir()) == []


def test_what_is_mostly_a_mistake_is_told_once(outputs, say, settings):
    _, out, _ = say("sweep", settings(), "--set", "lr=1e-4,0.1", "--set", "rank=2,16", "--dry-run")
    assert [line for line in out.splitlines() if line.startswith("!")] == [
        "! mine-lr1e-4-rank2: lora.alpha: got alpha 16 with rank 2. Alpha is mostly the rank, or half of it.",
        "! mine-lr1e-1-rank2: train.learning_rate: got 1.0e-01 with adamw, which is very high. Around 1e-04 is usual.",
    ]


def test_it_begins_all_and_then_those_that_are_missing(outputs, say, settings):
    asked = ("sweep", settings(), "--anyway", "--name", "named", "--place", "none", "--when-stalled", "stop")
    code, out, _ = say(*asked, "--set", "rank=8")
    assert code == DONE
    assert out.splitlines()[-1] == "1 begun. The pages compare them: /compare?sweep=named"
    code, out, _ = say(*asked, "--set", "rank=8,16", "--json")
    rows = json.loads(out)
    assert code == DONE
    assert [(row["name"], row["set"], row["total_steps"], row["is_new"]) for row in rows] == [
        ("named-rank8", {"lora.rank": 8}, 1920, False),
        ("named-rank16", {"lora.rank": 16}, 1920, True),
    ]
    members = find_members("named")
    assert [load_config(folder.config).lora.rank for folder in members] == [8, 16]
    assert read_care(members[1]).when_stalled == "stop"
    code, out, _ = say(*asked, "--set", "rank=8,16")
    assert "named-rank8   8     1,920  there already" in out
    assert "0 runs to begin, 0 steps in all.\n0 begun." in out
    code, out, _ = say("list", "--sweep", "named")
    assert [line.split()[0] for line in out.splitlines()] == ["named-rank8", "named-rank16"]
    code, out, _ = say("stop", "--sweep", "named", "--wait")
    assert code in (DONE, FAILED)  # the model is not there: it may have failed before it was stopped
    assert not any(read_status(folder).is_active for folder in members)
    assert say("stop", "--sweep", "named") == (DONE, "named: no run of it is under way.\n", "")
    code, out, _ = say(*asked, "--set", "rank=8,16", "--dry-run")
    assert re.search(r"named-rank16 +16 +1,920 +there already: (stopped|failed)", out)
    assert "resume --sweep goes on with those that ended before their end." in out
    code, out, _ = say("resume", "--sweep", "named")
    assert (code, len(out.splitlines())) == (DONE, 2)
    assert all(len(read_record(folder).attempts) == 2 for folder in members)
    say("stop", "--sweep", "named", "--wait")
    assert say("resume", "--sweep", "none")[0] == WRONG_USE


def test_further_runs_with_other_settings_are_refused(outputs, say, settings):
    asked = ("--anyway", "--place", "none")
    assert say("sweep", settings(), *asked, "--set", "rank=8")[0] == DONE
    code, _, err = say("sweep", settings(train={"epochs": 3}), *asked, "--set", "rank=4")
    assert (code, "got train.epochs 3, expected 16 as mine-rank8 has it" in err) == (WRONG_USE, True)
    assert [folder.name for folder in find_members("mine")] == ["mine-rank8"]
    say("stop", "--sweep", "mine", "--wait")


def test_what_check_refuses_is_refused_once_for_all_runs(outputs, say, settings, monkeypatch, tmp_path):
    """A gated model without a token, in two of four runs."""
    path = settings(data={"folder": str(DATASET), "repeats": 1})
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    tried = ("--set", "model.base=black-forest-labs/FLUX.1-dev,trainer/mini/flux-mini", "--set", "rank=4,8")
    for more in ([], ["--dry-run"]):
        code, _, err = say("sweep", path, *tried, *more)
        assert code == WRONG_USE
        assert err.startswith("fluxgym: it would not begin, and nothing was written; --anyway starts it all the same\nx mine-")
        errors = [line for line in err.splitlines() if line.startswith("x ") and "disk" not in line]
        assert len(errors) == 1 and "rank4" in errors[0] and ": token: FLUX.1-dev is given out" in errors[0]
        assert list(outputs.iterdir()) == []


def test_no_such_sweep(outputs, say):
    run_of(outputs, "named-rank8")  # a run of that name, and of no sweep
    told = "fluxgym: got the sweep 'named', expected one of which a run is there\n"
    for verb in ("list", "compare", "stop", "resume"):
        assert say(verb, "--sweep", "named") == (WRONG_USE, "", told)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "lernrate=1"], "did you mean learning_rate?"),
        (["--set", "lr=1e-4,2"], "mine-lr2: train.learning_rate: got 2.0, expected a number above 0 and up to 1"),
        (["--set", "rank=8,16", "--place", "99"], "place: got"),
        (["--set", "rank=8", "--name", "../x"], "got the name '../x'"),
        (["--set", "data.folder=/none"], "looked at /none"),
        (["--set", "validation_images=99,0"], "mine-validation_images99: got "),
    ],
)
def test_bad_input_writes_nothing(outputs, say, settings, options, words):
    code, _, err = say("sweep", settings(), *options)
    assert code == WRONG_USE
    assert words in err
    assert list(outputs.iterdir()) == []


def test_compare_a_sweep(outputs, say):
    for rank, loss in ((8, 0.7), (16, 0.6), (32, float("nan"))):
        log = step_lines(1, 2, 2, loss=loss) + validations(loss, first=2) + "Training finished\n"
        write_mark(run_of(outputs, f"s-rank{rank}", log), Mark("s", {"lora.rank": rank}))
    code, out, _ = say("compare", "--sweep", "s")
    assert code == DONE
    lines = out.splitlines()
    assert lines[0].split() == ["Rank", "State", "Progress", "Lowest", "validation", "Loss,", "epoch", "mean"]
    assert [line.endswith("best") for line in lines[1:4]] == [False, True, False]
    assert lines[4] == "3 runs: 2 completed, 1 failed. Best by validation loss: rank 16 (0.6000)."
    assert [line.partition(": ")[0] for line in lines[5:]] == ["s-rank32"], "why it failed"
    assert "not a number" in lines[5]
    said = json.loads(say("compare", "--sweep", "s", "--json")[1])
    assert said["note"] is None
    assert said["best"] == "s-rank16"
    assert [(row["set"], row["lowest_validation"]) for row in said["runs"]] == [
        ({"lora.rank": 8}, 0.7),
        ({"lora.rank": 16}, 0.6),
        ({"lora.rank": 32}, None),
    ]
    assert say("compare", "--sweep", "none")[0] == WRONG_USE
    assert say("compare", "s-rank8", "--sweep", "s")[0] == WRONG_USE
    assert say("compare")[0] == WRONG_USE
