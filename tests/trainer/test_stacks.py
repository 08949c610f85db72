"""Where a hanging training is: real processes in an endless loop and in a blocked read, alone and under `accelerate launch`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.conftest import find_children
from tests.trainer.deaf import deaf

ROOT = Path(__file__).parent.parent.parent
# a training that never ends its first step
ENDLESS = """
import sys
from pathlib import Path

import trainer.loop
from trainer.start import start

def spin(training):
    print("spinning", flush=True)
    while True:
        pass

trainer.loop.take_step = spin
sys.exit(start(Path(sys.argv[1]), None))
"""


@pytest.fixture
def endless(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    return script


def environment_of(tmp_path, **more):
    kept = {name: value for name, value in os.environ.items() if name != "FLUXGYM_RUN"}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hf"), **more}


def read(path):
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("supervised", [True, False])
def test_an_endless_loop(small, make_run, start_process, wait_until, tmp_path, endless, supervised):
    folder, log = make_run(small), tmp_path / "log"
    environment = environment_of(tmp_path, **({"FLUXGYM_RUN": str(folder.path)} if supervised else {}))
    folder.monitor_log.write_text("said before\n")
    process = start_process([sys.executable, str(endless), str(folder.config)], log, env=environment)
    wait_until(lambda: "spinning" in read(log), 60)
    place = folder.monitor_log if supervised else log
    for times in (1, 2):  # it goes on as if nothing had happened
        process.send_signal(signal.SIGUSR2)
        wait_until(lambda times=times: read(place).count(" in train\n") == times, 20)
    told = read(place)
    assert 'endless.py", line 10 in spin' in told or 'endless.py", line 11 in spin' in told
    assert process.poll() is None and read(folder.monitor_log).startswith("said before\n")
    assert "in spin" not in read(log if supervised else folder.monitor_log)


def test_a_blocked_read(small, make_run, start_trainer, wait_until, tmp_path):
    """Its settings come through a FIFO that somebody has open and writes nothing into; though the signal was blocked before."""
    folder, log = make_run(small), tmp_path / "log"
    folder.config.unlink()
    os.mkfifo(folder.config)
    writer = os.open(folder.config, os.O_RDWR)

    with deaf(signal.SIGUSR2, blocks=True):
        process = start_trainer(folder, log, env=environment_of(tmp_path, FLUXGYM_RUN=str(folder.path)))
    try:
        wait_until(lambda: is_in_read(process.pid, folder.config), 30)
        process.send_signal(signal.SIGUSR2)
        wait_until(lambda: "in load_config" in read(folder.monitor_log), 20)
        assert process.poll() is None
    finally:
        os.close(writer)


def is_in_read(pid, fifo):
    """Whether the process has the FIFO open and sleeps."""
    process = Path(f"/proc/{pid}")
    try:
        is_open = any(link.readlink() == fifo for link in (process / "fd").iterdir())
    except FileNotFoundError:  # one was closed meanwhile
        return False
    return is_open and (process / "stat").read_text().rsplit(") ", 1)[1][0] == "S"


def test_each_process_of_a_launch_answers(small, make_run, start_process, launch_command, wait_until, tmp_path, endless):
    folder, log = make_run(small), tmp_path / "log"
    environment = environment_of(tmp_path, FLUXGYM_RUN=str(folder.path))
    launcher = start_process(launch_command(2, str(endless), str(folder.config)), log, env=environment)
    wait_until(lambda: "spinning" in read(log), 120)  # one of them; the other may still wait for it
    trainings = find_children(launcher.pid)
    assert len(trainings) == 2
    for number, pid in enumerate(trainings, 1):
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda number=number: read(folder.monitor_log).count(" in start\n") == number, 20)
    assert "in spin" in read(folder.monitor_log)


def test_a_folder_that_is_gone_sends_it_to_stderr(tmp_path):
    script = "import os, signal; from trainer.stacks import tell_stacks; tell_stacks(); os.kill(os.getpid(), signal.SIGUSR2)"
    environment = environment_of(tmp_path, FLUXGYM_RUN=str(tmp_path / "gone"))
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=20
    )
    assert 'File "<string>", line 1 in <module>' in done.stderr and not (tmp_path / "gone").exists()
