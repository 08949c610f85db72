"""The process that attends to a job, started by hand; what it does for a job: test_begin.py."""

import os

import pytest

from fluxgym.job.attend import main
from fluxgym.job.folder import About, Job, write_about
from fluxgym.run import lock


def test_a_folder_that_is_no_job_is_left_alone(tmp_path):
    assert main([str(tmp_path), "0"]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_nobody_could_stop_does_not_stay(tmp_path, wait_until):
    """Where it cannot be written down who works, as on a full disk."""
    job = Job(tmp_path)
    write_about(job, About("captions", "cats", "Captions", ["-c", "import time; time.sleep(60)"], 0.0))
    job.process.mkdir()
    held = lock.take(job.lock)
    with pytest.raises(OSError):
        main([str(tmp_path), str(held.handle)])
    os.close(held.handle)
    wait_until(lambda: not lock.is_held(job.lock))
