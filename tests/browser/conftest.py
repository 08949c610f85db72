"""A real Chromium and a real server on a free port, both ended by their own process at the end of a test."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from fluxgym.access.owner import key_in_use

ROOT = Path(__file__).parent.parent.parent
expect.set_options(timeout=60_000)  # ms; playwright's own 5 s are not enough where the machine is busy
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
)


class Server:
    """The dashboard's server: started, killed, started again on the same port."""

    def __init__(
        self,
        log: Path,
        wait_until: Callable[..., object],
        options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ):
        self.options, self.environment = options, environment  # None: this process's, as it is at the start
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url, self.log, self.wait_until = f"http://127.0.0.1:{self.port}", log, wait_until
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "dashboard.py"]
        command += ["--server.port", str(self.port), "--server.headless", "true", *self.options]
        environment = dict(os.environ) if self.environment is None else self.environment
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
        self.wait_until(self.is_up, 60)

    @property
    def base(self) -> str:
        """The path below which it lies, with a slash at both ends."""
        path = self.options[self.options.index("--server.baseUrlPath") + 1] if "--server.baseUrlPath" in self.options else ""
        return f"/{path}/" if path else "/"

    def is_up(self) -> bool:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.base}_stcore/health", timeout=1).status == 200
        except OSError:
            return False

    def sign_in(self, context: BrowserContext) -> None:
        """The browser has the owner's cookie from here on."""
        answer = context.request.get(f"http://127.0.0.1:{self.port}{self.base}?key={key_in_use()}")
        assert answer.ok, f"the key was answered {answer.status}"

    def kill(self) -> None:
        """SIGKILL: the server has no time for anything."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(outputs: Path, tmp_path: Path, wait_until: Callable[..., object]) -> Iterator[Server]:
    running = Server(tmp_path / "server.log", wait_until)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on this machine (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET.split())
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """A tab of the owner's own; what the page's scripts complain about fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    server.sign_in(context)
    context.set_default_timeout(60_000)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


STREAMLITS = ("_stcore/health", "_stcore/host-config")  # asks for both below the page's own path first, in vain


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the page writes as errors into its console."""
    told: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type == "error" and not any(address in str(said.location) for address in STREAMLITS):
            told.append(said.text)

    page.on("console", hear)
    return told


def wait_until_still(element: Locator) -> None:
    """In the middle of the view, and there for a while: a list that opens while something unfolds, or scrolls, as Playwright
    does before a click where it has to, is closed again."""
    before = None
    while (now := element.bounding_box()) != before:
        before = now
        element.evaluate("(element) => element.scrollIntoView({ block: 'center' })")
        element.page.wait_for_timeout(300)


def wait_for_refreshes(page: Page, count: int) -> None:
    """Each refresh says anew how old the last line is."""
    age = page.get_by_test_id("stMetric").last
    for _ in range(count):
        before = age.inner_text()
        expect(age).not_to_have_text(before, use_inner_text=True, timeout=60_000)
