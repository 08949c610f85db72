"""The processes of one training on one machine: started together, stopped together, and ended when one of them is lost.

The first one writes the log itself. What the others say comes through us, marked as torch marks it ([rank1]: ...), and a little
late: once one is lost the others fail for want of it, and then only the lost one's last words are told. Imports no torch."""

import os
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from trainer.folder import RunFolder
from trainer.report import say
from trainer.rotate import TrainingLog
from trainer.stacks import RUN

ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # the last one comes through srun, to the ranks too: they ignore it
FETCHED = [*ASKED, signal.SIGCHLD]
DEFAULT = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE]  # in what is started
LOOK_EVERY = 1.0  # s
HELD, MOST_HELD = 2.0, 200  # s and lines for which what the others say is held
GRACE = (
    10.0  # s for the others when one is lost, or has left: the first may be saving a state; who waits for that one, waits on
)
BROKE, WRONG, STOPPED = 1, 2, 143  # exit codes of the trainer, see trainer.start
LEFT_ALONE = 3  # that of a process which fails because another one is gone
GONE = re.compile(r"Connection (?:closed|reset) by peer|Broken pipe|(?:Read|Write) error")
LEFT = (STOPPED, -signal.SIGTERM)


def _find_log() -> TrainingLog | None:
    """That of the run which has a supervisor."""
    run = os.environ.get(RUN)
    return TrainingLog(RunFolder(Path(run)), rotate_mb=0, leads=False) if run else None


@dataclass
class Process:
    """One that we started. `code`: its exit code, negative for a signal; None while it runs."""

    rank: int
    pid: int
    code: int | None = None
    ended: float = 0.0  # monotonic time
    was_killed: bool = False  # by us
    said: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_HELD))
    listener: threading.Thread | None = None

    @classmethod
    def start(
        cls, rank: int, command: list[str], variables: Mapping[str, str], speaks: bool, own_session: bool = False
    ) -> Self:
        """`speaks`: into our own output; otherwise through us. Its signals are unblocked, as ours are not."""
        files: list[tuple[int, ...]] = []
        reading, writing = (-1, -1) if speaks else os.pipe()
        if not speaks:
            files = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
        pid = os.posix_spawnp(
            command[0], command, dict(variables), file_actions=files, setsid=own_session, setsigmask=[], setsigdef=DEFAULT
        )
        process = cls(rank, pid)
        if not speaks:
            os.close(writing)
            process.listener = threading.Thread(target=process._listen, args=(reading,), daemon=True)
            process.listener.start()
        return process

    def _listen(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.said.append((time.monotonic(), line.rstrip("\n")))

    def look(self) -> None:
        """Whether it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code, self.ended = os.waitstatus_to_exitcode(status), time.monotonic()

    def tell(self, until: float) -> None:
        """Says what it said up to a time."""
        while self.said and self.said[0][0] <= until:
            text = self.said.popleft()[1]
            print(text if text.startswith("[rank") else f"[rank{self.rank}]: {text}", flush=True)


@dataclass
class Together:
    """All of them, until the last one has ended. `total`: how many there are on all machines; `passes`: what a wish to stop
    becomes for them."""

    processes: list[Process]
    total: int
    passes: signal.Signals = signal.SIGTERM
    asked: set[int] = field(default_factory=set)  # signals
    deadline: float | None = None  # monotonic time
    log: TrainingLog | None = field(default_factory=_find_log)

    def to_the_end(self) -> int:
        """The exit code of them all, as a shell tells it."""
        while any(process.code is None for process in self.processes):
            got = signal.sigtimedwait(FETCHED, LOOK_EVERY)
            if got and got.si_signo in ASKED:
                self.asked.add(got.si_signo)
                self._send(self.passes)
            for process in self.processes:
                process.look()
            self._set_deadline()
            self._follow_log()
            now = time.monotonic()
            if self.deadline is None:
                self._tell(now - HELD)
            elif now >= self.deadline:
                for process in self.processes:
                    process.was_killed = process.was_killed or process.code is None
                self._send(signal.SIGKILL)
        return self._end()

    @property
    def is_one_of_several(self) -> bool:
        """Whether there are others on other machines."""
        return len(self.processes) < self.total

    def _send(self, number: signal.Signals) -> None:
        for process in self.processes:
            if process.code is None:  # not waited for yet, so the pid is still its own
                os.kill(process.pid, number)

    def _set_deadline(self) -> None:
        """Without one of them the others wait for ever."""
        codes = [process.code for process in self.processes if process.code]
        if codes and self.deadline is None:
            self.deadline = time.monotonic() + GRACE

    def _tell(self, until: float) -> None:
        for process in self.processes:
            process.tell(until)

    def _follow_log(self) -> None:
        """Where the first process has moved the log away: what we say belongs into the new one."""
        if self.log:
            self.log.turn()

    def _end(self) -> int:
        self._follow_log()
        for process in self.processes:
            if process.listener:
                process.listener.join(LOOK_EVERY)  # a process that it left behind may keep the pipe open
        left = (*LEFT, 128 + self.passes) if self.asked else LEFT  # on another machine it may have died of it, still starting
        lost = [each for each in self.processes if each.code and each.code not in left and not each.was_killed]
        if not lost:
            for process in self.processes:
                if not process.was_killed:  # else it said how it waited for one that had left
                    process.tell(time.monotonic())
            codes = {process.code for process in self.processes if not process.was_killed} - {0}
            # srun sends SIGTERM too, when another machine lost a process: none of ours then ends as one that was asked to
            is_cut = self.is_one_of_several and -signal.SIGTERM in codes and self.asked <= {signal.SIGTERM}
            return BROKE if is_cut else STOPPED if codes else 0
        return self._tell_loss(
            min(lost, key=lambda process: (process.code == LEFT_ALONE, (process.code or 0) > 0, process.ended))
        )

    def _tell_loss(self, first: Process) -> int:
        """Last in the log: what the lost one said, and how it ended. What is wrong for all alike was said by the first."""
        code = first.code or 0
        who = f"Rank {first.rank} of {self.total}, on {os.environ.get('SLURMD_NODENAME') or os.uname().nodename},"
        if code < 0:
            first.tell(time.monotonic())
            name = signal.Signals(-code).name if -code in set(signal.Signals) else "an unknown signal"
            say(f"ERROR {who} was killed by signal {-code} ({name})")
        elif first.said and all(process.code != WRONG for process in self.processes if process.rank == 0):
            first.tell(time.monotonic())
            say(f"{who} ended with exit code {code}, and the others cannot go on without it")
        return code if code > 0 else BROKE


def run_together(commands: Sequence[tuple[int, list[str], Mapping[str, str]]], total: int) -> int:
    """Starts one process for each (rank, command, variables), and waits for them. Their exit code, as a shell tells it."""
    _take_signals()
    processes = [Process.start(rank, command, variables, speaks=rank == 0) for rank, command, variables in commands]
    return Together(processes, total).to_the_end()


def run_apart(command: list[str], passes: signal.Signals) -> int:
    """Runs one process that the signals to our group do not reach: a wish to stop reaches it as the signal `passes`."""
    _take_signals()
    process = Process.start(0, command, os.environ, speaks=True, own_session=True)
    return Together([process], total=1, passes=passes).to_the_end()


def is_left_alone(error: BaseException) -> bool:
    """Whether a process fails for want of another one: that one's end is what matters, not where this one waited for it."""
    said = str(error)
    return "remote process exited" in said or ("/gloo/transport/" in said and bool(GONE.search(said)))


def _take_signals() -> None:
    """From here on they are fetched one by one."""
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_SETMASK, FETCHED)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # what is started inherits that
