"""A run that Slurm puts back into its queue goes on by itself, in the same log, and loses no step that was saved.

Preempted, at its time limit, put back by hand, its node lost; the last with the real trainer, to the same bytes."""

import json
import re
import tomllib

import pytest

from fluxgym.run.care import NONE, SLURM, Care, write_care
from fluxgym.run.create import create_run
from fluxgym.run.launch import start_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from tests.faults.tree import steps_of
from tests.slurm.test_runs import is_at, job_of
from trainer.config import parse_config
from trainer.folder import RunFolder
from trainer.mini import DEMO

SOME = ("--steps", "300", "--pause", "0.02")


@pytest.fixture
def urgent(cluster, tmp_path):
    """urgent(): a job that takes all nodes from the others, until the file `enough` is beside it."""
    script = tmp_path / "urgent.sh"
    script.write_text(f"#!/bin/bash\n#SBATCH --output=/dev/null\nwhile [ ! -e {tmp_path}/enough ]; do sleep 0.1; done\n")
    return lambda: cluster.submit(script, "--partition=urgent", "--nodes=2", "--exclusive")


def test_preempted_it_makes_room_and_goes_on(start_job, urgent, cluster, page_of, tmp_path, wait_until):
    folder = start_job(*SOME)
    wait_until(lambda: is_at(folder, 5))
    job = job_of(folder)
    other = urgent()
    cluster.wait(other, "RUNNING")
    waits = wait_until(lambda: (status := read_status(folder)).state == "queued" and status)
    assert waits.job.id == job
    wait_until(lambda: read_status(folder).job.state == "PENDING")
    said = page_of(folder)
    assert f"Waiting as job {job}." in said
    (tmp_path / "enough").touch()
    cluster.hasten(job)
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt, job_of(folder)) == ("completed", 2, job)
    assert steps_of(folder) == [*range(1, 301)]
    first = read_record(folder).attempts[0]
    assert f"Its job {job} had to make room for another job, at step" in first.verdict.message


def test_at_its_time_limit_it_saves_and_goes_on(start_job, cluster, page_of, tmp_path, wait_until, monkeypatch):
    """Slurm looks at time limits twice a minute only."""
    monkeypatch.setenv("SBATCH_TIMELIMIT", "10")
    folder = start_job("--hold", str(tmp_path / "never"))
    wait_until(lambda: is_at(folder, 5) and read_status(folder).job.state == "RUNNING")
    job = job_of(folder)
    assert re.search(rf"Job {job} on n[12], (10|9) m .*left of its time limit", page_of(folder))
    cluster.run("scontrol", "update", f"jobid={job}", "EndTime=now+60", check=True)
    wait_until(lambda: read_record(folder).attempts[-1].number == 2)
    first = read_record(folder).attempts[0]
    assert first.verdict.message == f"Its job {job} reached its time limit, at step 5 of 5."
    cluster.hasten(job)
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt, job_of(folder)) == ("completed", 2, job)
    assert read_record(folder).attempts[1].resumed_from.endswith("step00000005-state")
    assert cluster.job(job)["Restarts"] == "1"


def test_put_back_by_hand(start_job, cluster, wait_until):
    folder = start_job(*SOME)
    wait_until(lambda: is_at(folder, 5))
    cluster.run("scontrol", "requeue", job_of(folder), check=True)
    cluster.hasten(job_of(folder))
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt) == ("completed", 2)
    assert steps_of(folder) == [*range(1, 301)]


def test_told_to_end_during_ones_own_lines_it_goes_on_in_the_next_job(start_job, outputs, cluster, tmp_path, wait_until):
    folder, heard = RunFolder(outputs / "small"), tmp_path / "heard"
    folder.path.mkdir()
    line = f"while [ ! -e {tmp_path}/go ]; do echo $fluxgym_told > {heard}; sleep 0.1; done"
    folder.config.write_text(f"[slurm]\nlines = [{json.dumps(line)}]\n")
    start_job(*SOME)
    wait_until(heard.exists)
    job = job_of(folder)
    cluster.run("scancel", "--batch", "--signal=XCPU", job, check=True)
    wait_until(lambda: "XCPU" in heard.read_text())
    (tmp_path / "go").touch()
    wait_until(lambda: read_record(folder).attempts[-1].number == 2)
    assert read_record(folder).attempts[0].verdict.message.startswith(f"Its job {job} was asked to end by the cluster, ")
    cluster.hasten(job)
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt) == ("completed", 2)


