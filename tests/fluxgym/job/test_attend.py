"""The process that attends to a job, started by hand; what it does for a job: test_begin.py."""

from fluxgym.job.attend import main


def test_a_folder_that_is_no_job_is_left_alone(tmp_path):
    assert main([str(tmp_path), "0"]) == 1
    assert list(tmp_path.iterdir()) == []
