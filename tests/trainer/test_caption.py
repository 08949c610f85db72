"""Captions for a data set: each to its own image, none over a person's, nothing lost when it is broken off."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.trainer.captioners import paint
from trainer import caption, progress
from trainer.caption import BROKE, FINISHED, Wish, Work, main
from trainer.captioner import Ask, Captioner
from trainer.captioner_files import CaptionerError
from trainer.written import RECORD, choose

ROOT = Path(__file__).parents[2]
COLOURS = ["red", "blue", "green", "blue", "red", "green", "green"]


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for number, colour in enumerate(COLOURS):
        paint(colour, (60 + number, 70)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def write(florence, capsys):
    """write(place, *options): exit code, and what was said."""

    def run(place, *options, model=florence):
        code = main([str(place), "--model", str(model), *options])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def texts(place):
    return [path.read_text() if (path := place / f"{number}.txt").exists() else None for number in range(len(COLOURS))]


def test_each_image_gets_its_own_caption_and_a_persons_stay(place, write):
    (place / "1.txt").write_text("mine")
    (place / "4.txt").write_text("")
    (place / "notes.md").write_text("no image")
    code, said = write(place, "--trigger", " sks  thing ", "--batch-size", "3")
    assert (code, "6 of 6 captions written" in said) == (FINISHED, True)
    expected = [f"sks thing, a {colour} square\n" for colour in COLOURS]
    assert texts(place) == [expected[0], "mine", *expected[2:]]
    assert "Nothing to do" in write(place)[1]


def test_only_what_nobody_touched_is_written_anew(place, write):
    write(place)
    (place / "0.txt").write_text("a red square of mine")
    (place / "1.txt").unlink()
    assert "1 of 1 captions" in write(place, "--trigger", "sks")[1]
    said = write(place, "--again", "--trigger", "sks")[1]
    assert "5 of 5 captions" in said, "without mine, and without the one that is as it would be written now"
    assert texts(place)[:3] == ["a red square of mine", "sks, a blue square\n", "sks, a green square\n"]
    paint("red").save(place / "1.png")
    assert "1 of 1 captions" in write(place, "--again", "--trigger", "sks")[1], "another image lies there now"
    assert texts(place)[1] == "sks, a red square\n"


def test_what_cannot_be_opened_is_named_and_the_rest_is_done(place, write):
    (place / "2.png").write_bytes(b"<html>not here</html>")
    code, said = write(place, "--batch-size", "4")
    assert (code, "nothing could be said of 2.png" in said, "6 of 7 captions written" in said) == (FINISHED, True, True)
    assert texts(place)[2] is None and texts(place)[6] == "a green square\n"


def test_what_a_person_does_meanwhile_counts(place, florence):
    work, model = Work(place, Wish()), Captioner("florence", florence, torch.device("cpu"), Ask())
    (place / "0.txt").write_text("mine")
    (place / "1.png").unlink()
    work.write(model, 7)
    assert texts(place) == ["mine", None, *(f"a {colour} square\n" for colour in COLOURS[2:])]
    assert work.sum_up() == "5 of 7 captions written; 2 left, as somebody wrote them or removed the image meanwhile"


def test_a_batch_that_does_not_fit_is_halved(place, florence, capsys):
    model = Captioner("florence", florence, torch.device("cpu"), Ask())
    sizes, generate = [], model.model.generate

    def refuse(**inputs):
        sizes.append(len(inputs["pixel_values"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**inputs)

    model.model.generate = refuse
    Work(place, Wish()).write(model, 6)
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1, 1]
    assert texts(place) == [f"a {colour} square\n" for colour in COLOURS]
    assert "going on with 3" in capsys.readouterr().out


def test_one_image_that_does_not_fit_is_the_end(place, florence):
    model = Captioner("florence", florence, torch.device("cpu"), Ask())

    def refuse(**_):
        raise torch.OutOfMemoryError

    model.model.generate = refuse
    with pytest.raises(CaptionerError, match="memory ran out with one image at once; stop what else runs"):
        Work(place, Wish()).write(model, 2)
    assert texts(place) == [None] * len(COLOURS)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "nobody/at all"}, "got no name of a model"),
        ({"model": "/nowhere"}, "there is no such folder"),
        ({"place": "nowhere"}, "got nothing at"),
        ({"model": "microsoft/Florence-2-base"}, "take florence-community/Florence-2-base"),
    ],
)
def test_what_is_wrong_is_one_line_and_the_last(place, write, tmp_path, options, told):
    code, said = write(tmp_path / options.get("place", "set"), model=options.get("model", "/nowhere"))
    assert code == BROKE and told in said.splitlines()[-1]


def test_no_room_to_write_is_told(place, write, full_disk, monkeypatch, florence):
    with full_disk():
        code, said = write(place)
    assert code == BROKE and "could not be written" in said.splitlines()[-1]
    assert not any("model.new" in path.name for path in place.iterdir())


def test_broken_off_and_begun_again_it_goes_on_where_it_was(place, florence, tmp_path):
    """A real process, killed in the midst: what is there is whole, and nothing is done twice."""
    for number in range(len(COLOURS), 60):
        paint("red", (64, 64)).save(place / f"{number}.png")
    command = [sys.executable, "-m", "trainer", "caption", str(place), "--model", str(florence), "--batch-size", "1"]
    told = tmp_path / "progress.json"
    environment = {**os.environ, progress.PLACE: str(told)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(place.glob("*.txt"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    said, done = json.loads(told.read_text()), len(list(place.glob("*.txt")))
    assert (said["unit"], said["total"]) == ("images", 60) and 3 <= done < 60
    assert {path.read_text() for path in place.glob("*.txt")} <= {f"a {colour} square\n" for colour in set(COLOURS)}
    assert len(choose(place).by_model) == done, "each of them is known to be a model's"
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert f"{60 - done} of {60 - done} captions written" in again.stdout
    assert json.loads(told.read_text())["result"]["told"].endswith("captions written")
    assert not list(place.glob("*.new")) and (place / RECORD).is_file()


def test_the_longest_side_is_what_a_model_looks_at(place, florence, monkeypatch):
    monkeypatch.setattr(caption, "LONGEST", 32)
    seen, model = [], Captioner("florence", florence, torch.device("cpu"), Ask())
    describe = model.describe
    model.describe = lambda images: seen.extend(image.size for image in images) or describe(images)
    Work(place, Wish()).write(model, 7)
    assert max(map(max, seen)) == 32
