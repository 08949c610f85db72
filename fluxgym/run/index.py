"""What is known of the runs below an outputs root, so that nobody reads thousands of folders at each look.

    runs = get_index(outputs_root()).look()

An index can be thrown away, and is never the truth. What is known of a run that has ended holds as long as its folder is as it
was: run.json is replaced by a rename, which the folder's own time tells; where that is too new to tell, or another tool writes
a log, the files' times are asked too. A run under way is read from disk at each look. What is kept in outputs/.index/ is for
the next process: damaged or of another version of the program it is made anew, and of two that write it the last one wins.

A glance asks for the root's time, and reads what is under way: whoever starts or resumes a run touches the root (record.py),
after which all folders are asked for their time. At least once a minute, and for each page that is drawn as a whole, they are
in any case, and the logs of other tools are too.
"""

import contextlib
import json
import math
import os
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fluxgym.log.disk_clock import ours
from fluxgym.run import lock
from fluxgym.run.family import find_marks, mark
from fluxgym.run.folders import QUIET, is_text, list_opened, log_of, outputs_root
from fluxgym.run.record import read_record
from fluxgym.run.stamp import stamp_of
from trainer.disk import write_whole
from trainer.folder import RunFolder

VERSION = 1
KEPT = ".index/runs.json"
ENDED, OPEN, FOREIGN, NO_RUN = "ended", "open", "foreign", "none"
RECENT = 60.0  # s after its folder's last change in which the times of a run's files are asked too
AGAIN = 60.0  # s until all folders are asked again
REST = 20  # times as long as all folders took, where that was long
LONG = 0.3  # s
FEW, AT_ONCE, WAITS = 16, 32, 2e-4  # files asked one by one; then so many at once, where each made us wait for so many s
SAVE_EVERY = 30.0  # s
WORTH = 50  # changes for which a process that ends at once writes the index
PROGRAM = ("log", "run", "view")  # where it is decided what is said of a run
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class Known:
    """One folder as it was read. `told`: what fluxgym/view made of it, None until it did."""

    name: str
    folder: RunFolder
    kind: str  # OPEN: under way, or nobody wrote how it ended; FOREIGN: it has no run.json that can be read
    state: str | None
    ended: float  # s since 1970; of a foreign run, when its log was last written
    stamp: tuple[int, ...]  # of the folder
    inside: tuple[int, ...]  # of run.json and, where that says nothing, of the log
    is_sure: bool  # the folder's stamp alone tells whether something changed
    is_shared: bool  # it has links
    told: dict[str, Any] | None = None
    files: tuple[Path, ...] = ()  # whose stamps `inside` holds, once they were looked for

    @property
    def is_settled(self) -> bool:
        """Whether all but the growth of another tool's log is told by the folder's stamp."""
        return self.kind == FOREIGN and _is_old(self.stamp[1])

    def look_inside(self) -> tuple[int, ...]:
        self.files = self.files or _files_of(self.folder, self.kind)
        return _stamps(self.files)


@dataclass(frozen=True)
class Runs:
    """All runs at a moment."""

    open: list[Known]
    ended: list[Known]  # those of other tools too, the last first
    shown: list[RunFolder]  # of these, the ones whose names a page can show
    shared: list[Known]  # for which links were made, runs or not


