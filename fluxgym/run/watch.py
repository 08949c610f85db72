"""From the start (or adoption) of a training to its end: its health, wishes to stop, and the end of all its processes.

Signals are blocked for life and fetched with sigtimedwait, so that none is lost and no handler interrupts anything:
    SIGUSR1, SIGINT   a person asks for a stop         SIGTERM   the system asks for a stop
    SIGUSR2           a person ends a pause             SIGXCPU   so does a cluster, some time before its time limit
    SIGCHLD           the training may have ended
    SIGHUP            nothing
"""

import os
import signal
import time
from dataclasses import dataclass, field, replace

from fluxgym.run.cgroup import count_oom_kills
from fluxgym.run.guarded import SUSPENDED, Guarded
from fluxgym.run.identity import Identity
from fluxgym.run.places import Holding, PlaceError
from fluxgym.run.record import MONITOR, PERSON, SYSTEM, Record, Verdict
from fluxgym.run.tended import Tended
from fluxgym.run.verdict import Ending, judge

LOOK_EVERY = 1.0  # s; a training that is not our child has no SIGCHLD
KILL_EVERY = 30  # s
ASKED = {signal.SIGUSR1: PERSON, signal.SIGINT: PERSON, signal.SIGTERM: SYSTEM, signal.SIGXCPU: SYSTEM}
GO_ON = signal.SIGUSR2  # of use in fluxgym.run.waiting only
FETCHED = [*ASKED, GO_ON, signal.SIGHUP, signal.SIGCHLD]


@dataclass(frozen=True)
class Ended:
    """An attempt that is over, and what is to be written of it."""

    record: Record
    exit_code: int | None  # None: nobody was there to see it
    verdict: Verdict
    put_back: str = ""  # the state of its job, where that ended and the run is to go on in another one


@dataclass
class Watch:
    """The time from the start (or adoption) of a training to its verdict."""

    run: Guarded
    record: Record
    training: Identity
    holding: Holding
    deadline: float | None = None  # monotonic time at which a training that was asked to end is killed
    oom_kills: int | None = field(default_factory=count_oom_kills)  # before it
    _trouble: str = ""  # with its places, that was noted

    def to_the_end(self) -> Ended | None:
        """Returns once the training has ended; None where the run's folder was taken away, so that nothing is to be written."""
        if self.record.state == "stopping":
            self._stop(self.record)
        tended = Tended(self.run, self.record)
        while self.training.alive() and self.run.is_there(self.record):
            self._keep_places()
            self.run.heart.beat()
            now = time.monotonic()
            if now >= tended.next_look:
                self._look_after(tended)
                if self.record.state == "stopping":
                    self._wake()
            if self.deadline is not None and now >= self.deadline:
                self._kill()
                self.deadline = now + KILL_EVERY  # again, should it hang in the kernel
            got = signal.sigtimedwait(FETCHED, min(LOOK_EVERY, tended.look_every))
            if got and got.si_signo in ASKED:
                self._stop_was_asked(ASKED[signal.Signals(got.si_signo)], tell_signal(got))
            elif self.run.takes_wish_to_stop():
                self._stop_was_asked(PERSON, "on another machine")
        if self.training.alive():
            self._leave()
            return None
        return self._end()

    def _look_after(self, tended: Tended) -> None:
        """Its health; also that it has to end, if it is stuck and the person chose that."""
        self.record = tended.look(self.record)
        if tended.must_stop and self.record.state != "stopping":
            self.run.note(f"stop: {self.record.health.reason}")
            health = replace(self.record.health, will="", acts_at=None)
            self._stop(replace(self.record.to("stopping", stop=MONITOR), health=health))

    def _keep_places(self) -> None:
        trouble = ""
        try:
            self.holding.keep()
        except (OSError, PlaceError) as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            names = ", ".join(place.name for place in self.holding.places)
            self.run.note(f"the locks of {names} cannot be made anew: {trouble}")
        self._trouble = trouble

    def _stop_was_asked(self, who: str, how: str) -> None:
        self.run.note(f"stop asked by a {who} ({how})")
        if self.record.state != "stopping":
            self._stop(self.record.to("stopping", stop=who))
        elif self.record.attempts[-1].stop != PERSON:  # it ends already, and must not go on by itself now
            self.record = self.record.to("stopping", stop=who)
            self.run.write(self.record)

    def _stop(self, record: Record) -> None:
        """Asks it to end, and writes down until when it has time."""
        grace = self.run.grace()
        self.record, self.deadline = replace(record, killed_at=time.time() + grace), time.monotonic() + grace
        self.run.write(self.record)
        sent = self.training.signal_group(signal.SIGTERM)
        self.run.note(f"SIGTERM to process group {self.training.pid}{'' if sent else ', which is gone'}; {grace:g} s to end")
        self._wake()

    def _wake(self) -> None:
        """What is suspended hears nothing; it may also be suspended only after it was asked to end."""
        for member in self.run.family(self.record):
            if member.stat.state == SUSPENDED:
                self.run.ask_to_end(member)

    def _kill(self) -> None:
        family = self.run.family(self.record)
        self.training.signal_group(signal.SIGKILL)
        for member in family:
            member.identity.signal(signal.SIGKILL)
        self.run.note(f"no answer to SIGTERM: SIGKILL to {len(family)} processes")

    def _leave(self) -> None:
        """The folder was taken away. The training must end, or it would hold the GPU unseen; the rest is no longer ours."""
        self.run.note(f"{self.run.folder.path} is not the folder any more in which process {self.training.pid} was started")
        if self.deadline is None:
            self._stop(self.record)
        self.run.clear_remains(self.record, self.deadline)

    def _end(self) -> Ended:
        disk_is_full = self.run.monitor.disk_is_full  # before somebody sees that it ended, and makes room
        exit_code, took = _reap(self.training.pid), self.training.age_seconds()
        self.run.note(f"the training ended, exit code {'unknown' if exit_code is None else exit_code}")
        remains = self.run.clear_remains(self.record, self.deadline)
        memory_ran_out = (count_oom_kills() or 0) > (self.oom_kills or 0)
        ending = Ending(exit_code, remains=remains, memory_ran_out=memory_ran_out, disk_is_full=disk_is_full)
        verdict = judge(self.run.folder, self.record, ending, self.run.monitor.history)
        return Ended(self.record.to(self.record.state, seconds=took), exit_code, verdict)


def tell_signal(got: signal.struct_siginfo) -> str:
    """For the monitor's log."""
    return f"{signal.Signals(got.si_signo).name} from process {got.si_pid}"


def _reap(pid: int) -> int | None:
    """The exit code of our child, negative for a signal; None for a training that was adopted."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None
