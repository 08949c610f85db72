"""How an attempt ended whose job is over."""

import dataclasses

import pytest

from fluxgym.log.history import History
from fluxgym.run.backend import FORGOTTEN, Job
from fluxgym.run.job_end import ASKED, AT_LIMIT, MOVED, PUT_BACK, find_announced, is_put_back, judge_job, tell_stop
from fluxgym.run.record import PERSON, Verdict, begin_attempt
from tests.fluxgym.run.hosts import there
from trainer.folder import RunFolder

STEPS = "steps:  50%|#| 5/10 [00:05<00:05,  1.00s/it, loss=0.1, avr_loss=0.1, lr=1e-04]\n"


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "a")
    folder.path.mkdir()
    folder.training_log.write_text(STEPS)
    return folder


def judge(folder, state, **changes):
    record = begin_attempt(folder, None, ["x"]).to("running", training=there("n1", 5), job="7", nodes="n1", **changes)
    return judge_job(folder, record, Job("7", state), History(folder.training_log, keep_curve=False))


@pytest.mark.parametrize(
    ("state", "ended", "said"),
    [
        ("CANCELLED", "stopped", "Its job 7 was cancelled from outside FluxGym, at step 5 of 10."),
        ("TIMEOUT", "stopped", "Its job 7 reached its time limit, at step 5 of 10."),
        ("PREEMPTED", "stopped", "Its job 7 had to make room for another job, at step 5 of 10."),
        (
            PUT_BACK,
            "stopped",
            "Its job 7 was put back into the queue by the cluster, at step 5 of 10.",
        ),
        ("NODE_FAIL", "lost", "Node n1 failed at step 5 of 10."),
        ("OUT_OF_MEMORY", "failed", "Its job 7 had less memory than it needed, and was ended at step 5 of 10."),
        (FORGOTTEN, "lost", "Its job 7 is over, at step 5 of 10, and how it ended nobody remembers."),
    ],
)
def test_what_slurm_says_where_the_log_proves_nothing(folder, state, ended, said):
    verdict = judge(folder, state)
    assert (verdict.state, verdict.message) == (ended, said)


def test_a_cause_in_the_log_comes_first(folder):
    folder.training_log.write_text(STEPS + "torch.OutOfMemoryError: CUDA out of memory.\n")
    assert judge(folder, "FAILED").kind == "oom"
    assert judge(folder, "OUT_OF_MEMORY").kind == "oom"


def test_a_persons_stop_stays_a_persons_stop(folder):
    assert judge(folder, "CANCELLED", stop=PERSON).message == "Stopped by you at step 5 of 10."


@pytest.mark.parametrize(
    ("job", "ended", "said"),
    [
        (Job("7", "CANCELLED"), "stopped", "Its job 7 was cancelled before it began."),
        (
            Job("7", "NODE_FAIL"),
            "failed",
            "Its job 7 ended before the training started, as its node failed; monitor.log may say more.",
        ),
        (Job("7", PUT_BACK), "failed", "Its job 7 ended before the training started, and was put back into the queue; monitor"),
        (Job("7", "FAILED", exit_code="127:0"), "failed", "Slurm says FAILED, exit code 127"),
        (Job("", "LOST"), "failed", "It was not given to Slurm"),
    ],
)
def test_a_job_that_never_began(folder, job, ended, said):
    record = begin_attempt(folder, None, ["x"]).to("queued", job=job.id)
    verdict = judge_job(folder, record, job, History(folder.training_log, keep_curve=False))
    assert verdict.state == ended
    assert said in verdict.message


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("", "CANCELLED"),
        (" DUE TO TIME LIMIT", AT_LIMIT),
        (" DUE TO PREEMPTION", "PREEMPTED"),
        (" DUE TO JOB REQUEUE", MOVED),
        (" DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS", "NODE_FAIL"),
        (" DUE to SIGNAL Terminated", "CANCELLED"),
        (" DUE TO WHIM", ASKED),
    ],
)
def test_the_node_writes_why_it_ends_a_job(folder, reason, state):
    line = f"slurmstepd-n1: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T23:36:04{reason} ***\n"
    folder.monitor_log.write_text("supervisor 1 started the training, process 2: x\n" + line)
    assert find_announced(folder, "7") == state
    assert find_announced(folder, "8") == ""
    folder.monitor_log.write_text(line + "supervisor 1 started the training, process 2: x\n")
    assert find_announced(folder, "7") == "", "that was an earlier attempt's end"


def test_only_what_nobody_wanted_goes_on():
    assert [state for state in ("CANCELLED", "COMPLETED", "FAILED", FORGOTTEN, "OUT_OF_MEMORY", "") if is_put_back(state)] == []
    assert all(map(is_put_back, ("PREEMPTED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", MOVED, PUT_BACK, ASKED)))
    assert tell_stop(Job("7", ASKED), dataclasses.replace(Verdict("stopped", ""), step=None)).endswith("before the first step.")
