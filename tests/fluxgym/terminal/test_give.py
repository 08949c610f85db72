"""freeze: a file as a whole, over none that is there, with what was asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from fluxgym.terminal import give
from fluxgym.terminal.output import DONE, WRONG_USE
from tests.fluxgym.terminal.conftest import run_of


@pytest.fixture
def robot(outputs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = run_of(outputs, "robot", "Epoch 2/4\na word of the log\n")
    made.config.write_text("rate = 1\n")
    return made


def test_a_file_in_the_folder_one_is_in(robot, say):
    code, out, err = say("freeze", "robot")
    first, second = out.splitlines()
    assert (code, err) == (DONE, "")
    assert first.startswith("robot: frozen into robot.html, ") and first.endswith("charts, log, samples and settings.")
    assert "without a network" in second
    html = Path("robot.html").read_text(encoding="utf-8")
    assert "a word of the log" in html and "rate = 1" in html
    assert [path.name for path in Path().iterdir() if path.is_file()] == ["robot.html"]


def test_what_is_there_is_not_written_over(robot, say):
    Path("robot.html").write_text("mine")
    code, _, err = say("freeze", "robot")
    assert (code, "robot.html is there already" in err) == (WRONG_USE, True)
    assert Path("robot.html").read_text() == "mine"
    assert say("freeze", "robot", "--force")[0] == DONE
    assert Path("robot.html").read_text() != "mine"


def test_parts_are_left_out(robot, say):
    assert (
        say("freeze", "robot", "--without", "log, settings", "--out", "a.html")[1]
        .splitlines()[0]
        .endswith("with progress, charts and samples.")
    )
    html = Path("a.html").read_text(encoding="utf-8")
    assert "a word of the log" not in html and "rate = 1" not in html
    code, _, err = say("freeze", "robot", "--without", "logs")
    assert (code, "got --without logs, expected of log,samples,settings" in err) == (WRONG_USE, True)


def test_into_a_folder_or_a_pipe(robot, say, outputs):
    Path("there").mkdir()
    assert say("freeze", "robot", "--out", "there")[0] == DONE
    assert Path("there/robot.html").is_file()
    command = [sys.executable, "-m", "fluxgym", "freeze", "robot", "--out", "-"]
    root = Path(give.__file__).parents[2]
    written = subprocess.run(command, capture_output=True, cwd=root, check=True).stdout
    assert written.startswith(b"<!doctype html>") and written.rstrip().endswith(b"</html>")


def test_half_a_file_is_none(tmp_path):
    def pieces():
        yield b"half"
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        give.write_pieces(tmp_path / "a.html", pieces())
    assert list(tmp_path.iterdir()) == []


def test_nobody_is_no_run(robot, say):
    assert say("freeze", "nobody")[0] == WRONG_USE
