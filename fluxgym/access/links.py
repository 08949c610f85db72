"""Links that show one run to whoever has them: /s/<token>/. A token is 256 random bits; share.json keeps only its SHA-256.

A link that was revoked is taken out of the file, so that it is from then on as unknown as one that never was. The file names
its run: in a copy of the folder it counts for nothing.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fluxgym.run.folders import touch_root
from fluxgym.run.index import list_shared
from fluxgym.run.stamp import stamp_of
from trainer.disk import write_whole
from trainer.folder import RunFolder

VERSION = 1
PARTS = {
    "log": "Last 100 lines of the log",
    "samples": "Samples and their prompts",
    "settings": "Settings",
    "checkpoints": "LoRA files to download",
}
DAYS = 7.0  # that a link is valid where nothing else is said
DAY = 24 * 60 * 60  # s
LONGEST_LABEL = 80  # characters
MOST_LINKS = 100  # of one run
SCAN = 0.25  # s between two looks into all folders, however many ask for links that are not known
Change = Callable[[list["Link"]], list["Link"]]


class ShareError(ValueError):
    """A link that cannot be made, found or read, in words for a person."""


@dataclass(frozen=True)
class Link:
    """One link. `digest` is the SHA-256 of its token, in hexadecimal digits."""

    folder: RunFolder
    id: str  # by which people and commands name it; opens nothing
    digest: str
    label: str
    created: float  # s since 1970
    expires: float | None  # s since 1970; None: never
    parts: frozenset[str]  # of PARTS; progress and charts are always shown
    seen: float | None = None  # s since 1970: when a visitor's page was last open
    views: int = 0

    def is_valid(self, now: float | None = None) -> bool:
        return self.expires is None or (time.time() if now is None else now) < self.expires


def make_link(
    folder: RunFolder, days: float | None = DAYS, label: str = "", parts: Collection[str] = ("log", "samples")
) -> tuple[Link, str]:
    """Makes a link and its token, which is told only now. `days`: None for ever. Raises ShareError, OSError."""
    if unknown := sorted(set(parts) - set(PARTS)):
        raise ShareError(f"got the parts {', '.join(unknown)}, expected of {', '.join(PARTS)}")
    if days is not None and not 0 < days <= 36500:
        raise ShareError(f"got {days:g} days, expected more than 0 and at most 36500, or never")
    token, now = secrets.token_urlsafe(32), time.time()
    expires = None if days is None else now + days * DAY
    label = " ".join(label.split())[:LONGEST_LABEL]
    link = Link(folder, secrets.token_hex(4), digest_of(token), label, now, expires, frozenset(parts))

    def add(links: list[Link]) -> list[Link]:
        alive = [each for each in links if each.is_valid(now)]
        if len(alive) >= MOST_LINKS:
            raise ShareError(f"{folder.title} has {len(alive)} links already, the most that a run can have; revoke some")
        return [*alive, link]

    _change(folder, add)
    return link, token


def list_links(folder: RunFolder) -> list[Link]:
    """Its links, the expired too, the newest first. Raises ShareError where share.json cannot be read."""
    return sorted(_read(folder), key=lambda link: (-link.created, link.id))


def revoke(folder: RunFolder, link_id: str) -> Link:
    """Ends a link. Raises ShareError where there is none of this id."""
    gone: list[Link] = []

    def take(links: list[Link]) -> list[Link]:
        gone.extend(link for link in links if link.id == link_id)
        return [link for link in links if link.id != link_id]

    if folder.share.is_file():
        _change(folder, take)
    if not gone:
        known = ", ".join(link.id for link in list_links(folder)) or "it has none"
        raise ShareError(f"got the link {link_id!r} of {folder.title}, expected one of: {known}")
    return gone[0]


def revoke_all(folder: RunFolder) -> int:
    """Ends all links of a run, also where share.json is damaged; how many there were."""
    try:
        count = len(_read(folder))
    except ShareError:
        count = 0
    folder.share.unlink(missing_ok=True)
    return count


def note_visit(link: Link, is_new: bool) -> None:
    """Writes down that somebody looks; `is_new`: has just come. Raises nothing: a full disk shuts nobody out."""
    now = time.time()

    def note(links: list[Link]) -> list[Link]:
        return [replace(each, seen=now, views=each.views + is_new) if each.id == link.id else each for each in links]

    with contextlib.suppress(OSError, ShareError):
        if link.folder.share.is_file():
            _change(link.folder, note)


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Book:
    """The valid links by their digests, for a server: cheap to ask again and again, and never older than share.json."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._stamps: dict[Path, tuple[int, int, int]] = {}
        self._lock = threading.Lock()  # the gate asks in the server's loop, scripts in threads of their own
        self._scan: asyncio.Task[None] | None = None
        self._scanned = 0.0  # by the monotonic clock

    async def find(self, token: str) -> Link | None:
        """The link of a token. Unknown, expired and revoked ones take the same way, and as long."""
        digest = digest_of(token)
        if (link := self.get(digest)) is not None:
            return link
        if self._scan is None:
            self._scan = asyncio.create_task(self._look())
        await asyncio.shield(self._scan)
        return self.get(digest)

    def get(self, digest: str) -> Link | None:
        """The link, as share.json has it now; None once it was revoked or has expired."""
        link = self._links.get(digest)
        if link is not None and self._stamps.get(link.folder.share) != stamp_of(link.folder.share):
            self._read(link.folder)
            link = self._links.get(digest)
        return link if link is not None and link.is_valid() else None

    async def _look(self) -> None:
        """Reads what is new in all folders. A link that is made while it waits is found, too."""
        await asyncio.sleep(max(0.0, self._scanned + SCAN - time.monotonic()))
        self._scan, self._scanned = None, time.monotonic()  # who comes now waits for the next look
        for folder in await asyncio.to_thread(list_shared):
            if self._stamps.get(folder.share) != stamp_of(folder.share):
                self._read(folder)

    def _read(self, folder: RunFolder) -> None:
        with self._lock:
            stamp = stamp_of(folder.share)
            try:
                links = _read(folder)
            except ShareError:  # its owner is told on the run's page; until it is mended nobody comes in
                links = []
            others = {digest: link for digest, link in self._links.items() if link.folder.share != folder.share}
            self._links = others | {link.digest: link for link in links}
            self._stamps[folder.share] = stamp  # last: until then whoever asks reads it, too


