"""What is done with Slurm's commands, without a cluster; with one: tests/slurm."""

import dataclasses
import signal
import sys

import pytest

from fluxgym.run import slurm, slurm_ask
from fluxgym.run.backend import FORGOTTEN, BackendError
from fluxgym.run.care import SLURM, Care, write_care
from fluxgym.run.create import create_folder, create_run
from fluxgym.run.family import KEY, PASSWORD_HASH
from fluxgym.run.folders import PROJECT
from fluxgym.run.in_job import find
from fluxgym.run.launch import RunError, check_place, resume_run, start_run, stop_run
from fluxgym.run.places import PlaceError
from fluxgym.run.record import NEXT_JOB, Verdict, begin_attempt, read_record, write_record
from fluxgym.run.slurm import Slurm, explain, requeue, test_script
from fluxgym.run.slurm_ask import Silent
from fluxgym.run.status import read_status
from tests.conftest import SMALL_TRAINING
from tests.fluxgym.run.hosts import there
from tests.small_training import write_state
from trainer.config import load_config
from trainer.folder import RunFolder
from trainer.mini import DEMO

NOT_THERE = "place: Slurm is not installed here: got no sbatch, squeue, scancel, scontrol on PATH"


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(slurm_ask, "_told", slurm_ask.Told())
    monkeypatch.setattr(slurm_ask, "_clusters", {})
    return tmp_path / "bin"


@pytest.fixture
def command(nothing):
    """command(name, text, code): a command of that name that says so."""

    def make(name, text, code=0):
        path = nothing / name
        path.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit {code}\n")
        path.chmod(0o755)

    return make


def test_where_slurm_is_missing_a_start_says_so_and_leaves_no_record(nothing, outputs):
    folder = create_folder("a")
    with pytest.raises(PlaceError, match=NOT_THERE):
        check_place(Care(place=SLURM))
    with pytest.raises(RunError, match=NOT_THERE):
        start_run(folder, ["x"], care=Care(place=SLURM))
    assert not folder.record.exists()


def test_a_refusal_is_told_with_a_way_out_and_leaves_no_record(command, outputs):
    for name in ("squeue", "scancel", "scontrol"):
        command(name, "")
    command("sbatch", "sbatch: error: Batch job submission failed: Invalid partition name specified", 1)
    folder = create_folder("a")
    with pytest.raises(RunError, match=r"Slurm refused a: Invalid partition name specified\. sinfo lists the partitions"):
        start_run(folder, ["x"], care=Care(place=SLURM))
    assert not folder.record.exists()
    assert folder.job_script.exists(), "what was asked for can be looked at"
    assert read_status(folder).message == "It has no run.json: Slurm refused its start."
    assert test_script("#!/bin/sh").problem.startswith("Invalid partition name specified.")


def test_what_a_refused_start_leaves_is_in_the_way_of_nobody(command, outputs):
    for name in ("squeue", "scancel", "scontrol"):
        command(name, "")
    command("sbatch", "sbatch: error: Invalid partition name specified", 1)
    config = load_config(DEMO)
    for rank in (4, 4, 8):
        lora = config.lora.model_copy(update={"rank": rank})
        folder = create_run(config.model_copy(update={"lora": lora}))
        with pytest.raises(RunError, match="Slurm refused demo"):
            start_run(folder, care=Care(place=SLURM))
    assert load_config(folder.config).lora.rank == 8
    (kept,) = folder.old_logs.iterdir()
    assert load_config(kept / "config.toml").lora.rank == 4, "nothing is lost"


def test_a_cluster_that_is_down_is_not_a_refusal(command, outputs):
    command("sbatch", "sbatch: error: Batch job submission failed: Unable to contact slurm controller", 1)
    command("scontrol", "Unable to contact slurm controller", 1)
    record = begin_attempt(create_folder("a"), None, ["x"])
    with pytest.raises(
        BackendError, match=r"a was not given to Slurm: Slurm does not answer.*; should it have taken the job all the same"
    ):
        Slurm().start(RunFolder(outputs / "a"), record)
    assert "Unable to contact" in test_script("#!/bin/sh").silence
    with pytest.raises(Silent, match="Unable to contact"):
        requeue("7")


