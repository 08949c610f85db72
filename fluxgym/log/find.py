"""Which file in a folder of any tool is the log of its training: by where it lies, its name, and what it says."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fluxgym.log.dialects import BAR, read_text, split_line
from fluxgym.log.events import Attempt, Checkpoint, Epoch, Finished, Phase, Plan, Resume, Validation
from fluxgym.log.lines import LIMIT, Decoder, clean

OURS, NOT_A_TRAINING = "training.log", ("monitor.log",)
OTHERS = ("train.log", "log.txt")  # as other tools call theirs
NAME = re.compile(r".*\.log|.*log.*\.txt|.*out(?:put)?\.txt|.*\.out", re.IGNORECASE)  # a log of a tool, a shell or a cluster
DEPTH = 3  # folders below the one that is looked into
MOST_ENTRIES = 20_000  # that are looked at in all: a data set may lie there too
MOST_READ = 20  # files
PIECE = 256 * 1024  # bytes of a file's beginning and of its end
TELLING = (Attempt, Checkpoint, Epoch, Finished, Plan, Resume, Validation)


def find_log(folder: Path) -> Path:
    """The log of the training: training.log, else the nearest that tells of steps, and of those the newest.

    Raises FileNotFoundError where there is none."""
    if (folder / OURS).is_file():
        return folder / OURS
    found = [(depth, written, path) for depth, path in _walk(folder) if (written := _written(path)) is not None]
    found.sort(key=lambda each: (each[0], -each[1], each[2].name))
    ranks = [(_rank(path), -depth, written, path.name, path) for depth, written, path in found[:MOST_READ]]
    told = [rank for rank in ranks if rank[0] or not rank[1]]  # one that tells nothing may only lie in the folder itself
    if not told:
        raise FileNotFoundError(f"got the folder {folder}, expected a log in it: {OURS}, {', '.join(OTHERS)} or another *.log")
    return max(told)[-1]


def _walk(folder: Path) -> Iterator[tuple[int, Path]]:
    """Files that have the name of a log, the nearest first. Raises OSError where the folder itself cannot be read."""
    level, seen = [folder], 0
    for depth in range(DEPTH + 1):
        below = []
        for each in level:
            if seen > MOST_ENTRIES:
                return
            for entry in _entries(each, must=each is folder):  # those of one folder are all looked at, having been listed
                seen += 1
                if entry.is_dir(follow_symlinks=False):
                    below += [] if entry.name.startswith(".") else [Path(entry.path)]
                elif NAME.fullmatch(entry.name) and entry.name not in NOT_A_TRAINING:
                    yield depth, Path(entry.path)
        level = below


def _entries(folder: Path, must: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        if must:
            raise
        return []  # what may not be read has no log for us


def _written(path: Path) -> float | None:
    """Seconds since 1970; None for what is no file, or is gone."""
    try:
        return path.stat().st_mtime if path.is_file() else None
    except OSError:
        return None


def _rank(path: Path) -> int:
    """2: it tells of steps; 1: of a training; 0: of neither, or it cannot be read."""
    try:
        with path.open("rb") as file:
            decoder = Decoder()
            text = decoder.feed(file.read(PIECE))
            if (size := os.fstat(file.fileno()).st_size) > 2 * PIECE:
                file.seek(size - PIECE - size % 2)  # UTF-16 has two bytes a letter
            text += b"\n" + decoder.feed(file.read(PIECE + 1))
    except OSError:
        return 0
    rank = 0
    for raw in re.split(rb"[\r\n]+", text):
        line = clean(raw[:LIMIT].decode("utf-8", "replace"))
        if BAR.match(line.encode()):
            return 2
        event = read_text(split_line(line).text)
        if isinstance(event, TELLING) or (isinstance(event, Phase) and event.is_start):
            rank = 1
    return rank