# ---- share.json ------------------------------------------------------------------------------------------------------
def _read(folder: RunFolder) -> list[Link]:
    try:
        said = json.loads(folder.share.read_bytes())
        if said["version"] != VERSION:
            raise ValueError(f"got the version {said['version']!r}, expected {VERSION}")
        if said["run"] != folder.name:  # copied along with its folder: the links of one run must not lead to another
            return []
        return [_parse(folder, each) for each in said["links"]]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ShareError(
            f"{folder.share.name} of {folder.title} cannot be read ({what}): no link of it opens; revoke all to begin anew"
        ) from error


def _parse(folder: RunFolder, said: dict[str, Any]) -> Link:
    expires, seen = said["expires"], said.get("seen")
    return Link(
        folder,
        str(said["id"]),
        str(said["digest"]),
        str(said["label"]),
        float(said["created"]),
        None if expires is None else float(expires),
        frozenset(map(str, said["parts"])) & frozenset(PARTS),
        None if seen is None else float(seen),
        int(said.get("views", 0)),
    )


def _tell(link: Link) -> dict[str, Any]:
    said = {name: getattr(link, name) for name in ("id", "digest", "label", "created", "expires", "seen", "views")}
    return said | {"parts": sorted(link.parts)}


def _change(folder: RunFolder, change: Change) -> None:
    """Reads, changes and writes share.json, while no other process or thread does. Raises ShareError, OSError."""
    with _hold(folder.share.parent):
        links, is_first = change(_read(folder)), not folder.share.exists()
        write_whole(
            folder.share,
            json.dumps({"version": VERSION, "run": folder.name, "links": list(map(_tell, links))}, indent=1).encode(),
        )
    if is_first:
        touch_root(folder)


@contextlib.contextmanager
def _hold(path: Path) -> Iterator[None]:
    """The lock is on the folder itself, so that it leaves no file behind; the kernel frees it with its holder."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
