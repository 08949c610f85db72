"""Following a run to its end, or leaving it."""

import os
import signal
import threading
from dataclasses import replace

from fluxgym.run.launch import stop_run
from fluxgym.run.status import Status, read_status
from fluxgym.terminal.output import INTERRUPTED, sentence
from trainer.folder import RunFolder


def test_another_command_is_started_again(outputs):
    status = Status("failed", "Words.", can_restart=True)
    assert sentence(RunFolder(outputs / "a"), status).endswith("Words. Resume starts the command again, from its beginning.")
    ours = replace(status, is_ours=True)
    assert sentence(RunFolder(outputs / "a"), ours).endswith("Nothing was saved; resume begins at the beginning.")


def test_wait_can_be_left(outputs, say, start_small, wait_until):
    """Ctrl-C ends the waiting; the run goes on, and that is said."""
    folder = start_small("--steps", "20000")
    wait_until(lambda: read_status(folder).pid and "steps:" in folder.training_log.read_text())
    stop_run(folder, wait=20)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored

    def press() -> None:
        wait_until(lambda: "Resuming: step" in folder.training_log.read_text())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    code, out, _ = say("resume", "small", "--wait")
    assert code == INTERRUPTED
    assert out.endswith("The run goes on. Stop it with: python -m fluxgym stop small\n")
    assert stop_run(folder, wait=20).state == "stopped"
