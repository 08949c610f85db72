"""What is said of a link."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgym.access.links import PARTS, Link
from fluxgym.view import link_words
from fluxgym.view.link_words import tell_parts, tell_seen, tell_valid
from fluxgym.view.words import DAY
from trainer.folder import RunFolder

NOW = time.mktime((2026, 11, 24, 10, 15, 0, 0, 0, -1))
LINK = Link(RunFolder(Path("robot")), "1a2b", "", "", NOW - DAY, NOW + 3600, frozenset())


@pytest.mark.parametrize(
    ("expires", "told"),
    [
        (None, "valid for ever"),
        (NOW + 3600, "valid until 11:15"),
        (NOW + 3 * DAY, "valid until Fri 10:15"),
        (NOW + 30 * DAY, "valid until 24 Dec 10:15"),
        (NOW + 400 * DAY, "valid until 29 Dec 2027"),
        (NOW, "expired 0 s ago"),
        (NOW - 2 * 3600, "expired 2 h ago"),
    ],
)
def test_how_long(expires: float | None, told: str) -> None:
    assert tell_valid(replace(LINK, expires=expires), NOW) == told


def test_who_has_seen_it() -> None:
    assert tell_seen(LINK, NOW) == "not opened yet"
    assert tell_seen(replace(LINK, seen=NOW - 300, views=1), NOW) == "1 view, last seen 5 m ago"
    assert tell_seen(replace(LINK, seen=NOW - 5, views=1200), NOW) == "1,200 views, last seen 5 s ago"


def test_what_it_shows() -> None:
    assert tell_parts(()) == "progress and charts"
    assert tell_parts(frozenset({"samples", "log"})) == "progress, charts, log and samples"
    assert tell_parts(PARTS) == "progress, charts, log, samples, settings and LoRA files"
    assert list(link_words.NAMES) == list(PARTS), "each part has its name"
