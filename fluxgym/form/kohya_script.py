"""The command line of kohya's sd-scripts out of a script that starts it: FluxGym's train.sh or train.bat, or one's own.

The script is read, never run: lines that are continued, quotes, comments, and variables that it sets itself."""

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any

from fluxgym.run.kohya import SCRIPT

CONTINUED = re.compile(r"[\\^`][ \t]*\r?\n")  # of a shell, of cmd, of PowerShell
ASSIGNED = re.compile(r"(?:(?:export|declare|local)\s+|set\s+|\$(?:env:)?)?(\w+)\s?=\s?(.*)", re.IGNORECASE | re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)|%(\w+)%")
ENDS = {"&&", "||", "|", ";", "&", ">", ">>", "2>&1", "2>", "<", "}", "then", "done", "fi"}  # of a command
LONGEST = 1_000_000  # characters of a file that is read at all
SECRET = re.compile(r"token$|api_key$|password|secret", re.IGNORECASE)


class ScriptError(ValueError):
    """A script in which there is no command that could be read."""


@dataclass(frozen=True)
class Command:
    """A command line. Options by name without "--", each with what was given to it: nothing where it is a switch."""

    script: str = ""  # flux_train_network.py; empty: options alone
    options: Mapping[str, list[str]] = field(default_factory=dict)
    launcher: Mapping[str, list[str]] = field(default_factory=dict)  # those of `accelerate launch`


def read_script(text: str) -> Command:
    """The first command in a script that starts one of kohya's trainers, or options alone. Raises ScriptError."""
    variables: dict[str, str] = {}
    for line in CONTINUED.sub(" ", text[:LONGEST]).splitlines():
        words = [_fill_in(word, variables) for word in _split(line)]
        is_script = [SCRIPT.fullmatch(PureWindowsPath(word).name) is not None for word in words]
        if any(is_script):
            place = is_script.index(True)
            name = PureWindowsPath(words[place]).name
            return Command(name, read_options(_cut(words[place + 1 :])), read_options(words[:place]))
        if words and words[0].startswith("--"):
            return Command("", read_options(_cut(words)))
        variables |= _read_assignment(line, words)
    raise ScriptError("got no command that starts kohya's trainer, expected one with flux_train_network.py")


def read_options(words: list[str]) -> dict[str, list[str]]:
    """The options among words; of one that is given twice the last counts, as it does for kohya."""
    options: dict[str, list[str]] = {}
    values: list[str] = []
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            values = options[name.replace("-", "_")] = [value] if equals else []
        else:
            values.append(word)
    return options


def read_file_of_options(text: str) -> dict[str, list[str]]:
    """Options out of a config_file of theirs: TOML, whose sections do not matter. Raises ValueError."""
    return dict(_list_options(tomllib.loads(text)))


def shown(name: str, values: list[str]) -> str:
    """An option as it may be shown: what is secret is not."""
    said = ["..."] if SECRET.search(name) and values else values
    text = shlex.join([f"--{name}", *said])
    return text if len(text) <= 160 else f"{text[:160]} ..."


def _list_options(said: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name, value in said.items():
        if isinstance(value, dict):
            yield from _list_options(value)
        elif value is True:
            yield name, []
        elif value not in (False, None, ""):
            yield name, [str(each) for each in (value if isinstance(value, list) else [value])]


def _split(line: str) -> list[str]:
    """The words of a line. A backslash escapes what follows, but for paths of Windows; no comment is left."""
    line = line.strip()
    if re.match(r"(?:#|::|rem\b)", line, re.IGNORECASE):
        return []
    is_windows = "%" in line or re.search(r"(?:^|[\s\"'=])(?:[A-Za-z]:|\.{1,2}|\w+)\\\w", line) is not None
    if is_windows:
        words = re.findall(r"(?:[^\s\"^]|\^.|\"[^\"]*\")+", line)
        return [word.replace('"', "").replace("^", "") for word in words]
    try:
        return shlex.split(line.replace(" ^--", " --"), comments=True)
    except ValueError:  # a quote that is closed on another line: no command of ours
        return line.split()


def _fill_in(word: str, variables: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda match: variables.get(match[match.lastindex or 0], match[0]), word)


def _cut(words: list[str]) -> list[str]:
    """Up to where the next command begins."""
    place = next((place for place, word in enumerate(words) if word in ENDS), len(words))
    return [word.removesuffix(";") for word in words[:place]]


def _read_assignment(line: str, words: list[str]) -> dict[str, str]:
    match = ASSIGNED.fullmatch(line.strip())
    if not match or not words:
        return {}
    value = " ".join(_split(match[2])) if match[2] else ""
    return {match[1]: value}
