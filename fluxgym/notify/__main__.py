"""`python -m fluxgym.notify <run folder> <event>`: tells all services of an event. Spawned by fluxgym.run.tell.

It ends within a limit whatever the services do, and writes one line on the outcome into the run's monitor.log.
"""

import signal
import sys
from pathlib import Path

from fluxgym.notify.message import compose
from fluxgym.notify.send import LIMIT, ServiceError, send
from fluxgym.notify.services import read_urls
from fluxgym.run.monitor import Monitor
from trainer.folder import RunFolder

MARGIN = 30  # s beyond the limit, for reading the run and for a library that does not return


def main(arguments: list[str]) -> int:
    """Sends; returns 0 when every service took it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a supervisor, which spawned us, has all its signals blocked
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(LIMIT) + MARGIN)  # ends this process where nothing else does
    folder, event = RunFolder(Path(arguments[0])), arguments[1]
    try:
        outcomes = send(read_urls(), compose(folder, event))
    except ServiceError as error:
        Monitor(folder).note(f"no notification of {event}: {error}")
        return 1
    told = "; ".join(f"{outcome.name}: {outcome.words}" for outcome in outcomes)
    Monitor(folder).note(f"notification of {event}: {told}")
    return 0 if all(outcome.is_sent for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
