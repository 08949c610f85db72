"""Every setting of trainer/config.py as the Train page shows it: label, meaning, range, choices, and what kind of widget it is.

Made of the models themselves, so that a setting that is added there is on the page. Only words for people are added here.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainer.config import Config
from trainer.explain import expect, is_section

SWITCH, WHOLE, DECIMAL, CHOICE, WORD, TEXT, TEXTS = "switch", "whole", "decimal", "choice", "word", "text", "texts"
"""Kinds: true or false; numbers; one of some names; a name or something else that is typed; a line; several lines."""

LARGEST = 2**53 - 1  # of the numbers that a browser shows as they are
SECTIONS = {
    "": "Run",
    "model": "Model",
    "data": "Data",
    "lora": "LoRA",
    "train": "Training",
    "sample": "Samples",
    "save": "Saving",
    "memory": "Memory",
    "speed": "Speed",
    "log": "Log",
    "slurm": "Slurm",
}
LABELS = {  # where the name alone does not read well, or a unit is missing
    "model.base": "Base model",
    "model.vae": "VAE",
    "model.clip": "CLIP-L",
    "model.t5": "T5-XXL",
    "model.qwen": "Qwen3",
    "model.dtype": "Numbers of the base",
    "model.quantise": "Quantise the base",
    "model.matmul_8bit": "Multiply in 8 bits",
    "model.max_sequence_length": "Tokens per caption",
    "data.folder": "Folder of images",
    "data.resolution": "Resolution, px",
    "data.flip": "Mirror at random",
    "data.shuffle_tags": "Shuffle tags",
    "data.masks": "Folder of masks",
    "data.regularisation": "Folder of regularisation images",
    "data.regularisation_images": "Regularisation images per batch",
    "data.regularisation_weight": "Weight of regularisation images",
    "lora.start_from": "Start from a LoRA",
    "train.warmup_steps": "Warm-up, steps",
    "train.decay": "Decay, share of steps",
    "train.ema": "Moving average (EMA)",
    "train.max_grad_norm": "Clip gradients at",
    "train.guidance": "Guidance in training",
    "train.accumulation": "Pieces of a batch",
    "sample.prompts": "Sample prompts, one a line",
    "sample.prompts_file": "File of prompts",
    "sample.every_epochs": "Sample every, epochs",
    "sample.every_steps": "Sample every, steps",
    "sample.steps": "Steps per sample",
    "sample.guidance": "Guidance of samples",
    "sample.width": "Sample width, px",
    "sample.height": "Sample height, px",
    "sample.seed": "Seed of samples",
    "save.every_epochs": "Save the LoRA every, epochs",
    "save.state_every_epochs": "Save the state every, epochs",
    "save.keep_states": "States to keep",
    "save.dtype": "Numbers in LoRA files",
    "save.kohya": "Save in kohya's form too",
    "memory.preset": "GPU memory",
    "speed.compile": "Compile the model",
    "log.speed_every": "Tell speed every, steps",
    "log.rotate_mb": "Pack the log at, MB",
    "slurm.qos": "QOS",
    "slurm.gpus": "GPUs per node",
    "slurm.cpus": "CPU cores per node",
    "slurm.memory": "Memory per node",
    "slurm.lines": "More lines of the script, one a line",
}
CHOICES: dict[str, dict[Any, str]] = {  # what a value is called on the page, where it is not called what it is
    "memory.preset": {"auto": "As much as is free", "off": "Do not fit it"}
    | {size: f"{size} GB" for size in ("24", "16", "12", "8")},
    "train.gradient_checkpointing": {True: "all blocks", False: "none"},
    "speed.compile": {True: "yes", False: "no"},
}


@dataclass(frozen=True)
class Setting:
    """One field of the config. `key` is its place in config.toml: "train.epochs"."""

    key: str
    label: str
    meaning: str  # its description in config.py
    expected: str  # what it may be, in words
    kind: str
    default: Any  # as the form holds it; None where there is none or it is unset
    is_optional: bool  # may be left empty
    choices: dict[Any, str]  # what each is called; of a WORD those that need not be typed
    step: float  # by how much one click changes a number
    types: frozenset[Any]  # bool, int, float, str, list: what a value may be

    @property
    def section(self) -> str:
        return self.key.rpartition(".")[0]

    @property
    def format(self) -> str:
        """How a number is shown: as short as it can be, small ones as 1e-4."""
        if self.kind == WHOLE:
            return "%d"
        return "%e" if isinstance(self.default, float) and 0 < self.default < 1e-3 else "%g"

    @property
    def help(self) -> str:
        """What it means, may be, is by default, and is called in config.toml."""
        default = f" Default: {self.show(self.default)}." if self.default not in (None, "", []) else ""
        expected = "" if self.kind in (SWITCH, TEXT, TEXTS) else f"{self.expected[:1].upper()}{self.expected[1:]}."
        return f"{self.meaning}\n\n{expected}{default} In config.toml: {self.key}"

    def show(self, value: Any) -> str:
        """A value as somebody would type it."""
        if value in (None, ""):
            return "unset" if self.is_optional else "-"
        for choice, name in self.choices.items():
            if is_same(choice, value):
                return name
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, list):
            return (", " if self.kind == WORD else " | ").join(str(each) for each in value)
        return _show_number(value) if isinstance(value, float) else str(value)

    def read(self, text: Any) -> Any:
        """What was typed as a value; what cannot be one stays as it is, for the config to refuse it with its reasons."""
        if not isinstance(text, str) or self.kind != WORD:
            return text
        named = {name: choice for choice, name in self.choices.items()}
        typed = text.strip()
        if typed in named or not typed:
            return named.get(typed, typed)
        if list in self.types and "," in typed:
            return [self._read_one(part.strip()) for part in typed.split(",") if part.strip()]
        one = self._read_one(typed)
        return [one] if str in self.types and list in self.types else one

    def _read_one(self, text: str) -> Any:
        for kind in (int, float):
            if kind in self.types:
                try:
                    return kind(text)
                except ValueError:
                    continue
        return text

    def tidy(self, value: Any) -> Any:
        """The same value as the form holds it: a decimal is a float, what is unset is an empty text."""
        if value is None:
            return None if self.kind in (WHOLE, DECIMAL) else ""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if is_whole and float in self.types and int not in self.types else value

    def fits(self, value: Any) -> bool:
        """Whether a value is of a type that the widget can show; which may be wrong, but not break the page."""
        if self.kind in (WHOLE, DECIMAL):
            return value is None or (_is_number(value) and (self.kind == DECIMAL or isinstance(value, int)))
        if self.kind == SWITCH:
            return isinstance(value, bool)
        if self.kind == TEXTS or isinstance(value, list):
            is_list = isinstance(value, list) and list in self.types
            return is_list and all(isinstance(each, str) or (_is_number(each) and int in self.types) for each in value)
        if isinstance(value, bool):
            return bool in self.types
        return isinstance(value, str) or (self.kind == WORD and _is_number(value))


def _show_number(value: float) -> str:
    """As the field shows it: 0.05, 8e-4."""
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{value:g}" if not 0 < abs(value) < 1e-3 else f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _is_number(value: Any) -> bool:
    """A browser knows no larger whole numbers, and no others that are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def is_same(value: Any, other: Any) -> bool:
    """1 is True for Python, and not for a setting; 1 is 1.0 for both."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


@cache
def list_settings() -> tuple[Setting, ...]:
    """All of them, in the order of config.py."""
    return tuple(_walk(Config, ""))


def find_setting(key: str) -> Setting | None:
    """The setting of this name; None where there is none."""
    return _by_key().get(key)


def search(text: str) -> list[Setting]:
    """The settings in whose label, name or meaning each of these words is; those that are called so first."""
    words = text.casefold().split()
    found = [each for each in list_settings() if all(word in _text_of(each) for word in words)]
    return sorted(found, key=lambda each: not all(word in f"{each.label} {each.key}".casefold() for word in words))


@cache
def _by_key() -> dict[str, Setting]:
    return {setting.key: setting for setting in list_settings()}


def _text_of(setting: Setting) -> str:
    choices = " ".join(map(str, setting.choices))
    name = setting.key.replace("_", " ")
    return f"{setting.label} {setting.key} {name} {SECTIONS[setting.section]} {setting.meaning} {choices}".casefold()


def _walk(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if is_section(field.annotation):
            yield from _walk(field.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            yield _describe(f"{prefix}{name}", field)


def _describe(key: str, field: FieldInfo) -> Setting:
    parts = list(_take_apart(field.annotation))
    names = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    kinds = {get_origin(part) or part for part in parts} - {Literal}
    named: dict[Any, str] = {name: str(name) for name in names}
    if bool in kinds and (names or len(kinds) > 1):
        named |= {True: "true", False: "false"}
    setting = Setting(
        key=key,
        label=field.title or LABELS.get(key) or key.rpartition(".")[2].replace("_", " ").capitalize(),
        meaning=str(field.description),
        expected=expect(field.annotation, field.metadata),
        kind=_find_kind(kinds, bool(names)),
        default=None if field.is_required() else field.get_default(call_default_factory=True),
        is_optional=type(None) in get_args(field.annotation),
        choices=named | CHOICES.get(key, {}),
        step=_find_step(kinds, field),
        types=frozenset(kinds | {type(name) for name in names}),
    )
    return replace(setting, default=setting.tidy(setting.default))


def _find_kind(kinds: set[Any], has_names: bool) -> str:
    if len(kinds) + has_names > 1:
        return WORD if kinds != {bool} else CHOICE
    if has_names:
        return CHOICE
    return {bool: SWITCH, int: WHOLE, float: DECIMAL, list: TEXTS}.get(next(iter(kinds)), TEXT)


def _find_step(kinds: set[Any], field: FieldInfo) -> float:
    """A multiple of it where there must be one; of decimals what is fine enough for their default and their range."""
    limits = {name: getattr(limit, name) for limit in field.metadata for name in ("le", "multiple_of") if hasattr(limit, name)}
    if float not in kinds:
        return int(limits.get("multiple_of", 1))
    if isinstance(field.default, float) and 0 < field.default < 1e-3:
        return field.default / 10
    if limits.get("le", 100) > 20:
        return 1.0
    return 0.05 if limits["le"] <= 1 else 0.5 if field.default and field.default >= 1 else 0.1


def _take_apart(annotation: Any) -> Iterator[Any]:
    """The types of a union, without limits and None."""
    if get_origin(annotation) is Annotated:
        yield from _take_apart(get_args(annotation)[0])
    elif get_origin(annotation) in (types.UnionType, Union):
        for part in get_args(annotation):
            yield from _take_apart(part)
    elif annotation is not type(None):
        yield annotation
