"""A training that learns nothing but behaves like one, in milliseconds: log in our dialect, states, a whole LoRA, SIGTERM.

Run: `python tests/small_training.py <folder> [options]`; the options make it misbehave. Needs the standard library only."""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def say(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def write_lora(path: Path, names: tuple[str, ...] = ("a.lora_A.weight", "a.lora_B.weight")) -> None:
    """A .safetensors with one tensor of four fp32 numbers for each name."""
    tensors = {
        name: {"dtype": "F32", "shape": [2, 2], "data_offsets": [16 * number, 16 * (number + 1)]}
        for number, name in enumerate(names)
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16 * len(names)))
    beside.replace(path)


def write_state(folder: Path, step: int) -> Path:
    path = folder / f"{folder.name}-step{step:08d}-state"
    path.mkdir(exist_ok=True)
    (path / "weights.bin").write_bytes(bytes(8))
    said = {"step": step, "epoch": 0, "position": step, "files": {"weights.bin": 8}}
    (path / "state.json").write_text(json.dumps(said))
    return path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--end-at", type=int, help="end with --code right after this step")
    parser.add_argument("--code", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.01, help="s a step")
    parser.add_argument("--saving", type=float, default=0, help="s that it takes to save a state")
    parser.add_argument("--hold", type=Path, help="do not end before this file exists")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--child", action="store_true", help="start a child that leaves the group and ignores SIGTERM")
    parser.add_argument("--no-lora", action="store_true")
    return parser.parse_args()


def main() -> int:
    options, asked = parse(), []
    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.stubborn else lambda *_: asked.append(True))
    if options.child:
        child = subprocess.Popen([sys.executable, "-c", DEAF], start_new_session=True, stdout=subprocess.PIPE)
        child.stdout.readline()  # it is deaf from here on
        say(f"child {child.pid}")
    begin = json.loads((options.resume / "state.json").read_text())["step"] if options.resume else 0
    say(f"Training: {options.steps} steps, 1 epochs of {options.steps} steps, batch 1, 8 LoRA parameters, fp32 base on cpu")
    if options.resume:
        say(f"Resuming: step {begin} of {options.steps} from {options.resume}")
    say("Epoch 1/1")
    for step in range(begin + 1, options.steps + 1):
        time.sleep(options.pause)
        bar = f"steps: {step * 100 // options.steps:3d}%|#| {step}/{options.steps} [00:01<00:01, 10.00it/s"
        say(f"{bar}, loss={1 / step:.4f}, avr_loss={1 / step:.4f}, lr=2e-04]")
        if step == options.end_at:
            return options.code
        while options.hold and step == options.steps and not options.hold.exists() and not asked:
            time.sleep(0.01)
        if asked:
            say("Stopping: SIGTERM received, finishing the step")
            time.sleep(options.saving)
            state = write_state(options.folder, step)
            say(f"Training stopped at step {step} of {options.steps}: resume from {state}")
            return 143
    if not options.no_lora:
        write_lora(options.folder / f"{options.folder.name}.safetensors")
        say(f"Saving LoRA: {options.folder / options.folder.name}.safetensors")
    say("Training finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
