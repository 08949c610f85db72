"""SIGTERM and SIGINT: a request to stop that the training honours after its step. Imports no torch."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from trainer.report import say_at_once

SIGNALS = (signal.SIGTERM, signal.SIGINT)
AGAIN = 0.05  # s


class Stopped(BaseException):
    """The training was asked to stop at a moment when there is nothing to save. No Exception: libraries swallow those."""


class Stop:
    """Whether somebody has asked to stop. `at_once`: leave by Stopped, in the midst of whatever is going on."""

    def __init__(self) -> None:
        self.signal = ""  # name of the first one received
        self.at_once = True

    def listen(self) -> None:
        """From here on signals are requests, also where whoever started us ignores or blocks them."""
        for number in SIGNALS:
            signal.signal(number, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        sys.unraisablehook = self._hear_again

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:
            return
        self.signal = signal.Signals(number).name
        if self.at_once:
            raise Stopped(self.signal)
        say_at_once(f"Stopping: {self.signal} received, finishing the step")

    def _hear_again(self, said: Any) -> None:
        """A Stopped that is raised within a __del__ ends nothing: the request comes once more, a moment later."""
        if not isinstance(said.exc_value, Stopped):
            sys.__unraisablehook__(said)
            return
        number, self.signal = signal.Signals[self.signal], ""
        timer = threading.Timer(AGAIN, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()

    def __bool__(self) -> bool:
        return bool(self.signal)

    @property
    def interrupts(self) -> bool:
        """Whether what goes on now was broken off by the request; an error that comes then comes of it."""
        return bool(self.signal) and self.at_once
