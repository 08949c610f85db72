"""Folders of runs as years of training leave them, made by the thousand: ended in every way, and some of another tool."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from fluxgym.run.identity import Identity
from fluxgym.run.record import TRAINER, Attempt, Record, Verdict
from trainer.folder import RunFolder

STEPS = 100  # of a run that is completed
GONE = Identity(1, 1, "another boot")
NAMES = ("robot", "cat", "portrait", "ink", "clay", "harbour", "moth", "brick")
LORA = {"lora_A.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}
ENDS = {  # how, of so many runs of a dozen
    "completed": 7,
    "failed": 2,
    "stopped": 1,
    "lost": 1,
    "foreign": 1,
}
KINDS = [kind for kind, count in ENDS.items() for _ in range(count)]


def make_folders(root: Path, count: int, until: float | None = None) -> list[RunFolder]:
    """`count` runs, an hour between them, the last of which ended at `until`, s since 1970; a day ago where that is None."""
    root.mkdir(parents=True, exist_ok=True)
    until = time.time() - 86_400 if until is None else until
    return [make_folder(root, number, until - 3600.0 * (count - 1 - number)) for number in range(count)]


def make_folder(root: Path, number: int, ended: float) -> RunFolder:
    """One run that ended at a time, s since 1970; how is told by its number."""
    kind = KINDS[number % len(KINDS)]
    folder = RunFolder(root / f"{NAMES[number % len(NAMES)]}-{number:05d}")
    folder.path.mkdir()
    step = STEPS if kind in ("completed", "foreign") else STEPS // 2 + number % (STEPS // 2)
    folder.training_log.write_text("".join(_lines(kind, number, step, ended - 3000.0)), encoding="utf-8")
    if kind != "foreign":
        _write_record(folder, kind, step, ended)
        folder.config.write_text(f'name = "{folder.name}"\n\n[model]\nbase = "flux-mini"\n', encoding="utf-8")
        folder.care.write_text('{"version": 1, "place": "auto"}', encoding="utf-8")
        folder.lock.touch()
        _write_files(folder, kind)
    for path in (*folder.path.iterdir(), folder.path):
        os.utime(path, (ended, ended))
    return folder


def _write_record(folder: RunFolder, kind: str, step: int, ended: float) -> None:
    failure = ("oom", "CUDA ran out of memory at the batch under way.") if kind == "failed" else (None, f"It is {kind}.")
    lines = [f"line {number} of the end of the log" for number in range(20)] if kind == "failed" else []
    verdict = Verdict(kind, failure[1], failure[0], [], step, STEPS, lines)
    command = ["python", *TRAINER, str(folder.config)]
    attempt = Attempt(1, ended - 3000, command, training=GONE, ended=ended, seconds=3000.0, exit_code=0, verdict=verdict)
    record = asdict(Record(folder.name, ended - 3000, command, kind, ended, None, [attempt]))
    del record["problem"]
    folder.record.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _write_files(folder: RunFolder, kind: str) -> None:
    if kind == "completed":
        head = json.dumps(LORA).encode()
        folder.lora.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    if kind in ("completed", "stopped"):
        state = folder.epoch_state(1)
        state.mkdir()
        (state / "lora.safetensors").write_bytes(bytes(10))
        said = {"step": STEPS // 2, "epoch": 1, "position": 0, "files": {"lora.safetensors": 10}}
        (state / "state.json").write_text(json.dumps(said), encoding="utf-8")


def _lines(kind: str, number: int, steps: int, began: float) -> list[str]:
    """Its log: two epochs with a validation after each."""
    stamps = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began + 29.0 * step)) for step in range(steps + 1)]
    lines = [f"{stamps[0]} Training: {STEPS} steps, 2 epochs\n"]
    for step in range(1, steps + 1):
        if step % (STEPS // 2) == 1:
            lines.append(f"{stamps[step]} Epoch {1 + step // (STEPS // 2)}/2\n")
        loss = 0.2 + 1 / (1 + step**0.5) + number % 97 / 1000
        bar = f"steps: {step:3d}%|#####     | {step}/{STEPS} [00:29<00:27, 29.0s/it, "
        lines.append(f"{stamps[step]} {bar}loss={loss + step % 7 / 50:.4f}, avr_loss={loss:.4f}, lr=2e-04]\n")
        if step % (STEPS // 2) == 0:
            lines.append(f"{stamps[step]} Validation: loss {loss:.4f} at step {step}\n")
    return [*lines, f"{stamps[steps]} Training finished\n"] if kind == "completed" else lines
