"""Two runs full of things that no visitor may learn, and one to be shown."""

import getpass
import os
import socket
import time
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fluxgym.run.identity import Identity
from fluxgym.run.record import Attempt, Record, Verdict, write_record
from tests.small_training import write_lora
from trainer.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
KEY = "the-key-of-all-attack-tests-0123456789"
ENVIRONMENT = {  # of the server
    "FLUXGYM_KEY": KEY,
    "HF_TOKEN": "hf_PlantedPlantedPlantedPlantedPlan",
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "PLANTED_PASSWORD": "planted-in-the-environment",
}
SHOWN, OTHER = "shown", "the-vaulted-run"
LOG_WORD, PROMPT, RATE, NOTE = "planted-log-word", "planted-prompt", "0.000123987", "planted-note-on-a-star"
LORA_WORD = "planted-in-the-lora"
PLACE = "/mnt/planted-place"
COMMAND = "--planted-option"
OTHER_WORD = "planted-word-of-the-other-run"
CONFIG = """name = "{name}"
trigger = "planted-trigger"
[model]
base = "{place}/flux-planted"
[data]
folder = "{place}/planted-pictures"
[train]
epochs = 2
learning_rate = {rate}
[sample]
prompts = ["{prompt} on a hill"]
"""
STEP = "steps: {percent:3d}%|#####     | {step}/20 [00:00<00:27, 11.00it/s, loss={loss:.4f}, avr_loss={loss:.4f}, lr=1e-04]"
SAMPLE = "_e000001_00_20261124101502_42.png"


def never(outputs: Path) -> dict[str, bytes]:
    """What no visitor may read anywhere, by what it is."""
    said = {
        "the key": KEY,
        "a token of the environment": ENVIRONMENT["HF_TOKEN"],
        "another of them": ENVIRONMENT["WANDB_API_KEY"],
        "a password of the environment": ENVIRONMENT["PLANTED_PASSWORD"],
        "the outputs' path": str(outputs),
        "the checkout's path": str(ROOT),
        "a place of the data": PLACE,
        "the command line": COMMAND,
        "the other run": OTHER,
        "its log": OTHER_WORD,
        "a note of the owner": NOTE,
        "the machine": socket.gethostname(),
        "a token in the log": "hf_AnotherPlantedTokenOfTheLog12345",
        "a mail address": "planted@example.org",
    }
    if (user := getpass.getuser()) not in ("root", "user", "ubuntu", "runner"):
        said["the user"] = user
    return {name: value.encode() for name, value in said.items() if len(value) > 3}


def unticked() -> dict[str, bytes]:
    """What a link without ticks does not show."""
    said = {"the log": LOG_WORD, "a prompt": PROMPT, "a setting": RATE, "the trigger": "planted-trigger"}
    return {name: value.encode() for name, value in said.items()} | {"a LoRA": b".safetensors", "a sample": SAMPLE.encode()}


def write_runs(outputs: Path) -> None:
    """The one that is shown, ended, and the other."""
    write_run(RunFolder(outputs / SHOWN), LOG_WORD)
    write_run(RunFolder(outputs / OTHER), OTHER_WORD)


def write_run(folder: RunFolder, word: str) -> None:
    folder.path.mkdir(parents=True)
    folder.samples.mkdir()
    place = f"{folder.path}/{folder.name}"
    prompt = PROMPT if folder.name == SHOWN else f"{OTHER_WORD}-prompt"
    folder.config.write_text(CONFIG.format(name=folder.name, place=PLACE, rate=RATE, prompt=prompt))
    gone = Identity(1, 1, "another boot")
    command = ["python", "-m", "trainer", str(folder.config), COMMAND]
    now = time.time()
    verdict = Verdict("completed", "all 20 steps are done", "", [f"the LoRA {place}.safetensors is whole"], 20, 20, [])
    attempt = Attempt(1, now - 600, command, verdict=verdict, ended=now - 60, training=gone)
    write_record(folder, Record(folder.name, now - 600, command, "completed", now - 60, attempts=[attempt]))
    folder.training_log.write_text(tell_log(folder, word))
    folder.monitor_log.write_text(f"{stamp(0)} state completed, {place}, host {socket.gethostname()}\n")
    write_lora(folder.lora, metadata={"folder": PLACE, "said": LORA_WORD})
    folder.board.write_text(f'{{"notes": {{"{folder.lora.name}": "{NOTE}"}}, "stars": ["{folder.lora.name}"]}}')
    draw(folder.samples / f"{folder.name}{SAMPLE}")


def stamp(second: int) -> str:
    return f"2026-11-24 10:15:{second:02d}"


def tell_log(folder: RunFolder, word: str) -> str:
    lines = [
        f"Training: 20 steps, 2 epochs of 10 steps, batch 1, 8 LoRA parameters, {folder.path} on {socket.gethostname()}",
        f"the word is {word}, written by planted@example.org in {Path.home()}/planted-home and {PLACE}/planted-pictures",
        f"login with hf_AnotherPlantedTokenOfTheLog12345 and {os.environ.get('USER', 'root')}",
        f"HF_TOKEN={ENVIRONMENT['HF_TOKEN']} PLANTED_PASSWORD={ENVIRONMENT['PLANTED_PASSWORD']}",
        f"wandb: {ENVIRONMENT['WANDB_API_KEY']}",
        "Epoch 1/2",
    ]
    lines += [STEP.format(percent=5 * step, step=step, loss=1 / step) for step in range(1, 11)]
    lines += ["Validation: loss 0.4000 at step 10", "Epoch 2/2"]
    lines += [STEP.format(percent=5 * step, step=step, loss=1 / step) for step in range(11, 21)]
    lines += [f"Saving LoRA: {folder.lora}", "Training finished"]
    return "".join(f"{stamp(number)} {line}\n" for number, line in enumerate(lines))


def draw(path: Path) -> None:
    """A picture whose metadata say how it was made, as many trainers write them."""
    said = PngInfo()
    said.add_text("parameters", f"planted-metadata, {PLACE}")
    Image.new("RGB", (64, 64), "teal").save(path, pnginfo=said)
