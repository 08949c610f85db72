"""Sends a message through Apprise: to each service by itself and all at once, within a limit, and without a word of a URL.

Apprise tells what it does, URLs included, in a log of its own: that is silenced, and only read for the kind of a failure.
"""

import difflib
import functools
import logging
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 30.0  # s for all services together
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19})://")
EXAMPLES = "ntfy://topic, discord://id/token or mailto://user:password@host"
WEB = ("http", "https")  # of a page, or of a receiver of one's own
SENT = "sent"
KINDS = {"success": ("completed",), "failure": ("failed", "lost", "nan"), "warning": ("stalled", "stopped")}


class ServiceError(ValueError):
    """A notification service that cannot be what it is said to be. The message quotes no URL."""


@dataclass(frozen=True)
class Message:
    """What a service is given."""

    title: str
    body: str
    event: str = ""
    picture: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a message at one service, for people."""

    name: str
    is_sent: bool
    words: str


def understand(url: str) -> Any:
    """Apprise's object for the service of a URL. Raises ServiceError, which quotes the scheme alone."""
    import apprise

    _prepare()
    asset = apprise.AppriseAsset(app_id="FluxGym", app_desc="FluxGym", app_url="")
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise ServiceError(_what_is_wrong(url))
    return service


def masked_name(service: Any) -> str:
    """Tells a service to people without its secrets. In many URLs a token stands in the host's place: that is no host."""
    has_host = all("{host}" in template for template in service.templates) or service.service_name == "ntfy"
    host = service.host or ("ntfy.sh" if service.service_name == "ntfy" else "")
    return f"{service.service_name}: {host}" if has_host and host else str(service.service_name)


def send(urls: list[str], message: Message, limit: float = LIMIT) -> list[Outcome]:
    """Returns within `limit` seconds with one outcome a URL, in their order. Raises nothing for what a service does."""
    outcomes = [Outcome(name_of(url), False, f"no answer within {limit:g} s") for url in urls]

    def send_one(number: int) -> None:
        outcomes[number] = _send(urls[number], message, outcomes[number].name)

    # daemons: a service that hangs keeps its thread, and nobody waits for it
    threads = [threading.Thread(target=send_one, args=(number,), daemon=True) for number in range(len(urls))]
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(outcomes)


def name_of(url: str) -> str:
    """The masked name, also of a URL that is none."""
    try:
        return masked_name(understand(url))
    except ServiceError:
        return "a URL that is none"


def _send(url: str, message: Message, name: str) -> Outcome:
    import apprise

    try:
        sender = apprise.Apprise(understand(url))
        result = sender.notify(
            body=message.body,
            title=message.title,
            notify_type=next((kind for kind, events in KINDS.items() if message.event in events), "info"),
            body_format=apprise.NotifyFormat.TEXT,
            attach=str(message.picture) if message.picture else None,
        )
    except ServiceError as error:
        return Outcome(name, False, str(error))
    except Exception as error:  # 176 services, of which each may break in its own way; its words might quote the URL
        return Outcome(name, False, f"it broke off with {type(error).__name__}")
    return Outcome(name, bool(result), SENT if result else _why(" ".join(entry.message for entry in result.logs())))


def _why(said: str) -> str:
    """Words of our own for what Apprise's log says, which quotes URLs and tokens."""
    if code := re.search(r"\berror=(\d{3})\b", said):
        return f"it answered with error {code[1]}"
    return "it cannot be reached, or does not answer" if "onnection" in said else "it did not take the message"


@functools.cache
def _prepare() -> None:
    """Once a process: silences Apprise's log, and lets a service's own limit cut a message rather than refuse it."""
    import apprise

    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())  # without any, warnings would go to stderr
    logger.propagate = False
    apprise.NotifyBase.overflow_mode = apprise.OverflowMode.TRUNCATE


def _what_is_wrong(url: str) -> str:
    from apprise.manager_plugins import NotificationManager

    found = SCHEME.match(url)
    if not found:
        return f"got a text without a scheme, expected a URL of Apprise such as {EXAMPLES}"
    schemes, scheme = NotificationManager().schemas(), found[1].lower()
    if scheme in schemes:
        return f"got a URL of {scheme}:// that lacks something or has too much, expected one such as {EXAMPLES}"
    if scheme in WEB:
        safe = "s" if scheme == "https" else ""
        return f"got {scheme}://, expected the service's own scheme, such as {EXAMPLES}; for a receiver of yours json{safe}://"
    near = difflib.get_close_matches(scheme, schemes, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"expected one of Apprise, such as {EXAMPLES}"
    return f"got the scheme {scheme}://; {hint}"
