"""Which files something reads, as Python itself tells: what costs time on a slow disk, counted instead of timed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_heard: list[list[str]] = []


def _hear(event: str, args: Any) -> None:
    if _heard and event in ("open", "os.scandir", "os.listdir") and isinstance(args[0], str | os.PathLike):
        _heard[-1].append(os.fspath(args[0]))


sys.addaudithook(_hear)  # the only one that sees every file that is opened; it can be kept still, not taken away


def files_read(root: Path, do: Callable[[], object]) -> list[str]:
    """Which files below a root are opened, and which folders are listed, by their paths."""
    _heard.append([])
    try:
        do()
    finally:
        opened = _heard.pop()
    return [path for path in opened if path.startswith(str(root))]
