"""A guarded server and two runs full of secrets, for all tests of this folder; others start one of their own.

It logs as much as Streamlit can, so that each run of a script and each new session is told."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fluxgym.access.links import PARTS, make_link
from tests.access import raw
from tests.access.planted import ENVIRONMENT, KEY, OTHER, SHOWN, write_runs
from tests.browser.conftest import Server
from tests.conftest import wait
from trainer.folder import RunFolder


@dataclass
class Guarded:
    """A server, and who knows how to get in."""

    server: Server
    outputs: Path
    links: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def base(self) -> str:
        """The path below which it lies, with a slash at both ends."""
        return self.server.base

    def ask(self, path: str, method: str = "GET", headers: raw.Headers | None = None, body: bytes = b"") -> raw.Answer:
        """`path` has no slash in front."""
        return raw.ask(self.port, self.base + path, method, headers, body)

    def sign_in(self) -> raw.Headers:
        """The cookie of a new session of the owner."""
        answer = self.ask(f"?key={KEY}")
        assert answer.status == 303 and answer.cookies, f"the key was answered {answer.status}"
        return raw.cookie(**answer.cookies)

    def link(self, *parts: str, run: str = SHOWN, days: float | None = 7) -> str:
        """The start of all addresses of a link: /s/<token>/. The same again for the same wish: a run can have a hundred."""
        key = (run, str(days), *parts)
        if key not in self.links or days != 7:
            _, token = make_link(RunFolder(self.outputs / run), days, "a friend", parts)
            self.links[key] = f"{self.base}s/{token}/"
        return self.links[key]

    def runs(self) -> int:
        """How many sessions and scripts have begun so far."""
        return len(re.findall(rb"AppSession initialized|Running script", self.server.log.read_bytes()))


@pytest.fixture(scope="session")
def start_guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Guarded]]:
    """start_guarded(*options, **environment): a server with runs of its own."""
    started: list[Server] = []

    def start(*options: str, **environment: str) -> Guarded:
        folder = tmp_path_factory.mktemp("guarded")
        write_runs(folder / "outputs")
        given = {"FLUXGYM_OUTPUTS": str(folder / "outputs"), "FLUXGYM_ACCESS_FILE": str(folder / "access.json")}
        given |= {"FLUXGYM_LOCKS": str(folder / "locks"), "FLUXGYM_NOTIFY_FILE": str(folder / "notify.json")}
        server = Server(folder / "server.log", wait, options, os.environ | ENVIRONMENT | given | environment)
        server.start()
        started.append(server)
        return Guarded(server, folder / "outputs")

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def guarded(start_guarded: Callable[..., Guarded]) -> Guarded:
    """The one that all share."""
    return start_guarded("--logger.level", "debug")


@pytest.fixture(scope="session")
def owner(guarded: Guarded) -> raw.Headers:
    return guarded.sign_in()


@pytest.fixture
def copy_run(guarded: Guarded) -> Iterator[Callable[[str], RunFolder]]:
    """copy_run(name): the run that is shown once more, to be changed."""
    made: list[Path] = []

    def copy(name: str) -> RunFolder:
        made.append(guarded.outputs / name)
        shutil.copytree(guarded.outputs / SHOWN, made[-1])
        return RunFolder(made[-1])

    yield copy
    for path in made:
        shutil.rmtree(path)


__all__ = ["OTHER", "PARTS", "Guarded"]
