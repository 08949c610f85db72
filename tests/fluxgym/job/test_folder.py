"""What a job's folder tells, whatever lies in it. Its life: test_begin.py."""

import pytest

from fluxgym.job.folder import FAILED, LOST, About, find_job, list_jobs, read_job, write_about, write_end

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture
def job():
    job = find_job("download", "../../etc/passwd")
    job.path.mkdir(parents=True)
    write_about(job, About("download", "../../etc/passwd", "Downloading", [], 12.0))
    return job


def test_a_subject_is_no_path(outputs, job):
    assert job.path.parent == outputs / ".jobs"
    assert find_job("download", "a") != find_job("download", "A") != find_job("captions", "A")


def test_damaged_files_are_as_missing_ones(job):
    for path in (job.progress, job.end, job.process):
        path.write_text("[1")
    assert read_job(job).state == LOST and read_job(job).said is None
    job.about.write_text("{}")
    assert read_job(job) is None and list_jobs() == []


def test_its_last_words_say_why_it_failed(job):
    write_end(job, 3, False, 13.0)
    assert (read_job(job).state, read_job(job).message) == (FAILED, "It ended with exit code 3.")
    job.log.write_bytes(b"x" * 9000 + b"\nthe disk is full \xff\n\n")
    assert read_job(job).message == "the disk is full \ufffd"
