"""A supervisor and the job that it is inside of, by what run.json and the environment say. Real jobs: tests/slurm."""

import dataclasses
import os
import threading

import pytest

from fluxgym.run import in_job, lock
from fluxgym.run.backend import FORGOTTEN
from fluxgym.run.guarded import Guarded
from fluxgym.run.identity import Identity, boot_id
from fluxgym.run.in_job import await_name, explain_end, find, hand_over, must_hand_over, outlast, own_job, take
from fluxgym.run.job_end import ASKED, MOVED, PUT_BACK
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import PERSON, SYSTEM, Verdict, begin_attempt, write_record
from fluxgym.run.watch import Ended
from tests.fluxgym.run.hosts import beat_as, there
from trainer.folder import RunFolder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))  # no cluster answers
    return RunFolder(tmp_path)


def record_of(folder, backend="slurm", job="7", **changes):
    return begin_attempt(folder, None, ["x"]).to("queued", backend=backend, job=job, **changes)


def test_the_attempt_of_our_own_job_is_ours_and_no_other(folder, monkeypatch):
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    assert own_job() == "7"
    assert (find(folder, record_of(folder)).is_ours, find(folder, record_of(folder)).job) == (True, None)
    assert find(folder, record_of(folder, job="")).is_ours, "it began before its id was written down"
    assert find(folder, record_of(folder, job="8")).is_others, "it went on in a later job"
    assert find(folder, record_of(folder, "local", "")).is_others, "it went on without a cluster"


