"""From the queue to the start of a training: its pause is over, its turn has come, its places are free and held.

Looked at every two seconds; the driver of the GPUs is only asked when it is otherwise our turn. A person's stop takes the run
out of the line. The system's leaves it there: nothing was started, and the next supervisor takes its turn up.
"""

import signal
import time
from dataclasses import dataclass, replace

from fluxgym.run.care import FIRST_FREE, NONE, SLURM, read_care
from fluxgym.run.guarded import Guarded
from fluxgym.run.places import DriverSilent, Holding, Place, PlaceError, Wish, find_fillers, find_gone, make_wish
from fluxgym.run.queue import OwnTicket, Ticket, find_chances, read_line
from fluxgym.run.record import MONITOR, PERSON, Record
from fluxgym.run.watch import ASKED, FETCHED, GO_ON, tell_signal

LOOK_EVERY, SOON = 2.0, 0.05  # s
LONGEST_PAUSE = 3600.0  # s
SHORT_PAUSE = 150.0  # s for which a place may stay idle; lost to another run, it is lost for hours
HOLDER_PATIENCE = 5.0  # s


@dataclass(frozen=True)
class Waited:
    """How the waiting ended: with its places; or without, as somebody wanted."""

    holding: Holding | None = None
    stop: str | None = None  # PERSON or SYSTEM; None without places: the folder was taken away


class Waiting:
    """The time of one attempt in the line. Raises PlaceError where its places do not exist."""

    def __init__(self, run: Guarded, record: Record) -> None:
        self.run, self.record = run, record
        pause = record.resumes_at - time.time() if record.resumes_at else 0.0
        self._resumes = time.monotonic() + min(pause, LONGEST_PAUSE)
        self._ticket = OwnTicket(run.folder, _order(record))
        self._wish, self._care_place = Wish((), is_any=True), NONE
        self._filled: dict[Place, str] = {}
        self._seen_taken: dict[Place, float] = {}  # monotonic times
        self._trouble = self._silence = ""

    def to_the_turn(self) -> Waited:
        stop = None
        try:
            while self.run.is_there(self.record):
                self.run.heart.beat()
                if self.run.takes_wish_to_stop():
                    stop = PERSON
                    self.run.note("stop asked by a person on another machine while it waited")
                    return Waited(stop=stop)
                holding, patience = self._look()
                if holding:
                    return Waited(holding)
                got = signal.sigtimedwait(FETCHED, patience)
                if got and got.si_signo in ASKED:
                    stop = ASKED[signal.Signals(got.si_signo)]
                    self.run.note(f"stop asked by a {stop} while it waited ({tell_signal(got)})")
                    return Waited(stop=stop)
                if got and got.si_signo == GO_ON:
                    self._end_pause()
            return Waited()
        finally:
            keeps_turn = stop not in (None, PERSON)
            self._ticket.give_back(for_good=not keeps_turn)

    def _end_pause(self) -> None:
        """It is written down, so that the next supervisor knows it should we die."""
        if self.record.resumes_at:
            self.run.note("a person ended the pause")
            self._resumes = time.monotonic()
            self.record = replace(self.record, resumes_at=None)
            self.run.write(self.record)

    def _look(self) -> tuple[Holding | None, float]:
        """The places, if we have them now; else for how long to wait until the next look."""
        try:
            if (left := self._resumes - time.monotonic()) > 0:
                self._say(is_paused=left > SHORT_PAUSE)
                return None, min(LOOK_EVERY, max(SOON, left))
            if self._care() == NONE:
                return Holding(self.run.folder), 0
            chances = self._find_chances()
            holding = Holding(self.run.folder)
            if chances is None or (chances and not holding.take(chances)):
                return None, SOON  # somebody who only looked had a hand on it
            self._trouble = ""
            return holding if chances else None, LOOK_EVERY
        except OSError as error:  # a full disk, say: without a ticket there is no turn
            if str(error) != self._trouble:
                self.run.note(f"it cannot wait in the line: {error}")
            self._trouble = str(error)
            return None, LOOK_EVERY

    def _find_chances(self) -> list[Place] | None:
        """The places to be taken now; None: ask again at once."""
        if not self._say():
            return None
        chances = find_chances(read_line(), self._ticket.key, self._is_free)
        if gone := find_gone(chances):
            if self._wish.is_any:
                self._care_place = NONE  # choose anew
                return None
            raise PlaceError(f"{' and '.join(place.name for place in gone)} is not there any more")
        self._filled = dict(find_fillers(chances))
        self._say()
        free = [place for place in chances if place not in self._filled]
        if self._wish.is_any:
            return free[:1]
        return [] if self._filled else free

    def _is_free(self, place: Place) -> bool:
        """A lock that was held and is not there any more was deleted: its holder, if it lives, makes it anew in a second."""
        if not place.is_free:
            self._seen_taken[place] = time.monotonic()
            return False
        return place.lock.exists() or time.monotonic() > self._seen_taken.get(place, 0.0) + HOLDER_PATIENCE

    def _say(self, is_paused: bool = False) -> bool:
        """Tells the others what we wait for; True once they can see it."""
        place = self._care()
        if place == NONE:
            self._ticket.give_back(for_good=True)
            return True
        if place != self._care_place and not self._choose(place):  # a person may change it while it waits
            return self._ticket.say(Ticket(str(self.run.folder.path.resolve()), self._wish, is_paused, (), self._silence))
        filled = tuple(place.name for place in self._filled)
        folder = str(self.run.folder.path.resolve())
        return self._ticket.say(Ticket(folder, self._wish, is_paused, filled, " ".join(self._filled.values())))

    def _care(self) -> str:
        """Where it is wanted. A job has its places already; and who waits here is not given to a cluster any more."""
        if self.record.attempts[-1].backend == SLURM:
            return NONE
        place = read_care(self.run.folder).place
        return FIRST_FREE if place == SLURM else place

    def _choose(self, place: str) -> bool:
        """Makes the wish; False as long as nobody can say which GPUs there are."""
        try:
            self._wish, self._care_place, self._silence = make_wish(place), place, ""
        except DriverSilent as error:
            if not self._silence:
                self.run.note(f"it waits: {error}")
            self._wish, self._care_place, self._silence = Wish((), is_any=True), NONE, str(error)
            return False
        self.run.note(f"waits for {self._wish}")
        return True


def _order(record: Record) -> int:
    """When it came, in microseconds. What goes on by itself has the turn of what a person began."""
    by_person = [attempt for attempt in record.attempts if attempt.begun_by != MONITOR]
    return int((by_person or record.attempts)[-1].started * 1e6)
