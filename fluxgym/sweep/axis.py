"""What is tried: `lr=1e-4,4e-4` is one setting with its values, by its short name or its place in config.toml."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from fluxgym.form.catalogue import SWITCH, TEXTS, Setting, find_setting, is_same, list_settings

SHORT = {  # what people call a setting where its own name is another, or two settings have it
    "lr": "train.learning_rate",
    "seed": "train.seed",
    "batch": "data.batch_size",
    "guidance": "train.guidance",
    "steps_per_sample": "sample.steps",
}
NOT_TRIED = {  # what a sweep cannot vary, and why
    "name": "each run of a sweep is named after what is tried in it",
    "steps": "a training ends after train.epochs; try epochs, or data.repeats",
}
SAID = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
LIST = re.compile(r"""\[\s*["'\d\]]""")  # what begins one; a prompt may begin with [trigger]


class SweepError(ValueError):
    """A sweep that cannot be begun; `problems` holds one sentence each."""

    def __init__(self, problems: list[str]):
        super().__init__("\n  ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Axis:
    """One setting and the values that are tried of it, as the form holds them."""

    key: str
    values: tuple[Any, ...]

    @property
    def setting(self) -> Setting:
        setting = find_setting(self.key)
        assert setting, self.key
        return setting

    def __str__(self) -> str:
        return f"{self.key}={', '.join(map(self.setting.show, self.values))}"


def read_axes(given: list[str]) -> list[Axis]:
    """Each as `name=value,value`. Raises SweepError with all that is wrong."""
    axes: list[Axis] = []
    problems: list[str] = []
    for text in given:
        try:
            axis = read_axis(text)
            if any(axis.key == other.key for other in axes):
                raise SweepError([f"got {axis.key} twice, expected each setting once with all its values"])
            axes.append(axis)
        except SweepError as error:
            problems += error.problems
    if problems:
        raise SweepError(problems)
    return axes


def read_axis(text: str) -> Axis:
    """`lr=1e-4,4e-4`. Raises SweepError."""
    name, sign, said = text.partition("=")
    if not sign:
        raise SweepError([f"got {text!r}, expected a setting and its values, such as lr=1e-4,4e-4"])
    return make_axis(find_key(name.strip()), said)


def make_axis(key: str, said: str) -> Axis:
    """Values with commas between them; a list or a text that holds a comma as in TOML: [512, 768], 1024. Raises SweepError."""
    setting = find_setting(key)
    assert setting, key
    values: list[Any] = []
    parts: list[str] = []
    for part in split(said):
        value = read_value(setting, part)
        if same := next((other for other, before in zip(parts, values, strict=True) if is_same(value, before)), None):
            got = f"{part} twice" if part == same else f"{same} and {part}, which are the same"
            raise SweepError([f"{key}: got {got}, expected values that differ"])
        values.append(value)
        parts.append(part)
    if not values:
        raise SweepError([f"{key}: got no value, expected some with commas between them, such as {_tell_example(setting)}"])
    return Axis(key, tuple(values))


def find_key(name: str) -> str:
    """The setting of this name: lr, rank, lora.rank. Raises SweepError, with the choices where there are several or none."""
    if name in NOT_TRIED:
        raise SweepError([f"got {name!r}, which cannot be tried: {NOT_TRIED[name]}"])
    if find_setting(name):
        return name
    if name in SHORT:
        return SHORT[name]
    found = [key for key in _list_keys() if key.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise SweepError([f"got {name!r}, which is the name of several settings, expected one of {', '.join(found)}"])
    raise SweepError([f"got {name!r}, which is no setting; {_tell_near(name)}"])


def find_short(key: str) -> str:
    """The shortest name by which `find_key` finds a setting."""
    own = key.rpartition(".")[2]
    names = [name for name, meant in SHORT.items() if meant == key]
    if own not in SHORT and own not in NOT_TRIED and sum(each.rpartition(".")[2] == own for each in _list_keys()) == 1:
        names.append(own)
    return min(names, key=len, default=key)


def list_choices() -> list[Setting]:
    """The settings that can be tried, in the order of config.py."""
    return [setting for setting in list_settings() if setting.key not in NOT_TRIED]


def split(said: str) -> Iterator[str]:
    """The parts between commas, but for those within brackets and quotes, without the empty ones."""
    part, quote, depth = "", "", 0
    for letter in said:
        if letter == "," and not quote and not depth:
            yield from filter(None, [part.strip()])
            part = ""
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and part.rstrip()[-1:] in ("", "[", ","):  # it begins a value: that of it's does not
            quote = letter
        else:
            depth = max(0, depth + (letter == "[") - (letter == "]"))
        part += letter
    yield from filter(None, [part.strip()])  # of a bracket or a quote that does not end, too: its value is refused


def read_value(setting: Setting, text: str) -> Any:
    """One value as the form holds it; what cannot be one stays a text, which the config refuses with its reasons."""
    is_toml = text[:1] in ('"', "'") or bool(list in setting.types and LIST.match(text))
    value = _read_toml(setting, text) if is_toml else _read_plain(setting, text)
    return [value] if setting.kind == TEXTS and isinstance(value, str) else value


def _read_toml(setting: Setting, text: str) -> Any:
    try:
        return setting.tidy(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError as error:
        raise SweepError([f"{setting.key}: got {text}, expected a value as in TOML: {error}"]) from error


def _read_plain(setting: Setting, text: str) -> Any:
    named = {name: choice for choice, name in setting.choices.items()}
    if text in named:
        return named[text]
    if text.lower() in SAID and (setting.kind == SWITCH or bool in setting.types):
        return SAID[text.lower()]
    if str in setting.types and not {int, float} & setting.types:
        return setting.read(text)
    try:
        number = float(text)
    except ValueError:
        return setting.read(text)
    is_whole = int in setting.types and number.is_integer()
    return setting.tidy(int(number)) if is_whole else number


@cache
def _list_keys() -> tuple[str, ...]:
    return tuple(setting.key for setting in list_choices())


def _tell_near(name: str) -> str:
    tails = {key.rpartition(".")[2]: key for key in _list_keys()}
    near = difflib.get_close_matches(name, [*_list_keys(), *tails, *SHORT], n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "expected a name such as lr, rank, alpha, epochs, batch_size or seed, or a place in config.toml such as train.shift"


def _tell_example(setting: Setting) -> str:
    values = [setting.show(value) for value in setting.choices][:3] or [setting.show(setting.default)]
    return ",".join(values)
