"""The verb that gives a run away as a file: freeze."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fluxgym.run.folders import find_run
from fluxgym.terminal.output import DONE, shown
from fluxgym.terminal.verbs import RUN, Verbs


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(freeze, "write a run into one HTML file that opens anywhere: charts, samples, redacted log and settings")
    sub.add_argument("name", metavar="NAME", help=RUN)
    sub.add_argument("--out", metavar="FILE", help="where to; - is the standard output (default: NAME.html, here)")
    sub.add_argument("--without", metavar="PARTS", default="", help="what to leave out, of log,samples,settings")
    sub.add_argument("--force", action="store_true", help="write over a file that is there")


def freeze(options: argparse.Namespace) -> int:
    from fluxgym.view import words
    from fluxgym.view.snapshot import PARTS, file_name, write_snapshot

    without = {part.strip() for part in options.without.split(",") if part.strip()}
    if unknown := sorted(without - set(PARTS)):
        raise ValueError(f"got --without {','.join(unknown)}, expected of {','.join(PARTS)}")
    folder = find_run(options.name)
    parts = [part for part in PARTS if part not in without]
    if options.out == "-":
        for piece in write_snapshot(folder, parts):
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()
        return DONE
    path = Path(options.out or file_name(folder))
    path = path / file_name(folder) if path.is_dir() else path
    if path.exists() and not options.force:
        raise ValueError(f"{path} is there already; --force writes over it, --out names another")
    size = write_pieces(path, write_snapshot(folder, parts))
    inside = " and ".join(", ".join(["progress", "charts", *parts]).rsplit(", ", 1))
    print(f"{shown(folder.title)}: frozen into {path}, {words.size(size)}, with {inside}.")
    print("It opens in any browser, without a network. Keys, paths and names of this machine are taken out of its texts.")
    return DONE


def write_pieces(path: Path, pieces: Iterator[bytes]) -> int:
    """There as a whole or not at all. How many bytes it has."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            size = sum(map(file.write, pieces))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return size
