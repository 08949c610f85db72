"""Tells people of an event in the life of a run, where they set up notification services: spawns `python -m fluxgym.notify`.

What a service takes, and how long, is another process's business: nothing of it can hold up or end the care for a training.
"""

import os
import sys
import threading
import time
from pathlib import Path

from fluxgym.run.care import read_care
from fluxgym.run.family import ATTEMPT_MARK, MARK
from fluxgym.run.folders import PROJECT, shown_path
from fluxgym.run.monitor import Monitor
from trainer.folder import RunFolder

EVENTS = ("completed", "failed", "lost", "stopped", "stalled", "nan", "recovered", "resumed")
URLS = "FLUXGYM_NOTIFY"  # URLs of services, separated by spaces
PATIENCE = 60.0  # s; what tells ends by itself before
_tellers: list[threading.Thread] = []  # each waits for one process


def tell(folder: RunFolder, event: str) -> None:
    """Returns at once and raises nothing; `event` is one of EVENTS.

    To be called after the event was written into run.json: whoever guards the run later finds it there, and does not tell it
    again. It is at most once that a person hears of it."""
    try:
        if has_services() and read_care(folder).notify:
            _send(folder, event)
    except Exception as error:  # a courtesy: whatever is wrong with it must not end the care for the training
        Monitor(folder).note(f"no notification of {event}: {type(error).__name__}")  # its words might quote a URL


def wait_until_told() -> None:
    """Until the services heard what there was to tell. For the end of a cluster's job, which kills what still runs."""
    deadline = time.monotonic() + PATIENCE
    for teller in _tellers:
        teller.join(max(0.0, deadline - time.monotonic()))


def services_file() -> Path:
    """Where the services' URLs are kept: FLUXGYM_NOTIFY_FILE, or fluxgym/notify.json in the person's settings."""
    if named := os.environ.get("FLUXGYM_NOTIFY_FILE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "fluxgym" / "notify.json"


def has_services() -> bool:
    """Whether anything is set up. The file is there only while it names a service."""
    return bool(os.environ.get(URLS, "").strip()) or services_file().is_file()


def _send(folder: RunFolder, event: str) -> None:
    """Popen closes our locks' handles in the child; without our marks it is no part of a training that must end."""
    import subprocess  # a megabyte that a supervisor seldom needs

    process = subprocess.Popen(
        [sys.executable, "-m", "fluxgym.notify", shown_path(folder.path), event],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=PROJECT,
        env={key: value for key, value in os.environ.items() if key not in (MARK, ATTEMPT_MARK)},
        start_new_session=True,
    )
    _tellers.append(teller := threading.Thread(target=process.wait, daemon=True))  # no zombie while we live
    teller.start()
