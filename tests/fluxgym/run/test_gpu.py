"""GPUs as the driver tells: all of it, a part, nothing, or no answer at all. In processes of their own, as a library is
loaded once."""

import os
import subprocess
import sys

import pytest

from fluxgym.run.gpu import list_gpus
from tests.fake_gpus import IDLE, FakeGpus

FULL = "GPU-a 23900 24576 98 61 350 84 64 4711:23000"
PRINT = "from fluxgym.run.gpu import list_gpus; import sys, time; begin = time.monotonic(); "


def ask(code: str, gpus: FakeGpus | None = None, **environment: str) -> str:
    environment = os.environ | (gpus.environment if gpus else {}) | environment
    return subprocess.run(
        [sys.executable, "-c", PRINT + code], env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.fixture
def make_gpus(tmp_path):
    return lambda *lines: FakeGpus.make(tmp_path / "driver", *lines)


def test_everything_that_a_driver_tells(make_gpus):
    gpus = make_gpus(FULL, IDLE.format(uuid="GPU-b"))
    first, second = ask("print(*list_gpus(), sep='\\n')", gpus).splitlines()
    assert "index=0, uuid='GPU-a', name='Fake 0'" in first
    assert f"memory_used={23900 << 20}, memory_total={24576 << 20}, use=98, power=61.0, power_limit=350.0" in first
    assert f"temperature=84, throttled=('power limit', 'heat'), processes=((4711, {23000 << 20}),)" in first
    assert "index=1, uuid='GPU-b'" in second
    assert "throttled=(), processes=()" in second


def test_what_a_gpu_does_not_tell_hides_nothing_else(make_gpus):
    gpus = make_gpus("GPU-a -1 0 -1 61 -1 -1 8 -")
    said = ask("print(*list_gpus())", gpus)
    assert "memory_used=None, memory_total=None, use=None, power=61.0, power_limit=None, temperature=None" in said
    assert "throttled=('hardware',)" in said


def test_changes_are_seen(make_gpus):
    gpus = make_gpus(FULL)
    code = "import os; a = list_gpus(); open(os.environ['FAKE_GPUS'], 'w').write('{}\\n'); print(a[0].use, list_gpus()[0].use)"
    assert ask(code.format(FULL.replace(" 98 ", " 7 ")), gpus) == "98 7\n"


def test_a_driver_that_does_not_answer_is_waited_for_once(make_gpus):
    gpus = make_gpus("hang")
    code = "print([list_gpus(0.5) for _ in range(20)] == [[]] * 20, time.monotonic() - begin < 5)"
    assert ask(code, gpus) == "True True\n"  # and the process ends


def test_gpus_that_stop_answering_are_known_by_name(make_gpus):
    gpus = make_gpus(FULL)
    code = "import os; list_gpus(); open(os.environ['FAKE_GPUS'], 'w').write('hang\\n'); print(*list_gpus(0.3))"
    assert "uuid='GPU-a', name='Fake 0', memory_used=None, memory_total=None, use=None" in ask(code, gpus)


def test_a_driver_that_cannot_begin(make_gpus):
    assert ask("print(list_gpus())", make_gpus(), FAKE_GPUS="/nowhere") == "[]\n"


def test_without_a_driver_nothing_is_imported(tmp_path):
    try:
        import ctypes

        ctypes.CDLL("libnvidia-ml.so.1")
        pytest.skip("this machine has a driver")
    except OSError:
        assert ask("print(list_gpus(), 'pynvml' in sys.modules)") == "[] False\n"


def test_nothing_is_raised_here():
    assert isinstance(list_gpus(), list)
