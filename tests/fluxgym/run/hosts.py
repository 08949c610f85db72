"""Another machine, as its run.json and its heartbeat tell of it."""

import json
import time

from fluxgym.run.beat import SIZE
from fluxgym.run.identity import Identity
from trainer.folder import RunFolder


def there(host: str, pid: int) -> Identity:
    """A process of that machine."""
    return Identity(pid, 1, f"the boot of {host}/1", host)


def beat_as(folder: RunFolder, host: str, pid: int, boot: str = "") -> None:
    """A beat of a supervisor there; without its boot, as it was at first."""
    said = {"host": host, "pid": pid, "time": time.time()} | ({"boot": boot} if boot else {})
    folder.heartbeat.write_bytes(json.dumps(said).encode().ljust(SIZE))
