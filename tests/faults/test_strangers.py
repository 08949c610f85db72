"""A pid, a boot or a mark that belongs to somebody else: nobody is mistaken for a part of a run."""

import dataclasses
import json
import os
import subprocess
import sys

from fluxgym.run.family import MARK, find_family, mark
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after, resume_run, stop_run
from fluxgym.run.record import read_record, write_record
from fluxgym.run.status import read_status
from tests.faults.tree import RUNNING
from trainer.folder import RunFolder


def test_a_stranger_with_the_trainings_pid_survives(running, killed, wait_until):
    folder, supervisor, training = running(*RUNNING)
    killed(supervisor)
    killed(training)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        faked = dataclasses.replace(Identity.of(stranger.pid), start_ticks=training.start_ticks)
        write_record(folder, read_record(folder).to("running", training=faked))
        assert read_status(folder).state == "failed"
        look_after(folder)
        wait_until(lambda: read_record(folder).state == "failed")
        assert stranger.poll() is None
        stranger.kill()


def test_a_stranger_with_the_supervisors_pid_survives_a_stop(running, killed, wait_until):
    folder, supervisor, _ = running(*RUNNING)
    killed(supervisor)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        faked = dataclasses.replace(Identity.of(stranger.pid), start_ticks=supervisor.start_ticks)
        write_record(folder, dataclasses.replace(read_record(folder), supervisor=faked))
        assert stop_run(folder, wait=20).state == "stopped"
        assert stranger.poll() is None
        stranger.kill()


def test_another_boot(running, killed, wait_until):
    folder, supervisor, _ = running(*RUNNING)
    stop_run(folder, wait=20)
    said = json.loads(folder.record.read_text())
    said |= {"state": "running", "supervisor": dataclasses.asdict(dataclasses.replace(supervisor, boot_id="before"))}
    said["attempts"][-1] |= {"training": said["supervisor"], "verdict": None, "stop": None}
    folder.record.write_text(json.dumps(said))
    status = look_after(folder)
    assert status.state == "lost"
    assert status.message == f"The machine restarted at step {status.step:,} of 20,000."
    assert status.resumable.step == status.step
    wait_until(lambda: read_record(folder).state == "lost")
    resume_run(folder)
    assert stop_run(folder, wait=20).state == "stopped"


def test_the_mark_of_a_launcher_is_not_passed_on(start_small, monkeypatch, tmp_path):
    """A run that is started from inside another run's training does not become part of it."""
    outer = RunFolder(tmp_path / "outer")
    monkeypatch.setenv(MARK, mark(outer))
    folder = start_small(*RUNNING)
    assert stop_run(folder, wait=20).state == "stopped"
    assert {member.identity.pid for member in find_family(outer)} <= {os.getpid()}
