"""Runs on disk that the tests of this folder look at: their records, states and logs."""

import json
import time

from fluxgym.log.history import History
from fluxgym.run.identity import Identity
from fluxgym.run.record import TRAINER, Attempt, Record, Verdict, write_record
from fluxgym.run.status import Status, read_status
from fluxgym.view.summary import summarise
from trainer.folder import RunFolder

NOW = 1_795_500_000.0
GONE = Identity(1, 1, "another boot")
RUNNING = Status("running", since=NOW - 60, started=NOW - 60, attempt=1, is_active=True, is_ours=True)
OURS = ["python", *TRAINER]


def make_run(path, log="", verdict=None, state="running", attempts=1, command=OURS, **record):
    """A run's folder with its log and its run.json; it has ended where there is a verdict."""
    folder = RunFolder(path)
    path.mkdir(parents=True)
    folder.training_log.write_text(log, encoding="utf-8")
    tried = [Attempt(number, NOW - 3600, ["python"], training=GONE) for number in range(1, attempts)]
    last = {"verdict": verdict, "ended": NOW, "training": GONE} if verdict else {}
    tried.append(Attempt(attempts, NOW - 3600, ["python"], **last))
    write_record(
        folder, Record(folder.name, NOW - 3600, command, verdict.state if verdict else state, NOW, attempts=tried, **record)
    )
    return folder


def make_state(folder, step, epoch, position=0):
    path = folder.epoch_state(epoch) if position == 0 else folder.step_state(step)
    path.mkdir()
    (path / "lora.safetensors").write_bytes(b"x" * 10)
    said = {"step": step, "epoch": epoch, "position": position, "files": {"lora.safetensors": 10}}
    (path / "state.json").write_text(json.dumps(said))
    return path


def failed(step, total, kind, message):
    return Verdict("failed", message, kind, ["the exit code is 1, expected 0"], step, total, ["the last line"])


def stamp(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW + seconds))


def step_lines(first, last, total, pace=2.0, loss=0.5):
    return "".join(
        f"{stamp(pace * step)} steps:   1%|          | {step}/{total} [00:00<00:27, 11.00it/s, "
        f"loss={loss:.4f}, avr_loss={loss:.4f}, lr=2e-04]\n"
        for step in range(first, last + 1)
    )


def validations(*losses, first=0):
    """`first`: the step of the first one; at 0 the base model is measured."""
    return "".join(f"{stamp(0)} Validation: loss {loss:.4f} at step {step}\n" for step, loss in enumerate(losses, first))


def overfitting(epochs, lowest, kept):
    """Epochs of 10 steps, of which the validation loss is lowest after one, and some save their LoRA."""
    log = ""
    for epoch in range(1, epochs + 1):
        log += f"{stamp(0)} Epoch {epoch}/{epochs}\n" + step_lines(10 * epoch - 9, 10 * epoch, 10 * epochs)
        log += f"{stamp(0)} Validation: loss {0.5 + abs(epoch - lowest) / 100:.4f} at step {10 * epoch}\n"
        log += f"{stamp(0)} Saving LoRA: outputs/a/a-{epoch:06d}.safetensors\n" if epoch in kept else ""
    return log


def tell_run(folder):
    history = History(folder.training_log)
    history.update()
    return summarise(folder, read_status(folder), history, NOW + 3600)
