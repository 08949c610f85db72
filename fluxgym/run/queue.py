"""The line of runs that wait for their places: one ticket each, held by the run's supervisor like a lock.

A ticket is a file <order>-<run> in the folder of locks. Its order is its name, so that a rename moves it while it is held. One
that nobody holds does not count; the next supervisor of that run takes it up and has its old turn. Nobody manages the line:
each supervisor looks what its ticket's turn would bring it (find_chances), and the locks of the places decide.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fluxgym.run import lock
from fluxgym.run.places import Place, PlaceError, Wish, locks_folder, locks_path
from trainer.folder import RunFolder

NAME = re.compile(r"(\d{20})-([0-9a-f]{16})")
PATIENCE = 2.0  # s; whoever moves tickets does it in an instant
SIZE = 4096  # bytes of a ticket at least
FIRST, QUEUE = "first", "queue"


@dataclass(frozen=True)
class Turn:
    """The place of a waiting run in the line, for people."""

    position: int  # from 1, among those that wait for the same places
    total: int
    wish: str  # "GPU 0", "GPU 0 and GPU 1", "the first free GPU", "the CPU"
    holder: str = ""  # name of the run that has it now; empty: none of ours
    blocked_by: str = ""  # a sentence, when another program fills the GPU or something else stands in the way
    before: str = ""  # name of the run right before it in the line; empty: it is the first


@dataclass(frozen=True)
class Ticket:
    """What a waiting run says to the others."""

    folder: str
    wish: Wish
    is_paused: bool = False  # it keeps its turn, and for a while wants nothing
    filled: tuple[str, ...] = ()  # names of places that it cannot have, though no run holds them
    blocked_by: str = ""  # why, for people
    order: int = field(default=0, compare=False)  # as the file's name says

    @property
    def run(self) -> RunFolder:
        return RunFolder(Path(self.folder))


def tickets_folder() -> Path:
    folder = locks_folder() / QUEUE
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def ticket_key(folder: RunFolder) -> str:
    """Tells the runs of all outputs roots apart."""
    return hashlib.sha256(os.fsencode(folder.path.resolve())).hexdigest()[:16]


# ---- the line as anybody sees it -------------------------------------------------------------------------------------
def read_line() -> list[Ticket]:
    """The runs that wait, in order."""
    return [ticket for path in _paths() if lock.is_held(path) and (ticket := _read(path))]


def list_abandoned() -> list[RunFolder]:
    """Runs whose supervisor died while it waited."""
    return [ticket.run for path in _paths() if not lock.is_held(path) and (ticket := _read(path))]


def find_turn(folder: RunFolder, line: list[Ticket] | None = None) -> Turn | None:
    """Its place in the line; None while no living supervisor waits for it. `line`: as read_line just told it."""
    line = read_line() if line is None else line
    path = str(folder.path.resolve())
    mine = next((ticket for ticket in line if ticket.folder == path), None)  # as fluxgym.run.waiting writes it
    if mine is None:
        return None
    rivals = [ticket for ticket in line if ticket == mine or {*ticket.wish.places} & {*mine.wish.places}]
    holder = next((place.holder for place in mine.wish.places if place.holder), "")
    at = rivals.index(mine)
    before = rivals[at - 1].run.name if at else ""
    return Turn(at + 1, len(rivals), str(mine.wish), holder, mine.blocked_by, before)


def find_chances(line: list[Ticket], key: str, is_free: Callable[[Place], bool]) -> list[Place]:
    """The places that the ticket of this key could take now: for a wish of any, each of them would do; empty: not its turn.

    Who wants all of several places has a claim to each of them from its turn on, so that it is not passed by for ever."""
    claimed: set[Place] = set()
    for ticket in line:
        is_mine = ticket_key(ticket.run) == key
        if ticket.is_paused:
            continue
        chances = [place for place in ticket.wish.places if place not in claimed and is_free(place)]
        if is_mine:
            return chances if ticket.wish.is_any or len(chances) == len(ticket.wish.places) else []
        if ticket.wish.is_any:
            claimed.update([place for place in chances if place.name not in ticket.filled][:1])
        else:
            claimed.update(ticket.wish.places)
    return []


# ---- moving ----------------------------------------------------------------------------------------------------------
def move(folder: RunFolder, by: int | str) -> bool:
    """Moves a run in the line: -1 up, 1 down, FIRST to its head. False where it does not wait, or is there already.

    Only those that want one of its places are before or behind it, as its Turn says."""
    with lock.hold(locks_folder() / "queue.lock", PATIENCE):
        key = ticket_key(folder)
        tickets = {path: ticket for path in _paths() if lock.is_held(path) and (ticket := _read(path))}
        mine = next((path for path in tickets if path.name.endswith(key)), None)
        if mine is None:
            return False
        wanted = {*tickets[mine].wish.places}
        line = [path for path, ticket in tickets.items() if path == mine or wanted & {*ticket.wish.places}]
        at = line.index(mine)
        if by == FIRST:
            if at:
                mine.rename(_named(line[0].parent, _order(line[0]) - 1, key))
            return at > 0
        other = at + int(by)
        if not 0 <= other < len(line):
            return False
        orders = _order(mine), _order(line[other])
        if orders[0] == orders[1]:  # queued in the same instant
            orders = orders[0], orders[1] + int(by)
        line[other].rename(_named(line[other].parent, orders[0], line[other].name.partition("-")[2]))
        mine.rename(_named(mine.parent, orders[1], key))
        return True


def _paths() -> list[Path]:
    """The tickets' files; looking for them makes no folder."""
    if not locks_path().exists():
        return []
    try:
        return sorted(path for path in (locks_folder() / QUEUE).iterdir() if NAME.fullmatch(path.name))
    except (OSError, PlaceError):  # nobody can wait there
        return []


