"""A parent that ignores or blocks signals, which its children inherit. Not by Popen's preexec_fn: beside other threads, such as
torch's, that may never return, and neither does Popen then."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def deaf(number: signal.Signals, ignores: bool = False, blocks: bool = False) -> Iterator[None]:
    """This process is so while it starts a child."""
    handler = signal.signal(number, signal.SIG_IGN) if ignores else signal.getsignal(number)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {number} if blocks else ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(number, handler)
