"""A real training that kills itself with SIGKILL: `python -m tests.trainer.killed CONFIG STATE|- CALL`.

It dies in the CALLth computation of a loss, counted from 1, as if the machine had been taken away at that moment."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from trainer.report import quiet_libraries

quiet_libraries()
from trainer import loop  # noqa: E402
from trainer.start import start  # noqa: E402


def main() -> int:
    config, state, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    compute, calls = loop.compute_loss, count(1)

    def compute_or_die(*given: object, **options: object) -> object:
        if next(calls) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(*given, **options)  # type: ignore[arg-type]

    loop.compute_loss = compute_or_die  # type: ignore[assignment]
    return start(config, None if state == "-" else Path(state))


if __name__ == "__main__":
    sys.exit(main())
