"""`python -m fluxgym`, as a process: light, with clear errors and exit codes."""

import os
import subprocess
import sys

import pytest

from tests.fluxgym.log.rotated import append, move, pack


def fluxgym(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "fluxgym", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60, **more
    )


def test_help_names_every_verb():
    done = fluxgym("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("demo", "start", "list", "show", "log", "stop", "resume"))


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["list", "--loud"], ["stop"], ["log", "x", "-n", "many"], ["log", "x", "-n", "-3"]]
)
def test_wrong_use(outputs, arguments):
    done = fluxgym(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m fluxgym")


def test_list_is_light(outputs):
    (outputs / "a").mkdir()
    (outputs / "a" / "training.log").write_text("Epoch 1/2\n")
    script = "import sys; from fluxgym.terminal.main import main; main(['list']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("a  ")
    loaded = set(done.stderr.split())
    assert not loaded & {"torch", "streamlit", "plotly", "pandas", "numpy", "pydantic", "PIL", "psutil"}


@pytest.mark.parametrize("verb", ["log", "show", "list"])
def test_a_locale_without_the_bars_characters(outputs, verb):
    (outputs / "a").mkdir()
    (outputs / "a" / "training.log").write_text(
        "steps:  50%|\u2588| 2/4 [00:01<00:01] \u00fc\nERROR \u00fc\n", encoding="utf-8"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = fluxgym(verb, *(["a"] if verb != "list" else []), env=os.environ | plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert (r"\u2588" in done.stdout) == (verb == "log")


def test_a_reader_that_has_seen_enough(outputs):
    """`python -m fluxgym log x | head -1` ends quietly."""
    (outputs / "a").mkdir()
    (outputs / "a" / "training.log").write_text("line\n" * 200_000)
    command = [sys.executable, "-m", "fluxgym", "log", "a", "-n", "200000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (first, said, process.returncode) == (b"line\n", b"", 0)


def test_ctrl_c_ends_the_waiting(outputs, start_small, wait_until):
    folder = start_small("--steps", "20000")
    wait_until(folder.training_log.exists)
    with subprocess.Popen(
        [sys.executable, "-m", "fluxgym", "log", "small", "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while b"steps:" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(2)
        process.stdout.read()
        assert process.wait() == 130
        assert b"Traceback" not in process.stderr.read()


def test_follows_a_file_that_is_rotated(tmp_path):
    path = tmp_path / "any.log"
    path.write_text("one\n")
    command = [sys.executable, "-m", "fluxgym", "log", path, "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "one\n"
        with path.open("a") as file:
            file.write("two\n")
        assert process.stdout.readline() == "two\n"
        path.rename(tmp_path / "any.log.1")
        path.write_text("three\n")
        assert process.stdout.readline() == "three\n"
        assert process.stderr.readline() == "fluxgym: the log was cut or replaced; it goes on with the new one\n"
        process.send_signal(2)
        assert process.wait() == 130


def test_follows_a_training_whose_log_moves_away(outputs):
    """Nothing is said of it: it is the same log."""
    log = outputs / "any" / "training.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\n")
    pack(move(log, 1))
    log.write_text("three\n")
    command = [sys.executable, "-m", "fluxgym", "log", log, "-n", "2"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "two\nthree\n"
    with subprocess.Popen([*command, "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["two\n", "three\n"]
        for number in range(2, 5):
            append(log, b"last of %d\n" % number)
            pack(move(log, number))
            append(log, b"first of %d\n" % (number + 1))
            assert [process.stdout.readline() for _ in range(2)] == [f"last of {number}\n", f"first of {number + 1}\n"]
        process.send_signal(2)
        assert (process.wait(), process.stderr.read()) == (130, "")


def test_follows_an_unfinished_line(tmp_path):
    """It is printed once, when it is whole."""
    path = tmp_path / "any.log"
    path.write_text("one\ntw")
    with subprocess.Popen([sys.executable, "-m", "fluxgym", "log", path, "-f"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "one\n"
        with path.open("a") as file:
            file.write("o\n")
        assert process.stdout.readline() == "two\n"
        process.send_signal(2)
        assert process.wait() == 130
