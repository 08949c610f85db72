"""The backend of one machine; that it starts and signals real supervisors is in tests/faults."""

import dataclasses
import signal

from fluxgym.run.local import Local
from fluxgym.run.record import begin_attempt
from tests.fluxgym.run.hosts import there
from trainer.folder import RunFolder


def test_a_supervisor_on_another_machine_finds_a_wish_to_stop_in_its_folder(tmp_path):
    folder = RunFolder(tmp_path)
    record = begin_attempt(folder, None, ["x"])
    assert not Local().signal(folder, record, signal.SIGUSR1), "there is nobody yet"
    record = dataclasses.replace(record, supervisor=there("gpu-1", 6))
    assert not Local().signal(folder, record, signal.SIGUSR2), "a pause is not ended so"
    assert not folder.stop_now.exists()
    assert Local().signal(folder, record, signal.SIGUSR1)
    assert folder.stop_now.exists()


def test_it_is_always_there_and_has_no_jobs(tmp_path):
    record = begin_attempt(RunFolder(tmp_path), None, ["x"])
    assert (Local().why_not(), Local().ask(record), Local().withdraw(RunFolder(tmp_path), record)) == ("", None, False)
