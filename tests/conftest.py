"""What many tests share: an outputs root of their own, waiting with a deadline, hostile names, a small real training."""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxgym.job.begin import stop_job
from fluxgym.job.folder import list_jobs
from fluxgym.run.care import NONE, Care, write_care
from fluxgym.run.family import find_family
from fluxgym.run.folders import list_runs
from fluxgym.run.launch import start_run
from fluxgym.run.record import read_record
from trainer.folder import RunFolder

# Read when torch is loaded: threads that wait sleep, and of several test processes each keeps to one core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us in the background has it ignored, by all
pytest_plugins = ("tests.slurm.fixtures",)

NO_TURN = Care(place=NONE)
SMALL_TRAINING = Path(__file__).parent / "small_training.py"
HOSTILE_NAMES = {
    "empty": "",
    "spaces": "my lora",
    "quotes": 'it\'s "mine"',
    "parent": "..",
    "path": "../../etc/passwd",
    "absolute": "/tmp/x",
    "newline": "a\nb",
    "command": "a; touch hacked",
    "option": "--help",
    "hidden": ".hidden",
    "dot": "name.",
    "long": "a" * 300,
    "right-to-left": "\u202eexe.lora",
    "arabic": "\u0645\u0631\u062d\u0628\u0627",
    "emoji": "lora\U0001f600",
    "null": "a\0b",
    "percent": "%2e%2e",
}


@pytest.fixture(params=HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def hostile_name(request: pytest.FixtureRequest) -> str:
    """A name that must be refused everywhere, and must hurt nobody."""
    return request.param


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An outputs root of this test's own; whatever still runs in it at the end is killed."""
    root = tmp_path / "outputs"
    root.mkdir()
    monkeypatch.setenv("FLUXGYM_OUTPUTS", str(root))
    monkeypatch.setenv("FLUXGYM_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("FLUXGYM_NOTIFY_FILE", str(tmp_path / "notify.json"))  # no test tells the person who runs it
    monkeypatch.setenv("FLUXGYM_ACCESS_FILE", str(tmp_path / "access.json"))
    for name in ("FLUXGYM_NOTIFY", "FLUXGYM_KEY", "FLUXGYM_PASSWORD_HASH", "FLUXGYM_OPEN", "FLUXGYM_URL"):
        monkeypatch.delenv(name, raising=False)
    yield root
    for status in list_jobs():
        stop_job(status.job)
    for folder in list_runs():
        record = read_record(folder)
        if record and record.supervisor and record.supervisor.pid != os.getpid():  # tests may name themselves
            record.supervisor.signal(signal.SIGKILL)
        for member in find_family(folder):
            member.identity.signal(signal.SIGKILL)


@pytest.fixture
def full_disk() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """with full_disk(): no file of this process can grow any more."""

    @contextlib.contextmanager
    def fill() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return fill


def wait(condition: Callable[[], object], seconds: float = 60) -> object:
    """The first true result of the condition; fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.02)
    return result


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """wait_until(condition, seconds): see above."""
    return wait


@pytest.fixture
def start_small(outputs: Path) -> Callable[..., RunFolder]:
    """start_small(*options): a run of tests/small_training.py under a real supervisor. It waits for no turn unless asked."""

    def start(*options: str, name: str = "small", care: Care = NO_TURN) -> RunFolder:
        folder = RunFolder(outputs / name)
        folder.path.mkdir(exist_ok=True)
        write_care(folder, care)
        start_run(folder, [sys.executable, str(SMALL_TRAINING), str(folder.path), *options])
        return folder

    return start
