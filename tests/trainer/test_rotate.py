"""The log moves away when it is full: no line is lost or comes twice, in whatever instant the training is killed."""

import signal
import subprocess
import sys
import textwrap

import pytest

from fluxgym.log.follow import FIRST, Follower, Source
from fluxgym.log.history import History
from fluxgym.log.parts import list_parts, open_part, read_part
from trainer.folder import RunFolder
from trainer.rotate import TrainingLog, is_written, pack_parts

STEP = "2026-11-24 10:00:00 steps:  10%|#| {0}/999 [00:01<00:27, 11.00it/s, loss=0.9, avr_loss=0.9, lr=2e-04]"
WRITE = f"""
import sys
from pathlib import Path
from trainer import rotate
from trainer.folder import RunFolder
from trainer.rotate import TrainingLog
first, last, megabytes, leads = (int(word) for word in sys.argv[2:])
log = TrainingLog(RunFolder(Path(sys.argv[1])), megabytes / 1e6, bool(leads))
PATCH
for step in range(first, last + 1):
    print("{STEP}".format(step), flush=True)
    log.turn()
"""


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    return folder


@pytest.fixture
def write(folder):
    """write(first, last, bytes, patch): a process that writes these steps into the log; its exit code."""

    def run(first, last, full=2000, patch="", leads=1):
        with folder.training_log.open("ab") as log:
            arguments = [str(number) for number in (first, last, full, leads)]
            command = [sys.executable, "-c", WRITE.replace("PATCH", textwrap.dedent(patch)), str(folder.path), *arguments]
            return subprocess.run(command, stdout=log, stderr=log, check=False, timeout=60).returncode

    return run


def read_all(folder):
    return [line for part in list_parts(folder.training_log) for line in part_lines(part)]


def part_lines(part):
    with open_part(part) as file:
        return read_part(file, 10**6).decode().splitlines()


def steps_of(lines):
    return [int(line.split("| ")[1].split("/")[0]) for line in lines if "steps:" in line]


def test_it_moves_and_goes_on_and_says_so(folder, write):
    assert write(1, 100) == 0
    parts = list_parts(folder.training_log)
    assert [part.name for part in parts[:2]] == ["training.0001.log.gz", "training.0002.log.gz"]
    assert steps_of(read_all(folder)) == [*range(1, 101)]
    for number, part in enumerate(parts[1:], 2):
        first, *rest = part_lines(part)
        assert first == f"=== Log part {number}, goes on from logs/training.{number - 1:04d}.log ==="
        assert not any(line.startswith("===") for line in rest)
    assert sorted(path.name for path in folder.path.iterdir()) == ["logs", "training.log"]
    assert not list(folder.old_logs.glob("*.new"))


@pytest.mark.parametrize("full", [0, 10**9])
def test_it_stays_where_it_is_not_full_or_is_never_to_be_moved(folder, write, full):
    assert write(1, 30, full) == 0
    assert not folder.old_logs.exists()
    assert steps_of(read_all(folder)) == [*range(1, 31)]


def test_an_output_that_is_no_log_is_left_alone(folder, capfd):
    folder.training_log.write_text("somebody else's")
    print("x" * 5000)
    TrainingLog(folder, 1e-6).turn()
    assert not folder.old_logs.exists()
    assert "x" in capfd.readouterr().out


KILL = """
    import os, signal
    calls = 0
    def deadly(name, do):
        def call(*given, **named):
            global calls
            calls += 1
            if calls == {0}:
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*given, **named)
        return call
    for name in ("rename", "unlink", "mkdir"):
        setattr(Path, name, deadly(name, getattr(Path, name)))
    for name in ("open", "write", "dup2", "fsync"):
        setattr(os, name, deadly(name, getattr(os, name)))
"""


@pytest.mark.parametrize("instant", range(1, 25))
def test_killed_in_any_instant_it_loses_nothing(folder, write, instant):
    """SIGKILL before each of the calls with which it moves and packs; the next attempt goes on."""
    assert write(1, 60, patch=KILL.format(instant)) == -signal.SIGKILL
    steps = steps_of(read_all(folder))
    assert steps == [*range(1, len(steps) + 1)]
    history = History(folder.training_log)
    history.update()
    assert list(history.steps) == steps
    assert write(len(steps) + 1, 100) == 0
    assert steps_of(read_all(folder)) == [*range(1, 101)]
    history.update()
    assert (list(history.steps), len(history.attempts) > 1) == ([*range(1, 101)], False)
    assert not list(folder.path.rglob("*.new"))


