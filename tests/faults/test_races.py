"""Two who want the same at the same moment."""

import subprocess
import sys

from fluxgym.run import lock
from fluxgym.run.launch import stop_run
from tests.faults.tree import RUNNING, is_guarded


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
