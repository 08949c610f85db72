"""What only this machine knows of itself and of its owner: secrets of its environment, its names, where a run's images are.

Read once for each run: what is found here is hidden wherever it stands, however ordinary it looks. Standard library only.
"""

import getpass
import html
import json
import os
import pwd
import re
import socket
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from fluxgym.run.folders import PROJECT, outputs_root
from fluxgym.run.record import read_record
from trainer.folder import RunFolder

SECRET_NAME = re.compile(
    r"(?:^|_)(?:TOKENS?|(?:API)?KEYS?|SECRETS?|PASS(?:WORD|WD|PHRASE)?|PWD|AUTH(?:TOKEN)?|CREDENTIALS?|WEBHOOKS?|COOKIE|DSN|PAT"
    r"|NOTIFY)(?:_|$)",
    re.IGNORECASE,
)
NO_SECRETS = ("PWD", "OLDPWD")
NODES = re.compile(r"([^\[\],]+)(?:\[([^\]]*)\])?")
MOST = 1000  # nodes of a run
SHORTEST, LONG, LONG_NUMBER = 6, 12, 10  # characters: of a secret, of one that is hidden inside of a word too, of a number
WORDS = {
    *("false", "true", "none", "null", "auto", "default", "enabled", "disabled", "optional", "required", "always", "never"),
    *("normal", "basic", "public", "private"),
}
HOSTS = (
    *("HOSTNAME", "HOST", "COMPUTERNAME", "RUNPOD_POD_ID", "RUNPOD_POD_HOSTNAME", "VAST_CONTAINERLABEL", "SLURMD_NODENAME"),
    *("PUBLIC_IPADDR",),
)
USERS = ("USER", "LOGNAME", "USERNAME", "SUDO_USER")
GENERIC = {  # names that many machines and people have, and words of every log
    *("localhost", "localdomain", "ubuntu", "debian", "fedora", "arch", "linux", "windows", "darwin", "macos", "host"),
    *("hostname", "server", "node", "worker", "master", "main", "head", "pod", "docker", "container", "desktop", "laptop"),
    *("workstation", "computer", "machine", "root", "user", "users", "admin", "administrator", "nobody", "default"),
    *("runner", "jovyan", "workspace", "work", "home", "app", "data", "gpu", "cpu", "cuda", "train", "trainer", "training"),
    *("model", "models", "test", "tests", "demo", "flux", "fluxgym", "lora", "loss", "step", "steps", "epoch", "epochs"),
    *("python", "torch", "nvidia", "system", "service", "guest", "vagrant", "sandbox", "ec2-user", "azureuser"),
    *("paperspace", "runpod", "vast", "colab", "kaggle", "the", "and", "for", "prompt", "sample", "samples", "saving"),
    *("loading", "image", "images"),
}
DATA_KEYS = (
    "folder",
    "regularisation",
    "folder_path",
    "dataset_path",
    "train_data_dir",
    "reg_data_dir",
    "image_dir",
    "data_dir",
)
PATH_MARKS = "/\\"


def find_secrets(environment: Mapping[str, str]) -> list[str]:
    """Values that an environment calls secret, and passwords within its URLs."""
    found = [value for name, value in environment.items() if SECRET_NAME.search(name) and name not in NO_SECRETS]
    for value in environment.values():
        if "://" in value and "@" in value:
            found.append(_password_of(value))
    parts = {part for value in found for part in (value, *value.split())}
    return sorted(filter(_is_secret, parts), key=len, reverse=True)


def write_forms(text: str) -> set[str]:
    """How a text may stand in a line: as it is, in JSON, in JSON within JSON, in Python, in an address, in a page."""
    once = json.dumps(text)[1:-1]
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    return {text, once, json.dumps(once)[1:-1], plain, repr(text)[1:-1], quote(text), quote(text, safe=""), html.escape(text)}


def find_hosts(public: Iterable[str] = ()) -> list[str]:
    """The names of this machine that say which it is. Asks no name server."""
    names = [socket.gethostname(), *(os.environ.get(name, "") for name in HOSTS)]
    return _telling([each for name in names for each in (name, name.split(".")[0])], public)


def find_machines(folder: RunFolder, public: Iterable[str] = ()) -> list[str]:
    """The names of the machines on which the run was guarded and trained, nodes of a cluster too."""
    record = read_record(folder)
    attempts = record.attempts if record else []
    names = [node for attempt in attempts for node in list_nodes(attempt.nodes)]
    names += [attempt.training.host for attempt in attempts if attempt.training]
    return _telling([each for name in names for each in (name, name.split(".")[0])], public)