def test_it_is_followed_without_a_line_twice(folder, wait_until):
    """A History, a Follower and a Source that look all the time while it moves again and again."""
    log = folder.training_log.open("ab")
    history, follower, source = (
        History(folder.training_log),
        Follower(folder.training_log),
        Source(folder.training_log, 0, FIRST),
    )
    arguments = [str(folder.path), "1", "1500", "3000", "1"]
    writer = subprocess.Popen([sys.executable, "-c", WRITE.replace("PATCH", ""), *arguments], stdout=log, stderr=log)
    log.close()
    followed, read = [], b""

    def look():
        nonlocal read
        is_over = writer.poll() is not None
        history.update()
        chunk = follower.read()
        assert not chunk.restarted
        followed.extend(chunk.lines)
        while data := source.read()[0]:
            read += data
        return is_over

    wait_until(look, 60)
    assert steps_of(followed) == steps_of(read.decode().splitlines()) == list(history.steps) == [*range(1, 1501)]
    assert followed == read_all(folder)
    assert (history.lines, history.size) == (len(followed), len(read))
    assert len(list_parts(folder.training_log)) > 40


def test_another_process_follows_to_the_new_file(folder, wait_until):
    """Two processes with one log, as under a launcher; what the second says after a move is in the new file."""
    talk = WRITE.replace("PATCH", "").split("for step")[0] + "for line in sys.stdin:\n    print(line, end='', flush=True)\n"
    processes = []
    for leads in "10":
        with folder.training_log.open("ab") as log:
            command = [sys.executable, "-c", talk + "    log.turn()\n", str(folder.path), "0", "0", "20", leads]
            processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True))
    first, second = processes

    def say(process, text):
        process.stdin.write(f"{text}\n")
        process.stdin.flush()
        wait_until(lambda: any(text in line for line in read_all(folder)))

    say(second, "b: one")
    say(first, "a: long enough to move it")
    wait_until(folder.log_parts)
    say(second, "b: two, into the old file")
    say(second, "b: three")
    for process in processes:
        process.communicate(timeout=20)
    assert [process.returncode for process in processes] == [0, 0]
    part, live = list_parts(folder.training_log)
    assert part_lines(part) == ["b: one", "a: long enough to move it", "b: two, into the old file"]
    assert part_lines(live)[1:] == ["b: three"]


def test_what_another_process_still_writes_into_is_not_packed(folder):
    """A launcher keeps to the file that it was started with; its last words would be lost."""
    folder.old_logs.mkdir()
    part = folder.log_part(1)
    with part.open("ab") as log:
        launcher = subprocess.Popen([sys.executable, "-c", "print(input())"], stdin=subprocess.PIPE, stdout=log, text=True)
    assert is_written(part)
    pack_parts(folder)
    assert folder.log_parts() == {1: part}
    launcher.communicate("its last words\n", timeout=20)
    pack_parts(folder)
    [packed] = folder.log_parts().values()
    assert (packed.name, part_lines(packed)) == ("training.0001.log.gz", ["its last words"])


def test_a_deleted_log_is_not_followed(folder):
    """Whoever deletes or replaces the log has it so: nobody writes into a file of theirs."""
    with folder.training_log.open("ab") as log:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE.replace("PATCH", "sys.stdin.readline()"), str(folder.path), "1", "9", "10", "0"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    folder.training_log.unlink()
    folder.training_log.write_text("mine\n")
    writer.communicate(b"\n", timeout=20)
    assert (writer.returncode, folder.training_log.read_text(), folder.old_logs.exists()) == (0, "mine\n", False)


def test_without_room_it_goes_on_as_it_is(folder, write):
    """The disk is full when it should move: told, tried again later, and no line is lost."""
    patch = """
        import os
        real = os.write
        def write(file, data):
            if not Path(sys.argv[1], "room").exists():
                Path(sys.argv[1], "room").touch()
                raise OSError(28, "No space left on device")
            return real(file, data)
        os.write = write
    """
    assert write(1, 60, 2000, patch) == 0
    lines = read_all(folder)
    assert steps_of(lines) == [*range(1, 61)]
    assert sum("could not be moved" in line and "No space left on device" in line for line in lines) == 1
    assert len(list_parts(folder.training_log)) > 1
    assert not list(folder.path.rglob("*.new"))


def test_a_part_that_cannot_be_packed_stays_as_it_is(folder, capfd):
    folder.old_logs.mkdir()
    part = folder.log_part(1)
    part.write_bytes(b"x\n")
    part.with_name(f"{part.name}.gz.new").mkdir()
    pack_parts(folder)
    assert "could not be packed" in capfd.readouterr().out
    assert part.read_bytes() == b"x\n"
