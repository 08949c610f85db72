"""Which notification services are set up: URLs in a file of the person's own (0600), and in FLUXGYM_NOTIFY.

A URL holds passwords and tokens. It is shown nowhere again, and is in no run's folder, log or command line.
"""

import json
import os
from dataclasses import dataclass

from fluxgym.notify.send import Message, Outcome, ServiceError, masked_name, name_of, send, understand
from fluxgym.run.private_file import hold_private, write_private
from fluxgym.run.tell import URLS, services_file

VERSION = 1
TEST = Message("FluxGym: a test", "Notifications arrive. You asked for this one; nothing has happened to any training.")


@dataclass(frozen=True)
class Service:
    """One service, for people."""

    number: int  # from 1
    name: str  # without secrets: "Telegram", "ntfy: ntfy.sh"
    can_remove: bool  # one of FLUXGYM_NOTIFY is removed there


def read_urls() -> list[str]:
    """All URLs: those of the file, then those of FLUXGYM_NOTIFY. Raises ServiceError where the file cannot be read."""
    return _read_file() + os.environ.get(URLS, "").split()


def list_services() -> list[Service]:
    """In the order of read_urls. Raises ServiceError."""
    kept = len(_read_file())
    return [Service(number, name_of(url), number <= kept) for number, url in enumerate(read_urls(), 1)]


def add_service(url: str) -> Service:
    """Keeps one more. Raises ServiceError where the URL is none, or is there already."""
    url = url.strip()
    name = masked_name(understand(url))
    with hold_private(services_file()):
        urls = _read_file()
        if url in urls:
            raise ServiceError(f"{name} is set up already, with this very URL")
        _write_file([*urls, url])
    return Service(len(urls) + 1, name, True)


def remove_service(number: int) -> Service:
    """Forgets the service of this number. Raises ServiceError."""
    services = list_services()
    if not 1 <= number <= len(services):
        choices = f"expected a number from 1 to {len(services)}" if services else "no service is set up"
        raise ServiceError(f"got the service {number}, {choices}")
    if not services[number - 1].can_remove:
        raise ServiceError(f"{services[number - 1].name} is set up in {URLS}, remove it there")
    gone = read_urls()[number - 1]
    with hold_private(services_file()):
        _write_file([url for url in _read_file() if url != gone])
    return services[number - 1]


def try_services(number: int | None = None) -> list[Outcome]:
    """Sends a test message to one or all, and says what became of it. Takes a while. Raises ServiceError."""
    urls = read_urls()
    if number is not None and not 1 <= number <= len(urls):
        raise ServiceError(f"got the service {number}, expected a number from 1 to {len(urls)}")
    return send(urls if number is None else [urls[number - 1]], TEST)


# ---- the file --------------------------------------------------------------------------------------------------------
def _read_file() -> list[str]:
    path = services_file()
    try:
        said = json.loads(path.read_bytes())
        urls = said["urls"]
        if said["version"] != VERSION or not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise ValueError
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:  # its words might quote a URL
        what = error.strerror if isinstance(error, OSError) else "it is damaged or of another version"
        raise ServiceError(f"{path} cannot be read: {what}; repair it, or move it away and add the services anew") from None
    return urls


def _write_file(urls: list[str]) -> None:
    """Gone with its last URL."""
    path = services_file()
    if not urls:
        path.unlink(missing_ok=True)
        return
    write_private(path, {"version": VERSION, "urls": urls})