@pytest.mark.parametrize("silent", ["squeue", "scancel"])
def test_a_wish_to_stop_that_slurm_does_not_pass_on_is_left_in_the_folder(command, outputs, silent):
    command("squeue", "")
    command("scancel", "not asked where squeue tells that nobody answers: it would try for a minute")
    command(silent, "error: Unable to contact slurm controller", 1)
    folder = create_folder("a")
    record = begin_attempt(folder, None, ["x"]).to("running", job="7")
    assert not Slurm().signal(folder, record, signal.SIGUSR2)
    assert not folder.stop_now.exists()
    assert Slurm().signal(folder, record, signal.SIGUSR1)
    assert folder.stop_now.exists()


def test_a_job_has_the_name_of_its_run_and_nothing_of_the_job_that_we_are_inside_of(command, nothing, outputs, monkeypatch):
    """By its name it is known again, whatever a person's profile or the run's own lines call it."""
    monkeypatch.setenv("PATH", f"{nothing}:/usr/bin:/bin")
    for name, value in {"JOB_ID": "5", "MEM_PER_CPU": "100", "RESTART_COUNT": "1", "CONF": "/etc/slurm.conf"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    for name in (KEY, PASSWORD_HASH):
        monkeypatch.setenv(name, "hidden")
    asked = nothing / "asked"
    for name in ("sbatch", "scontrol"):
        command(name, "")
    (nothing / "sbatch").write_text(f"#!/bin/sh\n(echo $@; env) > {asked}\necho Welcome\necho '12;here'\n")
    folder = create_folder("a")
    record = Slurm().start(folder, begin_attempt(folder, None, ["x"]))
    assert (record.attempts[-1].job, record.attempts[-1].cluster) == ("12", "here")
    said = asked.read_text()
    assert "--job-name=a" in said and "SLURM_CONF=/etc/slurm.conf" in said
    assert not [name for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SLURM_RESTART_COUNT") if f"{name}=" in said]
    assert "hidden" not in said, "the key to the pages, which the job would keep and its training may print"


def test_a_job_is_asked_for_as_its_script_says_and_not_as_variables_do(command, nothing, outputs, monkeypatch):
    """For sbatch they would win. What a command without settings asks for, they may say."""
    monkeypatch.setenv("PATH", f"{nothing}:/usr/bin:/bin")
    for name in ("PARTITION", "GRES", "SIGNAL", "ACCOUNT"):
        monkeypatch.setenv(f"SBATCH_{name}", "x")
    for name in ("sbatch", "scontrol"):
        command(name, "")
    (nothing / "sbatch").write_text(f"#!/bin/sh\nenv > {nothing}/asked\necho 12\n")

    def told():
        return {line.partition("=")[0] for line in (nothing / "asked").read_text().splitlines() if line.startswith("SBATCH_")}

    folder = create_folder("a")
    record = begin_attempt(folder, None, ["x"])
    Slurm().start(folder, record)
    assert told() == {"SBATCH_PARTITION", "SBATCH_GRES", "SBATCH_ACCOUNT"} and "gres=gpu:1" in folder.job_script.read_text()
    folder.config.write_text('[slurm]\npartition = "gpu"\ngpus = 0\n')
    Slurm().start(folder, record)
    assert told() == {"SBATCH_ACCOUNT"}
    test_script("#!/bin/sh\n#SBATCH --account=lab\n")
    assert told() == {"SBATCH_PARTITION"}


def test_a_job_that_begins_before_its_start_is_answered_is_not_put_back(nothing, command, outputs, monkeypatch):
    """Where no lock reaches from here to its node it waits for nobody."""
    monkeypatch.setenv("PATH", f"{nothing}:/usr/bin:/bin")
    for name in ("squeue", "scancel", "scontrol"):
        command(name, "")
    folder = create_folder("a")
    begins = f"""sed -i 's/"state": "queued"/"state": "running"/; s/"job": ""/"job": "12"/' {folder.record}"""
    (nothing / "sbatch").write_text(f"#!/bin/sh\n{begins}\necho 12\n")
    (nothing / "sbatch").chmod(0o755)
    start_run(folder, ["x"], care=Care(place=SLURM))
    record = read_record(folder)
    assert (record.state, record.attempts[-1].job) == ("running", "12")


def test_a_resume_that_slurm_refuses_leaves_the_settings_as_they_were(command, outputs):
    for name in ("squeue", "scancel", "scontrol"):
        command(name, "")
    command("sbatch", "sbatch: error: Invalid partition name specified", 1)
    folder = create_run(load_config(DEMO))
    write_care(folder, Care(place=SLURM))
    write_state(folder.path, 5)
    write_record(folder, begin_attempt(folder, None, []).to("stopped", verdict=Verdict("stopped", "")))
    before, record = folder.config.read_text(), read_record(folder)
    with pytest.raises(RunError, match="Slurm refused demo"):
        resume_run(folder, changes={"train.epochs": 20})
    assert folder.config.read_text() == before
    assert read_record(folder) == record


def test_a_run_whose_node_failed_waits_and_is_taken_back(nothing, outputs):
    """Nobody wrote down that it does not train any more."""
    waits(nothing, "CANCELLED")
    folder = create_folder("a")
    record = begin_attempt(folder, None, ["x"]).to("running", backend=SLURM, job="7", training=there("n1", 7))
    write_record(folder, dataclasses.replace(record, supervisor=there("n1", 6)))
    status = read_status(folder)
    assert (status.state, status.message, status.needs_supervisor) == ("queued", NEXT_JOB, False)
    status = stop_run(folder)
    assert (status.state, status.message) == ("stopped", "Removed from the queue before it went on.")
    assert (nothing / "scancel.asked").exists() and not folder.stop_now.exists()


def waits(nothing, then):
    """Job 7 waits, until somebody wants to cancel it; scontrol tells what is then."""
    (nothing / "squeue").write_text("#!/bin/sh\necho '7|PENDING|BeginTime||N/A|N/A|1:00:00|a|/a/job.sh'\n")
    (nothing / "scancel").write_text(f"#!/bin/sh\necho $@ >> {nothing}/scancel.asked\n")
    state = f"[ -e {nothing}/scancel.asked ] && state={then} || state=PENDING"
    (nothing / "scontrol").write_text(f'#!/bin/sh\n{state}\necho "JobId=7 JobName=a JobState=$state"\n')
    for name in ("squeue", "scancel", "scontrol"):
        (nothing / name).chmod(0o755)


@pytest.mark.parametrize(("then", "is_left"), [("CANCELLED", False), ("RUNNING", True)])
def test_a_job_that_begins_while_it_is_taken_back_finds_the_wish_to_stop(nothing, outputs, then, is_left):
    """Where no lock reaches from here to its node it may have looked before it was taken back."""
    waits(nothing, then)
    folder = create_folder("a")
    write_record(folder, begin_attempt(folder, None, ["x"]).to("queued", backend=SLURM, job="7"))
    assert stop_run(folder).state == "stopped"
    assert folder.stop_now.exists() == is_left
    asked = (nothing / "scancel.asked").read_text().splitlines()
    assert asked == ["--state=PENDING 7", *(["7"] if is_left else [])], "it may be in lines of its own, for hours"


def test_a_job_that_began_while_it_is_taken_back_is_stopped(nothing, outputs, monkeypatch):
    """Its node knows nothing of our locks; see tests/faults/test_no_locks.py."""
    monkeypatch.setenv("PATH", f"{nothing}:/usr/bin:/bin")
    monkeypatch.setenv("FLUXGYM_TEST_NO_LOCKS", str(outputs))
    monkeypatch.setenv("PYTHONPATH", f"{PROJECT}/tests/faults/no_locks:{PROJECT}")
    monkeypatch.setattr(slurm, "TELLING", 60.0)
    waits(nothing, "RUNNING")
    folder = create_folder("a")
    begins = f"FLUXGYM_JOB=7 setsid {sys.executable} -m fluxgym.run {folder.path} >/dev/null 2>&1 &"
    begun = f"until grep -q '\"running\"' {folder.record}; do sleep 0.05; done"
    (nothing / "scancel").write_text(
        f"#!/bin/sh\n[ -e {nothing}/scancel.asked ] && exit\n{begins}\n{begun}\n: > {nothing}/scancel.asked\n"
    )
    command = [sys.executable, str(SMALL_TRAINING), str(folder.path), "--steps", "20000"]
    write_record(folder, begin_attempt(folder, None, command).to("queued", backend=SLURM, job="7"))
    assert stop_run(folder, wait=60).state == "stopped"
    attempt = read_record(folder).attempts[0]
    assert (attempt.stop, attempt.training.alive()) == ("person", False)


def test_another_cluster_with_the_same_outputs_knows_nothing_of_a_job_and_touches_none(nothing, outputs, monkeypatch):
    """Its own job of that id is not this run's."""
    monkeypatch.delenv("FLUXGYM_JOB", raising=False)
    says = {
        "squeue": "7|RUNNING|None|n1|N/A|N/A|1:00:00|other|/o/job.sh",
        "scontrol": "ClusterName             = beta",
        "scancel": "",
    }
    for name, text in says.items():
        (nothing / name).write_text(f"#!/bin/sh\necho '{text}'\n: > {nothing}/{name}.asked\n")
        (nothing / name).chmod(0o755)
    folder = create_folder("a")
    record = begin_attempt(folder, None, ["x"]).to("queued", backend=SLURM, job="7", cluster="alpha")
    write_record(folder, record)
    status = read_status(folder)
    assert (status.state, status.needs_supervisor) == ("queued", False)
    assert status.job.silence == "It is a job of the cluster alpha, and Slurm here is that of beta"
    (nothing / "scontrol").write_text(
        f"#!/bin/sh\n[ $2 = config ] && echo '{says['scontrol']}' || echo 'JobName=other JobState=RUNNING'\n"
    )
    assert find(folder, record).is_others, "nobody here judges it"
    assert Slurm().signal(folder, record, signal.SIGUSR1) and folder.stop_now.exists()
    assert not (nothing / "scancel.asked").exists()
    assert read_status(folder).job.is_over is False
    write_record(folder, record.to("queued", cluster="beta"))
    assert read_status(folder).state == "failed", "here it is forgotten"


def test_a_job_whose_name_was_changed_is_known_by_its_script(nothing, outputs):
    waits(nothing, "CANCELLED")
    folder = create_folder("a")
    script = folder.job_script
    (nothing / "squeue").write_text(f"#!/bin/sh\necho '7|PENDING|BeginTime||N/A|N/A|1:00:00|mine|{script}'\n")
    (nothing / "scontrol").write_text(f"#!/bin/sh\necho 'JobId=7 JobName=mine JobState=PENDING Command={script} WorkDir=/'\n")
    record = begin_attempt(folder, None, ["x"]).to("queued", backend=SLURM, job="7")
    write_record(folder, record)
    assert read_status(folder).job.is_waiting and slurm.ask_now(record).is_waiting
    assert slurm.ask_now(dataclasses.replace(record, name="b")).state == FORGOTTEN


def test_nobody_who_looks_waits_until_slurm_says_its_name(nothing, outputs, monkeypatch):
    monkeypatch.setenv("PATH", f"{nothing}:/usr/bin:/bin")
    for name, text in {"squeue": "", "scontrol": f"sleep 5; : > {nothing}/said; echo ClusterName = alpha"}.items():
        (nothing / name).write_text(f"#!/bin/sh\n{text}\n")
        (nothing / name).chmod(0o755)
    record = begin_attempt(create_folder("a"), None, ["x"]).to("queued", backend=SLURM, job="7", cluster="alpha")
    told = [Slurm().ask(record) for _ in range(20)]
    assert not (nothing / "said").exists()
    assert {(job.state, job.silence) for job in told} == {("", slurm_ask.NOT_YET)}, "nor is anything made of it before"


def test_what_slurm_puts_back_itself_is_no_trouble(command):
    command("scontrol", "Job is pending execution for job 7", 1)
    assert requeue("7") == ""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
            "Ask who runs the cluster",
        ),
        (
            "sbatch: error: Batch job submission failed: Requested node configuration is not available",
            "No node of this partition",
        ),
        ("", "it does not say why."),
    ],
)
def test_refusals_in_words(said, told):
    assert told in explain(said)
    assert "submission failed" not in explain(
        "sbatch: error: invalid partition\nsbatch: error: Batch job submission failed: Invalid"
    )