def test_its_node_is_lost(start_job, cluster, wait_until):
    folder = start_job(*SOME, "--state-at", "20")
    wait_until(lambda: is_at(folder, 25))
    cluster.fail_node(cluster.job(job_of(folder))["NodeList"])
    cluster.hasten(job_of(folder))
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt) == ("completed", 2)
    assert read_record(folder).attempts[1].resumed_from.endswith("step00000020-state")


def test_a_time_of_grace_is_used(start_job, urgent, cluster, tmp_path, wait_until, monkeypatch):
    """Slurm sends the signal of --signal when it begins, 20 s before it takes the nodes."""
    monkeypatch.setenv("SBATCH_PARTITION", "patient")
    folder = start_job("--hold", str(tmp_path / "never"))
    wait_until(lambda: is_at(folder, 5))
    job = job_of(folder)
    urgent()
    wait_until(lambda: read_record(folder).attempts[-1].number == 2)
    assert read_record(folder).attempts[0].verdict.message == f"Its job {job} had to make room for another job, at step 5 of 5."
    (tmp_path / "enough").touch()
    cluster.hasten(job)
    assert wait_for_end(folder, 60).state == "completed"


def test_a_node_that_is_given_up_and_lives(start_job, cluster, wait_until):
    """Cut off from Slurm, it goes on with the training until it is heard of again; the next node must not train beside it."""
    folder = start_job(*SOME, "--state-at", "20")
    wait_until(lambda: is_at(folder, 25))
    job = job_of(folder)
    first = cluster.job(job)["NodeList"]
    cluster.kill(first)
    cluster.run("scontrol", "update", f"nodename={first}", "state=down", "reason=cut off", check=True)
    cluster.hasten(job)
    assert cluster.wait(job, "RUNNING")["NodeList"] != first
    cluster.start_node(first)
    ended = wait_for_end(folder, 60)
    assert ended.state == "completed"
    assert steps_of(folder) == [*range(1, 301)]
    assert folder.training_log.read_text().count("Training finished") == 1


def test_a_drained_node_finishes_what_it_has(start_job, cluster, page_of, tmp_path, wait_until):
    go = tmp_path / "go"
    folder = start_job("--hold", str(go))
    wait_until(lambda: is_at(folder, 5) and read_status(folder).job.state == "RUNNING")
    cluster.drain(read_status(folder).job.nodes)
    assert "Running" in page_of(folder)
    go.touch()
    ended = wait_for_end(folder, 60)
    assert (ended.state, ended.attempt) == ("completed", 1)


def create_demo(name: str, place: str) -> RunFolder:
    """Some steps of the demo."""
    values = tomllib.loads(DEMO.read_text())
    values |= {"name": name, "sample": {}, "slurm": {"gpus": 1, "cpus": 1}, "train": values["train"] | {"epochs": 1}}
    folder = create_run(parse_config(values))
    write_care(folder, Care(place=place))
    return folder


def test_the_real_trainer_preempted_gives_the_same_bytes(cluster, urgent, tmp_path, wait_until):
    whole, folder = create_demo("whole", NONE), create_demo("real", SLURM)
    start_run(folder)
    wait_until(lambda: is_at(folder, 5), 120)
    urgent()
    wait_until(lambda: read_record(folder).attempts[-1].number == 2, 60)
    (tmp_path / "enough").touch()
    start_run(whole)
    cluster.hasten(job_of(folder))
    ended = wait_for_end(folder, 240)
    assert (ended.state, ended.step, ended.attempt) == ("completed", 30, 2)
    assert steps_of(folder) == [*range(1, 31)]
    assert wait_for_end(whole, 240).state == "completed"
    assert read_tensors(folder) == read_tensors(whole)


def read_tensors(folder: RunFolder) -> bytes:
    """The numbers of its LoRA, without the header, which has times."""
    data = folder.lora.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]