def test_who_is_not_named_yet_looks_again_for_a_while(folder, monkeypatch):
    monkeypatch.setattr(in_job, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(in_job, "NAMED", 600.0)
    write_record(folder, record_of(folder, job="8"))
    await_name(folder)  # outside of a job nobody waits
    monkeypatch.setenv("FLUXGYM_JOB", "8")
    await_name(folder)
    for named in (record_of(folder, job="7"), record_of(folder, "local", "")):
        write_record(folder, named)
        waiting = threading.Thread(target=await_name, args=[folder])
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        write_record(folder, record_of(folder, job="8"))
        waiting.join(60)
        assert not waiting.is_alive()
    write_record(folder, record_of(folder, job="7"))
    monkeypatch.setattr(in_job, "NAMED", 0.1)
    await_name(folder)


def test_a_job_that_begins_again_was_put_back(folder, monkeypatch):
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert find(folder, record_of(folder)).job.state == PUT_BACK
    before, since = Identity(1, 1, boot_id()), Identity.of(os.getpid())
    assert find(folder, dataclasses.replace(record_of(folder), supervisor=before)).job.state == PUT_BACK
    assert find(folder, dataclasses.replace(record_of(folder), supervisor=since)).job is None, "it was killed after that"
    monkeypatch.setenv("SLURM_JOB_NODELIST", "gpu[1-2]")
    attempt = take(record_of(folder, job="")).attempts[-1]
    assert (attempt.job, attempt.nodes) == ("7", "gpu[1-2]")


def test_from_outside_a_job_that_nobody_can_ask_for_is_left_alone(folder, monkeypatch):
    monkeypatch.delenv("FLUXGYM_JOB", raising=False)
    assert find(folder, record_of(folder)).is_others
    assert find(folder, record_of(folder, job="")).job.is_over, "it never became one"
    assert (find(folder, record_of(folder, "local", "")).is_others, take(record_of(folder)).attempts[-1].nodes) == (False, "")


def test_what_was_announced_is_the_end_of_the_attempt_that_trained_then(folder, tmp_path, monkeypatch):
    """Not of one that waits for the same job's next start, which somebody cancelled, and Slurm has forgotten."""
    for name in ("scontrol", "sacct"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'Invalid job id specified' >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    folder.monitor_log.write_text(
        "supervisor 5 started the training, process 6: x\n"
        "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T23:36:04 DUE TO JOB REQUEUE ***\n"
    )
    trained = record_of(folder, training=Identity(1, 1, boot_id()))
    assert find(folder, trained).job.state == MOVED
    assert find(folder, record_of(folder)).job.state == FORGOTTEN


def test_a_stop_by_the_system_is_put_back_one_by_a_person_is_not(folder, monkeypatch):
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    verdict = Verdict("stopped", "Stopped by the system.", step=5, total_steps=10)
    ended = explain_end(folder, Ended(record_of(folder, stop=SYSTEM), 143, verdict))
    assert (ended.put_back, ended.verdict.message) == (ASKED, "Its job 7 was asked to end by the cluster, at step 5 of 10.")
    folder.monitor_log.write_text("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T23:36:04 ***\n")
    ended = explain_end(folder, Ended(record_of(folder, stop=SYSTEM), 143, verdict))
    assert (ended.put_back, ended.verdict.message) == ("", "Its job 7 was cancelled from outside FluxGym, at step 5 of 10.")
    assert explain_end(folder, Ended(record_of(folder, stop=PERSON), 143, verdict)).verdict == verdict


def test_a_job_that_somebody_cancelled_stays_so_in_the_words_of_every_slurm(folder, monkeypatch):
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    folder.monitor_log.write_text(
        "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T23:36:04 DUE to SIGNAL Terminated ***\n"
    )
    ended = explain_end(folder, Ended(record_of(folder, stop=SYSTEM), 143, Verdict("stopped", "Stopped by the system.")))
    assert (ended.put_back, ended.verdict.message) == (
        "",
        "Its job 7 was cancelled from outside FluxGym, before the first step.",
    )


def test_what_goes_on_needs_a_job_where_ours_ends_or_there_is_none(folder, monkeypatch):
    again = record_of(folder)
    put_back, crashed = (Ended(again, 1, Verdict("stopped", ""), state) for state in (ASKED, ""))
    assert must_hand_over(again, crashed), "nobody is inside of a job"
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    assert must_hand_over(again, put_back)
    assert not must_hand_over(again, crashed), "it goes on in this one"
    assert not must_hand_over(again, Ended(again, None, Verdict("stopped", ""), PUT_BACK)), "this is the next one"
    assert not must_hand_over(record_of(folder, "local", ""), put_back)
    assert os.environ["FLUXGYM_JOB"]


def test_a_node_that_slurm_gave_up_is_outlasted(folder, monkeypatch, wait_until):
    write_record(folder, dataclasses.replace(record_of(folder), supervisor=there("n1", 6)))
    beat_as(folder, "n1", 6)
    assert outlast(folder), "outside of a job nobody waits"
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    monkeypatch.setattr(in_job, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(in_job, "PATIENCE", 0.0)
    assert not outlast(folder)
    monkeypatch.setattr(in_job, "PATIENCE", 600.0)
    monkeypatch.setenv("FLUXGYM_SILENT_AFTER", "0.2")
    assert outlast(folder)


def test_a_slurm_that_is_silent_for_a_moment_is_asked_again(folder, tmp_path, monkeypatch):
    scontrol = tmp_path / "nothing" / "scontrol"
    down = "echo Unable to contact slurm controller >&2; exit 1"
    scontrol.write_text(f"#!/bin/sh\n[ -e {tmp_path}/up ] && exit 0\n: > {tmp_path}/up\n{down}\n")
    scontrol.chmod(0o755)
    monkeypatch.setattr(in_job, "ASK_EVERY", 0.0)
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    with lock.hold(folder.lock, 0) as held:
        assert hand_over(Guarded(folder, held, Monitor(folder)), record_of(folder))
    said = folder.monitor_log.read_text()
    assert "job 7 cannot be put back yet: Slurm does not answer" in said
    assert "job 7 is put back into the queue" in said


def test_where_no_job_can_be_had_a_person_is_left_to_resume(folder, monkeypatch):
    monkeypatch.setattr(in_job, "ASKS", 1)
    monkeypatch.setenv("FLUXGYM_JOB", "7")
    with lock.hold(folder.lock, 0) as held:
        assert not hand_over(Guarded(folder, held, Monitor(folder)), record_of(folder))
    assert "it does not go on by itself: scontrol cannot be run here" in folder.monitor_log.read_text()