class Index:
    """The runs below one root; one for the whole process, see get_index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.RLock()
        self._known: dict[str, Known] = {}
        self._runs = Runs([], [], [], [])
        self._stamp: tuple[int, ...] = ()
        self._is_quiet = self._is_loaded = False
        self._looked, self._took = -math.inf, 0.0  # by the monotonic clock: when all folders were asked; s
        self._changes, self._saved = 0, time.monotonic()

    def look(self, glance: bool = False) -> Runs:
        """The runs as they are. `glance`: for a refresh, see above."""
        with self._lock:
            try:
                handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # on NFS this asks the server
            except OSError:
                self._known, self._stamp, self._runs = {}, (), Runs([], [], [], [])
                return self._runs
            try:
                self._load()
                there = os.fstat(handle)
                is_due = self._is_due(glance)
                if is_due or (there.st_ino, there.st_mtime_ns) != self._stamp or not self._is_quiet:
                    self._look_at_all(handle, there, is_brief=not is_due)
                else:
                    under_way = [known.name for known in self._runs.open]
                    self._read({name: _stamp(name, handle) for name in under_way})
            finally:
                os.close(handle)
            return self._runs

    def find(self, name: str) -> Known | None:
        """What was known of a folder at the last look."""
        return self._known.get(name)

    def keep(self, known: Known, told: dict[str, Any]) -> None:
        """Keeps what was made of a run, as long as nothing of it changes."""
        known.told = told
        self._changes += 1

    def save(self, is_last: bool = False) -> None:
        """Writes it for the next process, now and then. `is_last`: this process ends. Raises nothing: it is kept in memory."""
        with self._lock:
            is_due = self._changes >= WORTH if is_last else time.monotonic() > self._saved + SAVE_EVERY
            if not self._changes or not is_due:
                return
            self._changes, self._saved = 0, time.monotonic()
            runs = {name: _tell(known) for name, known in self._known.items() if known.kind != OPEN}
        path = self.root / KEPT
        said = json.dumps({"version": VERSION, "program": _program(), "runs": runs}, separators=(",", ":"))
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            write_whole(path, said.encode(), f".{os.uname().nodename}-{threading.get_native_id()}")

    def _is_due(self, glance: bool) -> bool:
        """Whether all folders must be asked though the root is as it was."""
        since, rest = time.monotonic() - self._looked, REST * self._took
        return since > max(AGAIN, rest) if glance else since > rest or self._took < LONG

    def _look_at_all(self, handle: int, there: os.stat_result, is_brief: bool) -> None:
        begin = time.monotonic()
        names = [name for name in os.listdir(handle) if name[0] != "."]
        there_now = dict(zip(names, do_all(partial(_stamp, root=handle), names), strict=True))
        if gone := self._known.keys() - there_now.keys():
            self._known = {name: each for name, each in self._known.items() if name not in gone}
        known = self._known
        unsure = [
            name
            for name, stamp in there_now.items()
            if (each := known.get(name)) is None or each.stamp != stamp or not (each.is_sure or (is_brief and each.is_settled))
        ]
        as_they_were = do_all(lambda name: self._holds_inside(name, there_now[name]), unsure)
        wanted = [name for name, holds in zip(unsure, as_they_were, strict=True) if not holds]
        self._read({name: there_now[name] for name in wanted}, is_new=bool(gone) or not self._stamp)
        self._stamp = there.st_ino, there.st_mtime_ns
        self._is_quiet = time.time() - ours(there.st_mtime, there.st_dev) > QUIET
        if not is_brief:
            self._looked = time.monotonic()
            self._took = self._looked - begin if not wanted else self._took

    def _holds_inside(self, name: str, stamp: tuple[int, ...]) -> bool:
        """Whether a folder's files are as they were. A run under way is read in any case."""
        known = self._known.get(name)
        if known is None or known.kind == OPEN or known.stamp != stamp:
            return False
        if known.inside != known.look_inside():
            return False
        known.is_sure = known.kind != FOREIGN and _is_old(stamp[1])
        return True

    def _read(self, stamps: dict[str, tuple[int, ...]], is_new: bool = False) -> None:
        """Reads folders, and sorts all where one began or ended. `stamps`: theirs from before: what changes is read again."""
        marks, names = Marks(), list(stamps)
        read = do_all(lambda name: _read(RunFolder(self.root / name), stamps[name], marks), names)
        before = [known for name in names if (known := self._known.get(name))]
        kinds = {known.name: (known.kind, known.ended) for known in before}
        self._known.update((known.name, known) for known in read)
        changed = sum(known.kind != OPEN for known in read)
        self._changes += changed
        is_same = all(kinds.get(known.name) == (known.kind, known.ended) for known in read)
        if is_new or changed or not is_same:
            self._runs = self._sort()
        elif read:
            self._runs = replace(self._runs, open=[self._known[known.name] for known in self._runs.open])

    def _sort(self) -> Runs:
        all_known = self._known.values()
        ended = [known for known in all_known if known.kind in (ENDED, FOREIGN)]
        ended.sort(key=lambda known: (-known.ended, known.name))
        under_way = [known for known in all_known if known.kind == OPEN]
        shown = [known.folder for known in ended if is_text(known.name)]
        return Runs(under_way, ended, shown, [known for known in all_known if known.is_shared])

    def _load(self) -> None:
        """What an earlier process knew; nothing of it is believed before its stamps were compared."""
        if self._is_loaded:
            return
        self._is_loaded = True
        try:
            said = json.loads((self.root / KEPT).read_bytes())
            if (said["version"], said["program"]) != (VERSION, _program()):
                return
            self._known = {str(name): _parse(self.root, str(name), each) for name, each in said["runs"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._known = {}


class Marks:
    """Of which runs a process is alive, found out once, and only where somebody asks."""

    def __init__(self) -> None:
        self._found: set[str] | None = None
        self._lock = threading.Lock()

    def has(self, folder: RunFolder) -> bool:
        with self._lock:
            if self._found is None:
                self._found = find_marks()
        return bool(self._found) and mark(folder) in self._found


_indexes: dict[Path, Index] = {}
_indexes_lock = threading.Lock()


def get_index(root: Path) -> Index:
    """The index of a root, one for the whole process."""
    with _indexes_lock:
        return _indexes.setdefault(root, Index(root))


def list_recent(count: int) -> list[RunFolder]:
    """The runs under way, then those that ended last, so many at most."""
    runs = get_index(outputs_root()).look(glance=True)
    return [known.folder for known in [*runs.open, *runs.ended[:count]][:count]]


def list_shared() -> list[RunFolder]:
    """Every folder, ours or opened, for which links were made."""
    shared = get_index(outputs_root()).look(glance=True).shared
    return [folder for folder in [*(known.folder for known in shared), *list_opened()] if folder.share.is_file()]


def do_all(do: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """All results, in order; by many threads at once where each waits for a disk across a network."""
    begin, busy = time.perf_counter(), time.thread_time()
    done = [do(item) for item in items[:FEW]]
    waited = (time.perf_counter() - begin) - (time.thread_time() - busy)
    rest = items[FEW:]
    if not rest or waited < WAITS * FEW:
        return done + [do(item) for item in rest]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [rest[start::AT_ONCE] for start in range(AT_ONCE)]
        found = pool.map(lambda part: [do(item) for item in part], parts)
        more: list[Any] = [None] * len(rest)
        for start, part in enumerate(found):
            more[start::AT_ONCE] = part
    return done + more


# ---- one folder ------------------------------------------------------------------------------------------------------
def _read(folder: RunFolder, stamp: tuple[int, ...], marks: Marks) -> Known:
    before, record = stamp_of(folder.record), read_record(folder)  # in this order: what is replaced meanwhile is read again
    kind = FOREIGN if record is None or record.problem else ENDED if record.verdict else OPEN
    files = _files_of(folder, kind)
    inside = (*before, *_stamps(files[1:]))
    if not any(inside) and not folder.config.exists():
        kind = NO_RUN
    elif kind == FOREIGN and (lock.is_held(folder.lock) or marks.has(folder)):
        kind = OPEN
    state = record.verdict.state if record and record.verdict else None
    ended = record.since if record and kind == ENDED else inside[-1] / 1e9
    is_sure = kind in (ENDED, NO_RUN) and _is_old(stamp[1])
    kept = () if is_sure else files
    return Known(folder.name, folder, kind, state, ended, stamp, inside, is_sure, folder.share.is_file(), None, kept)


def _files_of(folder: RunFolder, kind: str) -> tuple[Path, ...]:
    """The files that make it what it is."""
    return (folder.record,) if kind == ENDED else (folder.record, log_of(folder))


def _stamps(files: tuple[Path, ...]) -> tuple[int, ...]:
    return tuple(number for file in files for number in stamp_of(file))


def _stamp(name: str, root: int) -> tuple[int, ...]:
    """Of a folder in the root: it changes when a file in it comes, goes or is replaced, not when one grows."""
    try:
        there = os.stat(name, dir_fd=root)
    except OSError:
        return 0, 0
    return there.st_ino, there.st_mtime_ns


def _is_old(changed: int) -> bool:
    return time.time() - changed / 1e9 > RECENT


def _tell(known: Known) -> list[Any]:
    return [known.kind, known.state, known.ended, known.stamp, known.inside, known.is_sure, known.is_shared, known.told]


def _parse(root: Path, name: str, said: Sequence[Any]) -> Known:
    kind, state, ended, stamp, inside, is_sure, is_shared, told = said
    if kind not in (ENDED, FOREIGN, NO_RUN) or name.startswith(".") or "/" in name:
        raise ValueError(f"got {kind!r} of {name!r}")
    stamps = tuple(map(int, stamp)), tuple(map(int, inside))
    return Known(name, RunFolder(root / name), kind, state, float(ended), *stamps, bool(is_sure), bool(is_shared), told)


def _program() -> int:
    """Other when what decides on what is said of a run is."""
    here = Path(__file__).parent.parent
    files = sorted(path for part in PROGRAM for path in (here / part).glob("*.py"))
    return zlib.crc32(repr([(path.name, stamp_of(path)[1:]) for path in files]).encode())
