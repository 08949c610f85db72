"""What Slurm says, read; and one that is slow, silent or gone, as commands of those names on PATH. A real one: tests/slurm."""

import dataclasses
import os
import time

import pytest

from fluxgym.run import slurm_ask
from fluxgym.run.backend import FORGOTTEN, Job
from fluxgym.run.slurm_ask import Told, ask_many, ask_now, clean

ROWS = """7|PENDING|Resources||1795908890|N/A|1:00:00|a|/o/a/job.sh
8|RUNNING|None|gpu[1-2]|1795908000|1795911600|1:00:00|b|/o/b/job.sh
9|CANCELLED|None|gpu1|1795908000|1795908100|1:00:00|c|/o/c/job.sh
11|RUNNING|None|gpu1|1795908000|1827444000|UNLIMITED|d|/o/d/job.sh
12|RUNNING|None|gpu1|1795908000|1827444000|365-00:00:00|e|/o/e/job.sh
not a row
"""
SHOWN = (
    "JobId=7 JobName=a UserId=me(1) JobState=COMPLETING Reason=None Dependency=(null) Requeue=1 ExitCode=0:15 "
    "TimeLimit=01:00:00 StartTime=1795908000 EndTime=1795908100 NodeList=gpu1 Command=/a b/a/job.sh WorkDir=/"
)
DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """command(name, text, code=0, errors=""): Slurm's command of that name says so; `sleep`: it takes so long."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(name, text="", code=0, errors="", sleep=0):
        (tmp_path / f"{name}.said").write_text(text)
        path = tmp_path / name
        path.write_text(
            f'#!/bin/bash\necho "$SLURM_TIME_FORMAT $*" >> {tmp_path}/{name}.asked\nsleep {sleep}\n'
            f"cat {tmp_path}/{name}.said\necho '{errors}' >&2\nexit {code}\n"
        )
        path.chmod(0o755)
        return tmp_path / f"{name}.asked"

    return make


def test_many_jobs_are_asked_for_at_once_in_times_that_no_time_zone_changes(command):
    asked = command("squeue", ROWS)
    jobs = ask_many(["7", "8", "9", "10"])
    waits = Job("7", "PENDING", "Resources", "", starts=1795908890.0, is_live=True, is_waiting=True, name="a")
    assert jobs["7"] == dataclasses.replace(waits, script="/o/a/job.sh")
    assert jobs["8"] == Job("8", "RUNNING", "", "gpu[1-2]", ends=1795911600.0, is_live=True, name="b", script="/o/b/job.sh")
    assert (jobs["9"].state, jobs["9"].is_over) == ("CANCELLED", True)
    assert jobs["10"] == Job("10", FORGOTTEN)
    assert {job.ends for job in ask_many(["11", "12"]).values()} == {None}, "they may run as long as they like"
    assert asked.read_text().startswith("%s ")
    assert "--jobs=7,8,9,10" in asked.read_text()


def test_an_id_that_another_run_has_by_now_is_forgotten(command):
    command("squeue", ROWS)
    job = ask_many(["8"])["8"]
    assert job.of("b") is job
    assert job.of("another") == Job("8", FORGOTTEN)


def test_a_job_whose_name_was_changed_is_known_by_its_script(command):
    """That may hold whatever a path does; a job of another kind has none."""
    command("squeue", ROWS.replace("|a|/o/", "|mine | yours|/o |/x|y/").replace("|b|/o/b/job.sh", "|b|(null)"))
    jobs = ask_many(["7", "8"])
    assert jobs["7"].of("a") is jobs["7"] and jobs["7"].of("mine").state == jobs["7"].of("y").state == FORGOTTEN
    assert jobs["8"].name == "b"
    command("scontrol", SHOWN.replace("JobName=a", "JobName=mine Command=/o/b/job.sh WorkDir=/") + " Comment=x WorkDir=/")
    job = ask_now("7")
    assert (job.script, job.of("a"), job.of("b").state) == ("/a b/a/job.sh", job, FORGOTTEN)


def test_letters_of_another_encoding_hide_nothing(command, tmp_path):
    """Of a job that somebody else has under the id by now, or of a comment."""
    command("squeue")
    command("scontrol")
    (tmp_path / "squeue.said").write_bytes(ROWS.encode().replace(b"|a|", b"|caf\xe9|"))
    (tmp_path / "scontrol.said").write_bytes(SHOWN.encode() + b" Comment=caf\xe9")
    assert [job.state for job in ask_many(["7", "8"]).values()] == ["PENDING", "RUNNING"]
    assert ask_now("7").nodes == "gpu1"


def test_a_name_may_hold_what_stands_between_other_things(command):
    """Of a job that somebody else has under the id by now."""
    command("squeue", ROWS.replace("|b|", "|b | JobState=FAILED|"))
    assert ask_many(["8"])["8"].name == "b | JobState=FAILED"
    command("scontrol", f"{SHOWN.replace('JobName=a', 'JobName=a JobState=FAILED b')} Comment=x JobState=FAILED ExitCode=1:0")
    job = ask_now("7")
    assert (job.name, job.state, job.exit_code) == ("a JobState=FAILED b", "COMPLETING", "0:15")
    command("scontrol", code=1, errors="slurm_load_jobs error: Invalid job id specified")
    command("sacct", "FAILED|gpu1|1:0|a|b\n")
    assert (ask_now("7").state, ask_now("7").name) == ("FAILED", "a|b")


def test_one_job_is_asked_for_in_all_detail(command):
    command("scontrol", SHOWN)
    job = ask_now("7")
    assert (job.state, job.nodes, job.ends, job.exit_code, job.name) == ("COMPLETING", "gpu1", 1795908100.0, "0:15", "a")
    assert job.is_live


@pytest.mark.parametrize(("since", "must_leave"), [("1795908000", True), ("None", False)])
def test_a_job_that_was_given_a_last_while_is_told(command, since, must_leave):
    command("scontrol", f"JobId=7 JobName=a JobState=RUNNING EndTime=1795908020 PreemptTime={since} NodeList=gpu1")
    assert ask_now("7").must_leave == must_leave


def test_what_the_controller_forgot_the_accounting_may_know(command):
    command("scontrol", code=1, errors="slurm_load_jobs error: Invalid job id specified")
    command("sacct", code=1, errors="Slurm accounting storage is disabled")
    assert ask_now("7") == Job("7", FORGOTTEN)
    command("sacct", "CANCELLED by 1000|gpu1|0:15|a\n")
    assert ask_now("7") == Job("7", "CANCELLED", nodes="gpu1", exit_code="0:15", name="a")
    command("sacct", "RUNNING|gpu1|0:0|a\n")
    assert ask_now("7") == Job("7", FORGOTTEN), "a controller that lost it will never tell the accounting of its end"


def test_where_there_is_no_accounting_at_all_it_is_forgotten(command, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_ask.shutil, "which", lambda name: None)
    command("scontrol", code=1, errors="slurm_load_jobs error: Invalid job id specified")
    assert ask_now("7") == Job("7", FORGOTTEN)


def test_a_state_that_nobody_knows_here_is_no_end(command):
    command("squeue", "7|EXPEDITING|None|gpu1|1795908000|1795911600|1:00:00|a|/a/job.sh\n")
    command("scontrol", SHOWN.replace("COMPLETING", "EXPEDITING"))
    assert not ask_many(["7"])["7"].is_over and not ask_now("7").is_over


def test_a_cluster_that_was_silent_is_soon_asked_for_its_name_again(command, monkeypatch):
    real, later = time.monotonic, [0.0]
    monkeypatch.setattr(slurm_ask, "_clusters", {})
    monkeypatch.setattr(time, "monotonic", lambda: real() + later[0])
    command("scontrol", code=1, errors=DOWN)
    assert slurm_ask.find_cluster() == ""
    asked = command("scontrol", "ClusterName             = beta")
    assert slurm_ask.find_cluster() == "", "not for everybody who looks"
    later[0] = 31.0
    assert slurm_ask.find_cluster() == "beta"
    command("scontrol", code=1, errors=DOWN)
    later[0] = 300.0
    assert slurm_ask.find_cluster() == "beta" and asked.read_text().count("show config") == 2
    later[0] = 1000.0
    assert slurm_ask.find_cluster() == "beta", "by another silence it is not forgotten"


@pytest.mark.parametrize("name", ["squeue", "scontrol"])
def test_a_controller_that_is_down_proves_nothing(command, name):
    command(name, code=1, errors=DOWN)
    job = ask_now("7") if name == "scontrol" else Told().look("7")
    assert (job.is_over, job.state) == (False, "")
    assert job.silence == "Slurm does not answer: Unable to contact slurm controller (connect failure)"


def test_commands_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_now("7").silence == "scontrol cannot be run here: No such file or directory"


def test_looking_does_not_wait_for_a_slow_slurm_and_shows_what_was_told_before(command, monkeypatch, wait_until):
    monkeypatch.setattr(slurm_ask, "EVERY", 0.0)
    monkeypatch.setattr(slurm_ask, "PATIENCE", 0.5)
    command("squeue", ROWS)
    told = Told()
    assert told.look("8").state == "RUNNING"
    monkeypatch.setattr(slurm_ask, "call", _slow(slurm_ask.call))
    monkeypatch.setattr(slurm_ask, "FIRST", 3600.0)  # no look may wait
    assert {told.look("8").state for _ in range(50)} == {"RUNNING"}
    wait_until(lambda: told.look("8").silence == "Slurm did not answer within 1 s")
    assert told.look("8").state == "RUNNING"


def test_who_looks_at_many_jobs_waits_once_for_a_slow_slurm(command, tmp_path):
    command("squeue", sleep=f"5; : > {tmp_path}/answered")
    told = Told()
    assert {told.look(str(job)).silence for job in range(20)} == {slurm_ask.NOT_YET}
    assert not (tmp_path / "answered").exists()


def test_what_was_told_long_ago_is_asked_for_before_it_is_told_again(command, monkeypatch):
    command("squeue", "7|PENDING|Priority||N/A|N/A|1:00:00|a|/a/job.sh\n")
    told = Told()
    assert told.look("7").state == "PENDING"
    command("squeue", "7|RUNNING|None|n1|N/A|N/A|1:00:00|a|/a/job.sh\n")
    assert told.look("7").state == "PENDING"
    monkeypatch.setattr(slurm_ask, "OLD", 0.0)
    monkeypatch.setattr(slurm_ask, "EVERY", 0.0)
    monkeypatch.setattr(slurm_ask, "FIRST", 60.0)
    assert told.look("7").state == "RUNNING"


def _slow(call):
    def ask(command, patience=1.0):
        return call(["sleep", "60"], 1.0)

    return ask


def test_nobody_asks_for_jobs_that_nobody_looks_at_any_more(command, monkeypatch, wait_until):
    asked = command("squeue", ROWS)
    monkeypatch.setattr(slurm_ask, "EVERY", 0.0)
    told = Told()
    told.look("7")
    monkeypatch.setattr(slurm_ask, "KEPT", 0.0)
    told.look("8")
    wait_until(lambda: "--jobs=8\n" in asked.read_text() or "--jobs=\n" in asked.read_text())


def test_complaints_are_told_without_the_programs_that_complain():
    said = "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition name"
    assert clean(said) == "invalid partition specified: x; Batch job submission failed: Invalid partition name"
    assert clean("slurm_load_jobs error: Unable to contact slurm controller") == "Unable to contact slurm controller"
