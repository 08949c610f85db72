"""The owner: who has the key, or a cookie that was given out for it. As with Jupyter, but both outlive the server.

The generated key, the secret that signs cookies, and the sessions that were ended lie in access.json, which its owner alone can
read: a server that is started again knows its own open pages. FLUXGYM_KEY sets the key; FLUXGYM_PASSWORD_HASH a password.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fluxgym.run.family import KEY, PASSWORD_HASH
from fluxgym.run.private_file import hold_private, write_private
from fluxgym.run.stamp import stamp_of

VERSION = 1
OPEN = "FLUXGYM_OPEN"
SHORTEST_KEY = 12  # characters of one that a person chose
LASTS = 30 * 24 * 60 * 60.0  # s that a session lasts
SCRYPT = {"n": 2**14, "r": 8, "p": 1}  # 16 MiB and some 50 ms a try; OWASP's password storage cheat sheet


class AccessError(ValueError):
    """Settings of the access that cannot be used, in words for a person."""


@dataclass(frozen=True)
class Keyring:
    """What access.json holds. `ended`: sessions that were logged out, and when, in s since 1970."""

    key: str
    secret: str
    ended: dict[str, float] = field(default_factory=dict)


def access_file() -> Path:
    """FLUXGYM_ACCESS_FILE, or fluxgym/access.json in the person's settings."""
    if named := os.environ.get("FLUXGYM_ACCESS_FILE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "fluxgym" / "access.json"


def is_open() -> bool:
    """Whether everybody is the owner, since somebody else keeps the door (FLUXGYM_OPEN=1)."""
    return os.environ.get(OPEN, "") not in ("", "0")


def key_in_use() -> str:
    """The key as it is now; made where there is none. Raises AccessError."""
    return chosen_key() or read_keyring().key


def chosen_key() -> str:
    """That of FLUXGYM_KEY, or nothing. Raises AccessError."""
    key = os.environ.get(KEY, "")
    if key and len(key) < SHORTEST_KEY:
        raise AccessError(
            f"{KEY}: got {len(key)} characters, expected {SHORTEST_KEY} or more; leave it out for a generated key"
        )
    return key


def read_keyring() -> Keyring:
    """What the file holds; made where there is none. Raises AccessError."""
    path = access_file()
    try:
        with contextlib.suppress(FileNotFoundError):
            return _parse(path)
        with hold_private(path):
            if path.is_file():
                return _parse(path)
            return _write(path, _new())
    except OSError as error:
        why = f"{path} cannot be used: {error.strerror or error}; FLUXGYM_ACCESS_FILE names another"
        raise AccessError(why) from error


def renew() -> Keyring:
    """Another key and another secret: all sessions have ended. Also where the file is damaged. Raises OSError."""
    path = access_file()
    with hold_private(path):
        return _write(path, _new())


def hash_password(password: str) -> str:
    """What FLUXGYM_PASSWORD_HASH takes: scrypt:<n>:<r>:<p>:<salt>:<hash>."""
    if len(password) < SHORTEST_KEY:
        raise AccessError(f"got a password of {len(password)} characters, expected {SHORTEST_KEY} or more")
    salt = secrets.token_bytes(16)
    made = hashlib.scrypt(password.encode(), salt=salt, **SCRYPT)
    words = ["scrypt", *map(str, SCRYPT.values()), *(base64.urlsafe_b64encode(part).decode() for part in (salt, made))]
    return ":".join(words)


class Owner:
    """Tells a server who is the owner; reads access.json anew when it has changed. Raises AccessError at its making."""

    def __init__(self) -> None:
        self.chosen, self.password = chosen_key(), os.environ.get(PASSWORD_HASH, "")
        if self.password:
            _split_hash(self.password)
        self._path = access_file()
        self._ring = read_keyring()
        self._stamp = stamp_of(self._path)

    @property
    def ring(self) -> Keyring:
        stamp = stamp_of(self._path)
        if stamp != self._stamp:
            with contextlib.suppress(AccessError):  # damaged meanwhile: what was read before counts
                self._ring = read_keyring()
            self._stamp = stamp
        return self._ring

    @property
    def cookie_name(self) -> str:
        """Its own for each keyring: browsers send cookies of one port of localhost to all others, too."""
        return f"fluxgym-{hashlib.sha256(self.ring.secret.encode()).hexdigest()[:8]}"

    def is_key(self, said: str) -> bool:
        """Whether this is the generated key, of 256 bits: it may be tried at any time."""
        return not self.chosen and _is_same(said, self.ring.key)

    def is_chosen(self, said: str) -> bool:
        """Whether it is what a person chose: FLUXGYM_KEY, or the password. Takes long; guesses at it must be few."""
        if self.chosen and _is_same(said, self.chosen):
            return True
        return bool(self.password) and _is_password(said, self.password)

    @property
    def has_chosen(self) -> bool:
        return bool(self.chosen or self.password)

    def begin(self, session: str = "", now: float | None = None) -> str:
        """The cookie of a session that begins, or goes on."""
        said = f"{session or secrets.token_urlsafe(16)}.{int(time.time() if now is None else now)}"
        return f"{said}.{self._sign(said)}"

    def session_of(self, cookie: str, now: float | None = None) -> str:
        """Which session a cookie stands for; nothing where it is none of ours, has expired or was ended."""
        said, _, signed = cookie.rpartition(".")
        session, _, began = said.partition(".")
        if not _is_same(signed, self._sign(said)):
            return ""
        age = (time.time() if now is None else now) - int(began)
        return session if age < LASTS and session not in self.ring.ended else ""

    def age_of(self, cookie: str) -> float:
        """Of a cookie that is one of ours, in s."""
        return time.time() - int(cookie.split(".")[1])

    def end(self, session: str) -> None:
        """Ends a session in all its pages, for this server and the next. Raises AccessError, OSError."""
        with hold_private(self._path):
            ring, now = read_keyring(), time.time()
            ended = {each: when for each, when in ring.ended.items() if now - when < LASTS}
            self._ring = _write(self._path, replace(ring, ended={**ended, session: now}))
        self._stamp = stamp_of(self._path)

    def _sign(self, said: str) -> str:
        """A new key or password ends all sessions, too."""
        key = "\n".join((self.ring.secret, self.ring.key, self.chosen, self.password))
        return hmac.new(key.encode(), said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _is_same(said: str, true: str) -> bool:
    """Takes as long for any wrong text."""
    return hmac.compare_digest(*(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (said, true)))


def _split_hash(text: str) -> tuple[dict[str, int], bytes, bytes]:
    expected = f"{PASSWORD_HASH}: expected what `python -m fluxgym key --hash` prints: scrypt:<n>:<r>:<p>:<salt>:<hash>"
    try:
        kind, n, r, p, salt, made = text.split(":")
        numbers = {"n": int(n), "r": int(r), "p": int(p)}
        parts = tuple(base64.b64decode(part, b"-_", validate=True) for part in (salt, made))
    except (ValueError, binascii.Error) as error:
        raise AccessError(expected) from error
    if kind != "scrypt" or numbers["n"] * numbers["r"] > 2**20 or not all(parts):
        raise AccessError(expected)
    return numbers, parts[0], parts[1]


def _is_password(said: str, kept: str) -> bool:
    numbers, salt, made = _split_hash(kept)
    memory = 256 * numbers["n"] * numbers["r"]  # bytes: twice what it needs
    password = said.encode("utf-8", "surrogatepass")
    return hmac.compare_digest(hashlib.scrypt(password, salt=salt, maxmem=memory, dklen=len(made), **numbers), made)


# ---- the file --------------------------------------------------------------------------------------------------------
def _new() -> Keyring:
    return Keyring(secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def _parse(path: Path) -> Keyring:
    try:
        said = json.loads(path.read_bytes())
        if said["version"] != VERSION or min(len(said["key"]), len(said["secret"])) < SHORTEST_KEY:
            raise ValueError
        return Keyring(str(said["key"]), str(said["secret"]), {str(name): float(when) for name, when in said["ended"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # its words might quote a secret
        raise AccessError(f"{path} is damaged or of another version; `python -m fluxgym key --new` makes another key") from None


def _write(path: Path, ring: Keyring) -> Keyring:
    write_private(path, {"version": VERSION} | asdict(ring))
    return ring
