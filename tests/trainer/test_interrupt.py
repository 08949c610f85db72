"""Signals are requests: at once while there is nothing to save, after the step from then on, whatever was inherited."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.trainer.deaf import deaf
from trainer.interrupt import Stop, Stopped


@pytest.fixture
def stop():
    before, hook = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}, sys.unraisablehook
    made = Stop()
    made.listen()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)
    sys.unraisablehook = hook


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_once_while_there_is_nothing_to_save(stop, number):
    assert not stop
    with pytest.raises(Stopped):
        os.kill(os.getpid(), number)
    assert stop and stop.signal == number.name
    os.kill(os.getpid(), number)  # a second one does not disturb the leaving


def test_a_note_from_then_on(stop, capfd):
    stop.at_once = False
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.signal == "SIGTERM"
    assert capfd.readouterr().out.count("Stopping: SIGTERM received, finishing the step\n") == 1


def test_heard_though_it_comes_while_an_object_is_deleted(stop, capfd):
    """Python prints what a __del__ raises, and goes on."""

    class Deleted:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        Deleted()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.01)
    assert stop.signal == "SIGTERM"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_heard_though_the_parent_ignored_or_blocked_it(how):
    script = (
        "import os, signal; from trainer.interrupt import Stop, Stopped; stop = Stop(); stop.listen()\n"
        "try: os.kill(os.getpid(), signal.SIGTERM); print('deaf')\n"
        "except Stopped: print('heard')"
    )

    with deaf(signal.SIGTERM, ignores=how == "ignored", blocks=how == "blocked"):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "heard\n"
