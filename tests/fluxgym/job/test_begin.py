"""Jobs as real processes: how they end, who may end them, what outlives whom."""

import fcntl
import os
import signal
import threading

import pytest

from fluxgym.job.begin import JobIsActive, forget_job, start_job, stop_job
from fluxgym.job.folder import DONE, FAILED, LOST, RUNNING, STOPPED, find_job, list_jobs, read_job, read_process
from fluxgym.run import lock

pytestmark = pytest.mark.usefixtures("outputs")

WORK = """
import time
from trainer.progress import Progress
progress = Progress("images", 2)
progress.tell(1, "cat.jpg")
print("at work", flush=True)
{then}
progress.tell(2)
progress.give(url="there")
"""


def start(then: str = "", **options):
    return start_job("captions", "datasets/cats", ["-c", WORK.format(then=then)], "Captions of cats", **options)


def state_of(job):
    status = read_job(job)
    return status and status.state


def is_at_work(job):
    return job.log.exists() and "at work" in job.log.read_text() and read_process(job)


def test_a_job_tells_how_far_it_is_and_what_came_of_it(wait_until):
    job = start("time.sleep(0.5)", details={"model": "small"})
    assert state_of(job) == RUNNING and job == find_job("captions", "datasets/cats")
    wait_until(lambda: state_of(job) == DONE)
    status = read_job(job)
    assert (status.said.done, status.said.total, status.said.unit) == (2, 2, "images")
    assert status.said.result == {"url": "there"} and status.about.details == {"model": "small"}
    assert [each.job for each in list_jobs("captions")] == [job] and list_jobs("download") == []


def test_one_that_fails_says_why(wait_until):
    job = start("raise SystemExit('got no image, expected one')")
    wait_until(lambda: state_of(job) == FAILED)
    assert read_job(job).message == "got no image, expected one"


def test_there_is_one_at_a_time(wait_until):
    job = start("time.sleep(600)")
    with pytest.raises(JobIsActive, match="Captions of cats is under way already"):
        start()
    with pytest.raises(JobIsActive):
        forget_job(job)
    wait_until(lambda: is_at_work(job))
    assert stop_job(job).state == STOPPED
    again = start()
    wait_until(lambda: state_of(again) == DONE)
    forget_job(again)
    assert list_jobs() == []


def test_one_that_does_not_listen_is_killed(wait_until):
    job = start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)")
    wait_until(lambda: is_at_work(job) and "deaf" in job.log.read_text())
    assert stop_job(job, 20).state == STOPPED


def test_without_its_attendant_it_works_on_and_can_still_be_ended(wait_until):
    job = start("time.sleep(600)")
    wait_until(lambda: is_at_work(job))
    attendant, worker = read_process(job)
    attendant.signal(signal.SIGKILL)
    wait_until(lambda: not attendant.alive())
    assert state_of(job) == RUNNING and worker.alive()
    stop_job(job)
    assert state_of(job) == LOST and not worker.alive()


def test_a_machine_that_went_down_leaves_a_lost_job(wait_until):
    job = start("time.sleep(600)")
    wait_until(lambda: is_at_work(job))
    for process in read_process(job):
        process.signal(signal.SIGKILL)
    wait_until(lambda: state_of(job) == LOST)
    assert read_job(job).said.done == 1


def test_secrets_are_in_the_environment_of_its_process_alone(wait_until):
    job = start("import os; assert os.environ['HF_TOKEN'][::-1] == 'terces_fh'", secrets={"HF_TOKEN": "hf_secret"})
    wait_until(lambda: state_of(job) == DONE)
    assert not any("hf_secret" in path.read_text() for path in job.path.iterdir())


def test_one_that_is_just_being_started_is_not_taken_away():
    job = find_job("captions", "datasets/cats")
    job.path.mkdir(parents=True)
    held = lock.take(job.lock)
    with pytest.raises(JobIsActive):
        forget_job(job)
    assert job.lock.is_file()
    held.free()
    forget_job(job)
    forget_job(job)
    assert not job.path.exists()


def test_a_page_that_looks_at_a_job_keeps_nobody_from_starting_it(wait_until):
    job = find_job("captions", "datasets/cats")
    job.path.mkdir(parents=True)
    reader = os.open(job.lock, os.O_CREAT | os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [reader]).start()
    start()
    wait_until(lambda: state_of(job) == DONE)
