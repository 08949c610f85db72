"""What is said of a link to a run: how long it is valid, who has seen it, what it shows."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from fluxgym.view import words

if TYPE_CHECKING:
    from fluxgym.access.links import Link

ALWAYS = ("progress", "charts")
NAMES = {"log": "log", "samples": "samples", "settings": "settings", "checkpoints": "LoRA files"}  # of access.links.PARTS
FAR = 300 * words.DAY  # s; from there on a date has its year


def tell_valid(link: "Link", now: float | None = None) -> str:
    """valid until Sat 10:39, valid for ever, expired 2 h ago"""
    now = time.time() if now is None else now
    if link.expires is None:
        return "valid for ever"
    if not link.is_valid(now):
        return f"expired {words.age(now - link.expires)}"
    if link.expires - now > FAR:
        return f"valid until {time.strftime('%-d %b %Y', time.localtime(link.expires))}"
    return f"valid until {words.clock(link.expires, now)}"


def tell_seen(link: "Link", now: float | None = None) -> str:
    """not opened yet; 3 views, last seen 5 m ago"""
    now = time.time() if now is None else now
    if link.seen is None:
        return "not opened yet"
    return f"{words.plural(link.views, 'view')}, last seen {words.age(now - link.seen)}"


def tell_parts(parts: Collection[str]) -> str:
    """progress, charts, log and samples"""
    shown = [*ALWAYS, *(name for part, name in NAMES.items() if part in parts)]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