def _order(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _named(parent: Path, order: int, key: str) -> Path:
    return parent / f"{max(0, order):020d}-{key}"


def _read(path: Path) -> Ticket | None:
    try:
        said = json.loads(path.read_bytes())
        wish = Wish(tuple(Place(**place) for place in said["wish"]["places"]), bool(said["wish"]["is_any"]))
        said |= {"wish": wish, "filled": tuple(said["filled"]), "order": _order(path)}
        return Ticket(**said)
    except (OSError, ValueError, KeyError, TypeError):  # gone, or just being written
        return None


# ---- our own ticket --------------------------------------------------------------------------------------------------
class OwnTicket:
    """The ticket of the run that we guard. `order`: of a new one, microseconds since 1970, so that who came first is first."""

    def __init__(self, folder: RunFolder, order: int) -> None:
        self.key, self._order, self._said = ticket_key(folder), order, b""
        self._held: lock.Held | None = None

    def say(self, ticket: Ticket) -> bool:
        """Tells the others. A ticket that somebody deleted is made anew. False: not yet, somebody has a hand on it."""
        said = asdict(ticket)
        del said["order"]
        text = json.dumps(said).encode().ljust(SIZE)  # always as long, so that nobody reads the half of it
        if not self._is_there():
            self._take()
        if self._held and text != self._said:
            os.pwrite(self._held.handle, text, 0)
            os.truncate(self._held.handle, len(text))
            self._said = text
        return self._held is not None

    def give_back(self, for_good: bool) -> None:
        """`for_good`: the run does not wait any more; else its next supervisor takes this turn up."""
        if self._held:
            if for_good and self._is_there():
                self._held.path.unlink(missing_ok=True)
            os.close(self._held.handle)
            self._held = None

    def _is_there(self) -> bool:
        """Whether our file is in the line still, under whatever name it was moved to."""
        for path in self._found() if self._held else []:
            held = lock.Held(path, self._held.handle)  # type: ignore[union-attr]
            if held.is_there():
                self._held, self._order = held, _order(path)
                return True
        return False

    def _take(self) -> None:
        self.give_back(for_good=False)
        path = next(iter(self._found()), None) or _named(tickets_folder(), self._order, self.key)
        self._held, self._order, self._said = lock.take(path), _order(path), b""

    def _found(self) -> list[Path]:
        return [path for path in _paths() if path.name.endswith(self.key)]
