"""Under which address others reach this server: FLUXGYM_URL says it, or the server at its start, or a page's own address."""

import ipaddress
import json
import os
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from fluxgym.run.folders import outputs_root
from trainer.disk import write_whole

VARIABLE = "FLUXGYM_URL"
USUAL = "http://127.0.0.1:8501"  # where Streamlit listens when nothing else was said
NOTE = ".server.json"  # in outputs/
HOME_NAMES = (".local", ".lan", ".home", ".internal", ".home.arpa")  # ends of names that only one network knows
Reach = Literal["machine", "network", "anywhere"]
HOW = (
    f"Use a tunnel, Caddy or the proxy of your pod, and set {VARIABLE} to the address that others see; docs/access.md says how."
)


def public_base(root: Path) -> str:
    """The address of the server of these outputs, without a slash at its end: as FLUXGYM_URL says here, or said to the server.

    Raises ValueError for a wrong FLUXGYM_URL."""
    return told_base() or _read_note(root, "public") or noted_base(root)


def told_base() -> str:
    """What FLUXGYM_URL says, which may hold a path; empty where it says nothing. Raises ValueError."""
    said = os.environ.get(VARIABLE, "").strip()
    if said and not _is_base(said):
        raise ValueError(f"got {VARIABLE}={said[:200]!r}, expected an address such as https://gpu.example.org/fluxgym")
    return said.rstrip("/")


def noted_base(root: Path) -> str:
    """What the server that was started last in these outputs noted, or the usual address."""
    return _read_note(root, "url") or USUAL


def _read_note(root: Path, name: str) -> str:
    try:
        said = json.loads((root / NOTE).read_bytes())[name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none was started yet, or not by us
        return ""
    return said.rstrip("/") if isinstance(said, str) and _is_base(said) else ""


def note_server(url: str) -> None:
    """Notes where this server listens and what FLUXGYM_URL says, for links made in a terminal, where it may not be set.

    Raises ValueError for a wrong FLUXGYM_URL. A full disk keeps no server from its start."""
    root = outputs_root()
    noted = {"url": url} | ({"public": public} if (public := told_base()) else {})
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_whole(root / NOTE, json.dumps(noted).encode())
    except OSError as error:
        print(f"fluxgym: links from the terminal may name another address than {url}: {error}", file=sys.stderr)


def base_of_page(url: str, page: str) -> str:
    """The server's address as a browser has it that shows `page`: without the page's name, which Streamlit puts at the end."""
    parts = urlsplit(url)
    path = "/".join(filter(None, parts.path.split("/")))
    path = path.removesuffix(page).rstrip("/") if path == page or path.endswith(f"/{page}") else path
    return f"{parts.scheme}://{parts.netloc}/{path}".rstrip("/")


def link_path(base: str, token: str) -> str:
    """/s/<token>/, below the path of the server's address."""
    return f"{urlsplit(base).path.rstrip('/')}/s/{token}/"


def link_url(base: str, token: str) -> str:
    """The whole address of a link."""
    return f"{base}/s/{token}/"


def reach_of(url: str) -> Reach:
    """From where an address can be opened: by this machine alone, within its network, from anywhere."""
    name = (urlsplit(url).hostname or "").rstrip(".")
    try:
        number = ipaddress.ip_address(name)
    except ValueError:
        if name == "localhost" or name.endswith(".localhost"):
            return "machine"
        return "network" if "." not in name or name.endswith(HOME_NAMES) else "anywhere"
    if number.is_loopback or number.is_unspecified:
        return "machine"
    return "anywhere" if number.is_global else "network"


def tell_reach(base: str) -> str:
    """Who cannot open a link to this address and what helps; empty where everybody can."""
    where = {"machine": "this machine only, so a friend", "network": "this network only, so a friend elsewhere"}
    reach = reach_of(base)
    return f"{urlsplit(base).netloc} leads to {where[reach]} cannot open it. {HOW}" if reach in where else ""


def _is_base(said: str) -> bool:
    """http or https, a host, perhaps a path; nothing that a link would give away or lose."""
    try:
        parts = urlsplit(said)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    is_bare = not (parts.username or parts.password or parts.query or parts.fragment or "@" in parts.netloc)
    return is_whole and is_bare and said.isascii() and said.isprintable() and " " not in said
