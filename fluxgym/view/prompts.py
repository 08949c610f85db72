"""What a run draws its samples of, and the word by which its LoRA is called: as its own settings say, or another tool's."""

import re
import tomllib
from typing import Any

import yaml

from fluxgym.run.folders import PROJECT
from fluxgym.run.lora_file import read_header
from trainer.folder import RunFolder
from trainer.prompts import Picture, parse_prompt, read_prompt_file

KOHYA, AI_TOOLKIT = "sample_prompts.txt", "config.yaml"
UNREADABLE = (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError, yaml.YAMLError)
Prompts = list[tuple[str, int | None]]


def read_prompts(folder: RunFolder) -> Prompts:
    """(prompt, seed) in their order; the seed is None where it is not known. Empty where no settings can be read."""
    for read in (_ours, _ai_toolkit, _kohya):
        try:
            return read(folder)
        except UNREADABLE:
            continue
    return []


def read_trigger(folder: RunFolder) -> str:
    """The trigger word, empty where nothing says it: the settings, else the metadata of a LoRA file."""
    for read in (lambda: _settings(folder)["trigger"], lambda: _process(folder)["trigger_word"]):
        try:
            return str(read() or "")
        except UNREADABLE:
            continue
    said = (read_header(path).metadata.get("modelspec.trigger_phrase") for path in folder.loras())
    return next(filter(None, said), "")


def settings_stamp(folder: RunFolder) -> list[int]:
    """Other when one of the files is that the prompts are read from."""
    stamps = []
    for path in (folder.config, folder.path / AI_TOOLKIT, folder.path / KOHYA):
        try:
            stamps.append(path.stat().st_mtime_ns)
        except OSError:
            stamps.append(0)
    return stamps


def _settings(folder: RunFolder) -> dict[str, Any]:
    return tomllib.loads(folder.config.read_text(encoding="utf-8"))


def _ours(folder: RunFolder) -> Prompts:
    settings = _settings(folder)
    sample = settings.get("sample", {})
    trigger, seed = settings.get("trigger", ""), int(sample.get("seed", 42))
    lines = [str(prompt) for prompt in sample.get("prompts", [])]
    lines += read_prompt_file(PROJECT / sample["prompts_file"]) if sample.get("prompts_file") else []
    return [_read_line(line.replace("[trigger]", trigger), seed + number) for number, line in enumerate(lines)]


def _read_line(line: str, seed: int) -> tuple[str, int | None]:
    """The text and the seed of a prompt with options behind it; all of it where it is none."""
    try:
        picture = parse_prompt(line, Picture("", seed=seed))
    except ValueError:
        return line, seed
    return picture.prompt, picture.seed


def _process(folder: RunFolder) -> dict[str, Any]:
    """What ai-toolkit keeps of its job in the folder that it writes to."""
    said = yaml.safe_load((folder.path / AI_TOOLKIT).read_text(encoding="utf-8"))
    return said["config"]["process"][0]


def _ai_toolkit(folder: RunFolder) -> Prompts:
    process = _process(folder)
    sample, trigger = process["sample"], process.get("trigger_word") or ""
    said = [each if isinstance(each, dict) else {"prompt": each} for each in sample.get("samples") or sample["prompts"]]
    seed, walks = sample.get("seed"), bool(sample.get("walk_seed"))
    seeds = [each.get("seed", None if seed is None else int(seed) + walks * number) for number, each in enumerate(said)]
    return [(_text(each["prompt"]).replace("[trigger]", trigger), seed) for each, seed in zip(said, seeds, strict=True)]


def _text(said: Any) -> str:
    """Raises TypeError for what is none: a few lines of YAML can stand for a text of gigabytes."""
    if not isinstance(said, str | int | float):
        raise TypeError(f"got {type(said).__name__}, expected a prompt")
    return str(said)


def _kohya(folder: RunFolder) -> Prompts:
    """One prompt a line, its options behind it: a robot --w 512 --d 42"""
    lines = (folder.path / KOHYA).read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.strip().split(" --") for line in lines if line.strip() and not line.startswith("#")]
    seeds = [[int(option[2:]) for option in options if re.fullmatch(r"d \d{1,19}\s*", option)] for _, *options in said]
    return [(prompt, seed[0] if seed else None) for (prompt, *_), seed in zip(said, seeds, strict=True)]
