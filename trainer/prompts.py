"""Prompts as kohya's prompt files write them: a text with options behind it, one picture a line. Imports no torch.

    a sks robot in the snow --n blurry --w 768 --h 512 --s 28 --g 3.5 --l 1.0 --d 42

    --w, --h  width and height, px            --d  seed
    --s       denoising steps                 --n  what it must not show (needs --l over 1)
    --g       guidance fed to the model       --l  scale of classifier-free guidance; 1: none, and half the time

kohya-ss/sd-scripts, library/train_util.py, line_to_prompt_dict; others of its options are refused by name."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

OPTION = re.compile(r"(?:^|\s)--([a-zA-Z_]+)(?=\s|$)")
NUMBERS: dict[str, tuple[str, type, float, float]] = {  # option: field, type, from, to
    "w": ("width", int, 64, 2048),
    "h": ("height", int, 64, 2048),
    "s": ("steps", int, 1, 100),
    "d": ("seed", int, 0, 2**31 - 1),
    "g": ("guidance", float, 0, 100),
    "l": ("cfg", float, 1, 100),
}
SIDE = 16  # px; sides are multiples of it
CHOICES = ", ".join(f"--{name}" for name in (*NUMBERS, "n"))


@dataclass(frozen=True)
class Picture:
    """One picture to draw."""

    prompt: str
    negative: str = ""
    width: int = 512  # px
    height: int = 512  # px
    steps: int = 20  # of denoising
    guidance: float = 3.5  # fed to the model
    cfg: float = 1.0  # scale of classifier-free guidance; over 1 each step takes a second pass, with the negative prompt
    seed: int = 42


def parse_prompt(line: str, defaults: Picture) -> Picture:
    """What a line asks for. Raises ValueError about an option that is unknown, or whose value cannot be."""
    parts = OPTION.split(line)
    picture = replace(defaults, prompt=parts[0].strip())
    if not picture.prompt:
        raise ValueError(f"got {line.strip()!r}, expected a prompt before its options")
    for name, value in zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True):
        if name == "n":
            picture = replace(picture, negative=value)
        elif name in NUMBERS:
            picture = replace(picture, **{NUMBERS[name][0]: _read_number(name, value)})
        else:
            raise ValueError(f"got the option --{name} in {line.strip()!r}, expected one of {CHOICES}")
    return picture


def _read_number(name: str, value: str) -> Any:
    _, kind, low, high = NUMBERS[name]
    expected = f"a {'whole ' if kind is int else ''}number from {low:g} to {high:.10g}"
    expected += f", a multiple of {SIDE}" if name in ("w", "h") else ""
    try:
        number = kind(value)
    except ValueError as error:
        raise ValueError(f"got --{name} {value!r}, expected {expected}") from error
    if not low <= number <= high or (name in ("w", "h") and number % SIDE):
        raise ValueError(f"got --{name} {value}, expected {expected}")
    return number


def read_prompt_file(path: Path) -> list[str]:
    """The lines of a prompt file; empty ones and comments (#) are none. Raises ValueError when it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"got the prompt file {path}, which cannot be read: {error}; expected UTF-8 text") from error
    prompts = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not prompts:
        raise ValueError(f"got the prompt file {path} without a prompt, expected one on each line")
    return prompts
