"""Two who want the same at the same moment."""

import contextlib
import subprocess
import sys

from fluxgym.run import lock
from fluxgym.run.care import write_care
from fluxgym.run.family import find_family
from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import RunIsNotActive, stop_run, wait_for_end
from fluxgym.run.status import read_status
from tests.faults.tree import NO_TURN, RUNNING, is_guarded, small_command, steps_in
from trainer.folder import RunFolder


def test_two_readers_adopt_at_once(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    look = f"from pathlib import Path; from fluxgym.run.launch import *; look_after(RunFolder(Path({str(folder.path)!r})))"
    readers = [subprocess.Popen([sys.executable, "-c", look]) for _ in range(4)]
    assert [reader.wait() for reader in readers] == [0] * 4
    wait_until(lambda: is_guarded(folder))
    assert folder.monitor_log.read_text().count("adopts the training") == 1
    assert lock.is_held(folder.lock)
    assert training.alive()
    assert stop_run(folder, wait=20).state == "stopped"


PRESS = "import sys; from fluxgym.run.launch import *; start_run(RunFolder(Path(sys.argv[1])), sys.argv[2:])"


def press(script: str, folder: RunFolder, *arguments: str) -> subprocess.Popen:
    """Somebody else's process, in which that is asked for."""
    command = [sys.executable, "-c", script, str(folder.path), *arguments]
    return subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)


def test_start_pressed_twice_at_the_same_moment(outputs, wait_until):
    """One of four starts it, the others are told so; there is one training."""
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    write_care(folder, NO_TURN)
    pressed = [press(PRESS, folder, *small_command(folder, *RUNNING)) for _ in range(4)]
    said = [process.communicate()[1] for process in pressed]
    assert sorted(process.returncode for process in pressed) == [0, 1, 1, 1]
    assert sum("RunIsActive" in text or "NameTaken" in text for text in said) == 3
    wait_until(lambda: read_status(folder).pid and steps_in(folder) > 3)
    assert len(find_family(folder)) == 1
    assert folder.training_log.read_text().count("=== Attempt") == 1
    assert stop_run(folder, wait=20).attempt == 1


RESUME_IT = "import sys; from fluxgym.run.launch import *; resume_run(RunFolder(Path(sys.argv[1])))"


def test_resume_pressed_twice_at_the_same_moment(running, wait_until):
    folder, _, _ = running(*RUNNING)
    stop_run(folder, wait=20)
    pressed = [press(RESUME_IT, folder) for _ in range(4)]
    said = [process.communicate()[1] for process in pressed]
    assert sorted(process.returncode for process in pressed) == [0, 1, 1, 1]
    assert sum("RunIsActive" in text for text in said) == 3
    wait_until(lambda: "Resuming: step" in folder.training_log.read_text())
    assert len(find_family(folder)) == 1
    assert stop_run(folder, wait=20).attempt == 2


def test_stop_and_the_end_at_the_same_moment(start_small, wait_until, tmp_path):
    """Whichever comes first, what is said is true of the files."""
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: steps_in(folder) == 5)
    (tmp_path / "go").touch()
    with contextlib.suppress(RunIsNotActive):
        stop_run(folder)
    status = wait_for_end(folder, 20)
    assert status.state == ("completed" if folder.lora.is_file() else "stopped")
    assert folder.lora.is_file() or status.resumable


# what a browser makes a server do at each refresh, until it is told to end
DASHBOARD = """
import sys
from streamlit.testing.v1 import AppTest
from pathlib import Path
from fluxgym.ui import visitor
visitor.who_asks = lambda: visitor.OWNER  # there is no gate in it
page, end = AppTest.from_file("dashboard.py", default_timeout=60), Path(sys.argv[1]) / "end"
while not end.exists():
    assert not page.run().exception, page.exception
    (Path(sys.argv[1]) / f"seen-{sys.argv[2]}").touch()
"""


def test_two_dashboards_and_a_terminal_on_one_folder(running, killed, wait_until):
    """All of them look while the supervisor dies: one takes its place, and all go on."""
    folder, supervisor, training = running(*RUNNING)
    dashboards = [press(DASHBOARD, folder, str(number)) for number in range(2)]
    wait_until(lambda: len(list(folder.path.glob("seen-*"))) == 2, 60)
    killed(supervisor)
    for seen in folder.path.glob("seen-*"):
        seen.unlink()
    listed = subprocess.run([sys.executable, "-m", "fluxgym", "list"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "Running" in listed.stdout
    wait_until(lambda: is_guarded(folder) and len(list(folder.path.glob("seen-*"))) == 2)
    assert folder.monitor_log.read_text().count("adopts the training") == 1
    stop = [sys.executable, "-m", "fluxgym", "stop", folder.name, "--wait"]
    stopped = subprocess.run(stop, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "Stopped by you" in stopped.stdout
    (folder.path / "end").touch()
    assert [process.wait(60) for process in dashboards] == [0, 0], [process.stderr.read() for process in dashboards]
    assert not training.alive()