def list_nodes(said: str) -> list[str]:
    """gpu[01-03,7],cpu1 as Slurm names several nodes: gpu01, gpu02, gpu03, gpu7, cpu1; of very many the first ones."""
    found: list[str] = []
    for stem, numbers in NODES.findall(said):
        for part in numbers.split(",") if numbers else [""]:
            first, _, last = part.partition("-")
            if first.isdecimal() and last.isdecimal():
                found += [
                    f"{stem}{number:0{len(first)}}" for number in range(int(first), min(int(last), int(first) + MOST) + 1)
                ]
            else:
                found.append(stem + part)
    return found[:MOST]


def find_users(public: Iterable[str] = ()) -> list[str]:
    """The name of the person, on this machine and in full."""
    names = [os.environ.get(name, "") for name in USERS]
    try:
        names += [getpass.getuser(), Path.home().name, pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0]]
    except (KeyError, OSError, RuntimeError):  # a container may run as a number that has no name
        names.append(Path(os.environ.get("HOME", "")).name)
    return _telling(names, public)


def find_roots(folder: RunFolder) -> list[str]:
    """Folders of this machine that may stand in any line: they may have spaces in their names, and stand behind anything."""
    places = [folder.path, folder.path.parent, outputs_root(), PROJECT, Path.cwd(), Path(os.environ.get("HOME") or "/")]
    found = {str(each) for place in places for each in (place.absolute(), place.resolve())}
    return sorted((path for path in found if path.count("/") > 1), key=len, reverse=True)


def find_data(folder: RunFolder) -> list[str]:
    """Where its images lie, as its settings name it and as other texts may: whole paths, longest first."""
    found = set()
    for named in _named_data(folder):
        place = PROJECT / Path(named).expanduser() if not named.startswith("~") else Path(os.path.expanduser(named))  # noqa: PTH111
        if folder.path.absolute().is_relative_to(place.absolute()):  # "outputs", or ".": it holds the run itself
            continue
        found |= {named.rstrip(PATH_MARKS), str(place.absolute()), str(place.resolve())}
    return sorted(filter(None, found), key=len, reverse=True)


def find_data_names(folder: RunFolder, public: Iterable[str] = ()) -> list[str]:
    """The last parts of those paths that are no ordinary words, not the run's own name and not `public`: "alice-at-home"."""
    names = {re.split(r"[/\\]+", path)[-1] for path in find_data(folder)}
    own = {"demo-dataset", *(name.casefold() for name in (folder.name, folder.title, *public))}
    telling = (name for name in names if len(name) >= SHORTEST and re.search(r"[\W_]|\d", name))
    return sorted((name for name in telling if name.casefold() not in own), key=len, reverse=True)


def _password_of(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _is_secret(value: str) -> bool:
    if len(value) < SHORTEST or value.lower() in WORDS or (value.isdecimal() and len(value) < LONG_NUMBER):
        return False
    return not (value.startswith(("/", "~", ".")) and Path(value).exists())  # the path of a file with secrets


def _telling(names: Iterable[str], public: Iterable[str]) -> list[str]:
    """Those that say who or which it is, and that are not said anyway; the longest first."""
    said = {word for name in public for word in (name.casefold(), *re.split(r"[\W_]+", name.casefold()))}
    kept = {name.strip() for name in names if len(name.strip()) > 2 and name.strip().casefold() not in GENERIC | said}
    return sorted((name for name in kept if not name.isdecimal()), key=lambda name: (-len(name), name))


def _named_data(folder: RunFolder) -> Iterator[str]:
    """Of our config.toml, and of the files that other tools keep beside their results."""
    readers: list[tuple[Path, Callable[[str], object]]] = [
        (folder.config, tomllib.loads),
        (folder.path / "config.yaml", _read_yaml),
        (folder.path / "config.json", json.loads),
    ]
    for path, read in readers:
        try:
            said = read(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        yield from _walk(said)


def _read_yaml(text: str) -> object:
    """A key and its value in one line are all that is asked for."""
    pairs = re.findall(r"""^[\s-]*["']?(\w+)["']?:[ \t]+["']?([^"'\n#]+?)["']?[ \t]*$""", text, re.MULTILINE)
    return [{key: value} for key, value in pairs]


def _walk(said: object) -> Iterator[str]:
    pairs = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for key, value in pairs:
        if isinstance(value, str) and key in DATA_KEYS and len(value.strip(PATH_MARKS + ".~")) > 1:
            yield value
        elif isinstance(value, dict | list):
            yield from _walk(value)
