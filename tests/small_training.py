"""A training that learns nothing but behaves like one, in milliseconds: log in our dialect, states, a whole LoRA, SIGTERM.

Run: `python tests/small_training.py <folder> [options]`; the options make it misbehave. Needs the standard library only."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
PHASES = {  # one after the other, with the line that tells of each
    "loading": "Loading transformer: small",
    "caching": "Caching latents: 1/2",
    "training": "Epoch 1/1",
    "sampling": "Sampling: prompt 1 of 1",
    "saving": "Saving checkpoint: the last state",
}


def say(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def write_lora(
    path: Path, names: tuple[str, ...] = ("a.lora_A.weight", "a.lora_B.weight"), metadata: dict[str, str] | None = None
) -> None:
    """A .safetensors with one tensor of four fp32 numbers for each name."""
    tensors = {
        name: {"dtype": "F32", "shape": [2, 2], "data_offsets": [16 * number, 16 * (number + 1)]}
        for number, name in enumerate(names)
    }
    header = json.dumps({"__metadata__": {"format": "pt"} | (metadata or {}), **tensors}).encode()
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16 * len(names)))
    beside.replace(path)


def write_state(folder: Path, step: int) -> Path:
    """As the trainer does: what is not whole has another name."""
    path = folder / f"{folder.name}-step{step:08d}-state"
    if path.exists():
        return path
    beside = path.with_name(path.name + ".new")
    beside.mkdir(exist_ok=True)
    (beside / "weights.bin").write_bytes(bytes(8))
    said = {"step": step, "epoch": 0, "position": step, "files": {"weights.bin": 8}}
    (beside / "state.json").write_text(json.dumps(said))
    beside.rename(path)
    return path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--pause", type=float, default=0.01, help="s a step")
    parser.add_argument("--state-at", type=int, help="save a state after this step")
    parser.add_argument("--saving", type=float, default=0, help="s that it takes to save a state")
    parser.add_argument("--hold", type=Path, help="stay in the phase --in until this file exists")
    parser.add_argument("--in", dest="phase", choices=PHASES, default="training")
    parser.add_argument("--end-at", type=int, help="end with --code right after this step")
    parser.add_argument("--code", type=int, default=0, help="exit code; negative: a signal to itself")
    parser.add_argument("--hang-at", type=int, help="make no step after this one")
    parser.add_argument("--hang", choices=HANGS, default="fifo")
    parser.add_argument("--attempts", type=int, default=1000, help="end early and hang in so many attempts only")
    parser.add_argument("--nan-from", type=int, default=sys.maxsize, help="the loss is no number from this step on")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--child", action="store_true", help="start a child that leaves the group and ignores SIGTERM")
    parser.add_argument("--workers", type=int, default=0, help="start so many children that ignore SIGTERM, in the group")
    parser.add_argument("--no-lora", action="store_true")
    return parser.parse_args()


# ---- how it hangs ----------------------------------------------------------------------------------------------------
def spin(folder: Path) -> None:
    """An endless loop at full CPU."""
    while True:
        folder.name  # noqa: B018


def block(folder: Path) -> None:
    """I/O that nobody answers."""
    fifo = folder / "fifo"
    if not fifo.exists():
        os.mkfifo(fifo)
    fifo.open("rb").read()


def freeze(folder: Path) -> None:
    """As by a person's Ctrl-Z, or a container that is paused."""
    os.kill(os.getpid(), signal.SIGSTOP)


HANGS: dict[str, Callable[[Path], None]] = {"spin": spin, "fifo": block, "stop": freeze}


# ---- what it does ----------------------------------------------------------------------------------------------------
class Training:
    """One attempt."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.folder, self.asked = options, options.folder, False
        signal.signal(signal.SIGTERM, signal.SIG_IGN if options.stubborn else self._stop_was_asked)
        attempt = int(os.environ.get("FLUXGYM_ATTEMPT", "-1").rpartition("-")[2])
        self.misbehaves = attempt <= options.attempts
        self.begin = json.loads((options.resume / "state.json").read_text())["step"] if options.resume else 0

    def _stop_was_asked(self, *_: object) -> None:
        self.asked = True

    def run(self) -> int:
        """All phases; returns the exit code."""
        for phase in ("loading", "caching"):
            if self._enter(phase):
                say("Training stopped before its first step: nothing was lost, resume begins again")
                return 143
        if (code := self._train()) is not None:
            return code
        for phase in ("sampling", "saving"):
            if self._enter(phase):
                return self._leave(self.options.steps)
        if not self.options.no_lora:
            write_lora(self.folder / f"{self.folder.name}.safetensors")
            say(f"Saving LoRA: {self.folder / self.folder.name}.safetensors")
        say("Training finished")
        return 0

    def _enter(self, phase: str) -> bool:
        """Says it, and stays in it where that is wanted. Whether it was asked to stop meanwhile."""
        say(PHASES[phase])
        if phase == self.options.phase:
            if phase == "saving":  # half of it is there
                (self.folder / f"{self.folder.name}.safetensors.new").write_bytes(b"half")
            self._hold()
        return self.asked

    def _hold(self) -> None:
        while self.options.hold and not self.options.hold.exists() and not self.asked:
            time.sleep(0.01)

    def _train(self) -> int | None:
        options = self.options
        size = f"1 epochs of {options.steps} steps, batch 1, 8 LoRA parameters, fp32 base on cpu"
        say(f"Training: {options.steps} steps, {size}")
        if options.resume:
            say(f"Resuming: step {self.begin} of {options.steps} from {options.resume}")
        say(PHASES["training"])
        for step in range(self.begin + 1, options.steps + 1):
            time.sleep(options.pause)
            bar = f"steps: {step * 100 // options.steps:3d}%|#| {step}/{options.steps} [00:01<00:01, 10.00it/s"
            loss = 1 / step if step < options.nan_from else float("nan")
            say(f"{bar}, loss={loss:.4f}, avr_loss={loss:.4f}, lr=2e-04]")
            if step == options.state_at:
                say(f"Saving checkpoint: {write_state(self.folder, step)}")
            if self.misbehaves and step == options.end_at:
                return self._break_off()
            if self.misbehaves and step == options.hang_at:
                HANGS[options.hang](self.folder)
            if step == options.steps and options.phase == "training":
                self._hold()
            if self.asked:
                say("Stopping: SIGTERM received, finishing the step")
                return self._leave(step)
        return None

    def _break_off(self) -> int:
        if self.options.code < 0:
            os.kill(os.getpid(), -self.options.code)
        return self.options.code

    def _leave(self, step: int) -> int:
        time.sleep(self.options.saving)
        state = write_state(self.folder, step)
        say(f"Training stopped at step {step} of {self.options.steps}: resume from {state}")
        return 143


def start_children(options: argparse.Namespace) -> None:
    for leaves in [True] * options.child + [False] * options.workers:
        child = subprocess.Popen([sys.executable, "-c", DEAF], start_new_session=leaves, stdout=subprocess.PIPE)
        child.stdout.readline()  # it is deaf from here on
        say(f"child {child.pid}")


def main() -> int:
    options = parse()
    start_children(options)
    return Training(options).run()


if __name__ == "__main__":
    sys.exit(main())
