"""caption: begun and told, waited for, stopped; what is given is a data set by its name, or a folder."""

import pytest
from PIL import Image

from fluxgym.dataset.captioning import KIND, find_captioning
from fluxgym.dataset.sets import make_set
from fluxgym.job.begin import start_job
from fluxgym.terminal.output import DONE, FAILED, WRONG_USE
from tests.trainer.captioners import make_blip


@pytest.fixture
def cats(outputs):
    place = make_set("cats")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64), "red").save(place / name)
    (place / "b.txt").write_text("mine")
    return place


def test_captions_from_the_terminal(cats, say, tmp_path):
    blip = make_blip(tmp_path / "blip")
    code, out, err = say(
        "caption", "cats", "--model", blip, "--prompt", "a red", "--trigger", "sks", "--device", "cpu", "--wait"
    )
    assert (code, err) == (DONE, "")
    assert out.splitlines()[0].startswith("Captions of cats, on the CPU: begun.")
    assert out.splitlines()[-1] == "Captions of cats, on the CPU: done. 1 of 1 captions written"
    assert (cats / "a.txt").read_text().startswith("sks, a red") and (cats / "b.txt").read_text() == "mine"


def test_why_it_failed_and_its_exit_code(cats, say):
    code, _, err = say("caption", cats, "--model", "/nowhere", "--wait")
    assert code == FAILED and "failed. /nowhere cannot write captions: there is no such folder" in err


def test_one_that_is_under_way_is_stopped(cats, say):
    code, _, err = say("caption", "cats", "--stop")
    assert (code, "for which captions are being written" in err) == (WRONG_USE, True)
    start_job(KIND, str(cats), ["-c", "import time; time.sleep(600)"], "Captions of cats")
    code, _, err = say("caption", "cats")
    assert (code, "is under way already" in err) == (WRONG_USE, True)
    code, out, _ = say("caption", "cats", "--stop")
    assert (code, out) == (DONE, "Captions of cats: stopped.\n")
    assert not find_captioning(cats).is_active


def test_what_is_no_data_set_is_told_with_those_there_are(cats, say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in ("dogs", "", "a\0b", "../" * 3000):
        code, _, err = say("caption", given)
        assert code == WRONG_USE and err.rstrip().endswith("or a data set: cats")
