"""What a visitor may read of a text: without secrets, without paths, without names of machines and people.

    redactor_of(folder).lines(tail(log).lines)

It errs on the side of hiding, but an ordinary line of a training keeps every number: see the tests. The owner's own pages show
the original. Each line that was seen is remembered: a hundred visitors who read the same hundred lines cost one reading.
"""

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from fluxgym.access import own_names
from fluxgym.access.addresses import APART, HOST, USER, hide_machines, hide_places, shorten
from fluxgym.access.tokens import SECRET, hide_secrets
from fluxgym.log.lines import clean
from fluxgym.run.stamp import stamp_of
from trainer.folder import RunFolder

DATA = "[data set]"
ORDINARY = re.compile(  # a line of a step, of which there are most: digits, and words that are known
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )?steps: +\d{1,3}%\|[^|\w]{0,20}\| \d{1,9}/\d{1,9} \[[\d:]{1,9}<[\d:?]{1,9}, +"
    r"[\d.?]{1,9}(?:it/s|s/it)(?:, (?:loss|avr_loss|lr)=[\de.+-]{1,12})*\]"
)
BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)")
BLOCK_ENDS = re.compile(r".*?-----END [A-Z0-9 ]+-----")
PACKED = re.compile(
    r"\s*+(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=\D*\d)[A-Za-z0-9+/]{60,}={0,2}\s*"
)  # a line of a key whose beginning is out of sight
BEFORE = (
    r"(?:(?<![^\W_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"  # a name or a secret: no letter, but for "\n" or "%40" written out
)
COLOUR = re.compile(r"\\(?:u001b|x1b|033|e)\[[\d;]*[A-Za-z]", re.IGNORECASE)  # written out, in JSON
SLASH = re.compile(r"\\(?:x2f|u002f|057)|&#(?:x2f|47);", re.IGNORECASE)  # written out
CUT = re.compile(r"\S{1,200}(\.{3} \(\+[\d,]{1,20} bytes\))$")  # of a long line: half a token is known by nothing
REMEMBERED, LONGEST = 512, 1000  # lines of each run; characters of a line that is remembered
MOST_RUNS = 64


class Redactor:
    """Hides what one run's texts may give away, but for names that are `said` anyway. Use redactor_of where there are none."""

    def __init__(self, folder: RunFolder, said: Iterable[str] = ()) -> None:
        public = [folder.name, folder.title, *said]
        words = [(text, len(text) >= own_names.LONG) for text in own_names.find_secrets(os.environ)]
        self._secrets = _compile([_apart(form, inside) for text, inside in words for form in own_names.write_forms(text)])
        self._data = _data_patterns(own_names.find_data(folder))
        self._data_names = _compile([_apart(name) for name in own_names.find_data_names(folder, public)])
        roots = "|".join(re.escape(form) for root in own_names.find_roots(folder) for form in (root, root.replace("/", "\\/")))
        self._roots = re.compile(rf"(?:{roots})(?![\w-])(?:[/\\]+[^{APART}]+)*/?") if roots else None
        machines = own_names.find_hosts(public) + own_names.find_machines(folder, public)
        self._hosts = _compile([_apart(name) for name in machines])
        self._users = _compile([_apart(name) for name in own_names.find_users(public)])
        self._remember = lru_cache(REMEMBERED)(self._hide)

    def text(self, text: str) -> str:
        """A text of any number of lines."""
        return "\n".join(self.lines(text.split("\n")))

    def lines(self, lines: list[str]) -> list[str]:
        """Lines of one log, in their order: a private key lies over several."""
        shown, in_block = [], False
        for each in lines:
            line = each
            if in_block:
                line, ends = BLOCK_ENDS.subn(SECRET, line, count=1)
                in_block = not ends
            if in_block:
                shown.append(SECRET)
                continue
            if "-----BEGIN " in line:
                in_block = line.rfind("-----END ") < line.rfind("-----BEGIN ")
                line = BLOCK.sub(SECRET, line)
            shown.append(self._remember(line) if len(line) <= LONGEST else self._hide(line))
        return shown

    def data(self, value: Any) -> Any:
        """The same of what JSON can hold: every text in it, and every name."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [each if isinstance(each, float | int) else self.data(each) for each in value]
        return value

    def _hide(self, line: str) -> str:
        if ORDINARY.fullmatch(line):
            return line
        line = clean(line)
        if line.endswith(" bytes)"):
            line = CUT.sub(r"\1", line)
        if "\\" in line:
            line = COLOUR.sub("", line)
        if "\\" in line or "&#" in line:
            line = SLASH.sub("/", line)
        if PACKED.fullmatch(line):
            return SECRET
        if self._secrets:
            line = self._secrets.sub(SECRET, line)
        line = hide_secrets(line)
        for pattern in self._data:
            line = pattern.sub(DATA, line)
        if self._roots:
            line = self._roots.sub(lambda match: shorten(match[0]), line)
        line = hide_machines(hide_places(line))
        line = self._data_names.sub(DATA, line) if self._data_names else line
        line = self._hosts.sub(HOST, line) if self._hosts else line
        return self._users.sub(USER, line) if self._users else line


_known: OrderedDict[Path, tuple[object, Redactor]] = OrderedDict()
_lock = threading.Lock()


def redactor_of(folder: RunFolder) -> Redactor:
    """The redactor of a run, made anew when its settings change, or the machines that it is on."""
    stamp = (folder.title, stamp_of(folder.config), _list_machines(folder, stamp_of(folder.record)))
    with _lock:
        known = _known.get(folder.path)
        if known is None or known[0] != stamp:
            known = (stamp, Redactor(folder))
        _known[folder.path] = known
        _known.move_to_end(folder.path)
        while len(_known) > MOST_RUNS:
            _known.popitem(last=False)
    return known[1]


@lru_cache(MOST_RUNS)
def _list_machines(folder: RunFolder, stamp: object) -> tuple[str, ...]:
    """Looked for when run.json changes: visitors ask several times a second."""
    return tuple(own_names.find_machines(folder))


def _compile(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(sorted(set(patterns), key=len, reverse=True)), re.IGNORECASE) if patterns else None


def _apart(text: str, inside: bool = False) -> str:
    """A pattern of a text that stands for itself, or also inside of a word."""
    return re.escape(text) if inside else rf"{BEFORE}{re.escape(text)}(?![^\W_])"


def _data_patterns(places: list[str]) -> list[re.Pattern[str]]:
    """A name without a slash may be any word: it counts only where it is written as a path."""
    paths = [form for place in places if set(place) & set("/\\") for form in (place, place.replace("\\", "\\\\"))]
    names = "|".join(re.escape(place) for place in places if not set(place) & set("/\\"))
    found = []
    if paths:
        any_of = "|".join(map(re.escape, dict.fromkeys(paths)))
        found.append(re.compile(rf"""(?<=["'`])(?:{any_of})(?:[/\\][^"'`\n]*?)?(?=\\*["'`])"""))
        found.append(re.compile(rf"(?<![\w.-])(?:{any_of})(?![\w-])(?:[/\\]+[^{APART}]+)*[/\\]?"))
    if names:
        found.append(re.compile(rf"""(?<=["'`])(?:{names})(?:[/\\][^"'`\n]*?)?(?=\\*["'`])"""))
        found.append(re.compile(rf"(?<![\w./-])(?:\./)?(?:{names})(?:[/\\]+[^{APART}]+)+[/\\]?"))
    return found
