"""`completed` is earned; everything else says what is missing and how it came."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgym.log.history import History
from fluxgym.run.identity import Identity
from fluxgym.run.record import MONITOR, PERSON, SYSTEM, Attempt, Health, Record, Verdict, stamp
from fluxgym.run.verdict import Ending, judge, judge_unbegun
from tests.small_training import write_lora
from trainer.folder import RunFolder

STALLED = Health("stalled", "No step for 9 m; the longest so far took 12 s. The GPU is idle.", 1.0)
SMALL_TRAINING = Path(__file__).parents[2] / "small_training.py"


@pytest.fixture
def folder(tmp_path):
    """A folder in which a training has just finished, all well."""
    folder = RunFolder(tmp_path / "small")
    folder.path.mkdir()
    train(folder)
    return folder


def train(folder, *options):
    with folder.training_log.open("a") as log:
        print("=== Attempt 1, 2026-11-24 10:14:00 ===", file=log, flush=True)
        subprocess.run([sys.executable, SMALL_TRAINING, folder.path, *options], stdout=log, check=False)


def verdict_on_another_command(folder, exit_code=0, remains=0):
    attempt = Attempt(1, time.time() - 60, ["x"])
    record = Record(folder.name, 1.0, ["x"], "running", 1.0, attempts=[attempt], cwd=str(folder.path), any_command=True)
    return judge(folder, record, Ending(exit_code, remains=remains), History(folder.training_log))


def verdict(folder, exit_code=0, stop=None, rebooted=False, **more):
    attempt = Attempt(1, time.time() - 60, ["x"], stop=stop, **more)
    record = Record(folder.name, attempt.started, ["x"], "running", attempt.started, attempts=[attempt], health=STALLED)
    return judge(folder, record, Ending(exit_code, rebooted), History(folder.training_log))


def test_completed(folder):
    found = verdict(folder)
    assert (found.state, found.step, found.total_steps, found.missing) == ("completed", 5, 5, [])


@pytest.mark.parametrize("options", [{"stop": PERSON}, {"exit_code": None}, {"exit_code": None, "rebooted": True}])
def test_completed_however_it_was_seen(folder, options):
    found = verdict(folder, **options)
    assert found.state == "completed"
    assert ("Nobody saw its exit code" in found.message) == ("exit_code" in options)


def test_an_old_file_earns_nothing(folder):
    found = verdict(folder, lora_before=stamp(folder.lora))
    assert found.state == "failed"
    assert found.missing == ["small.safetensors is older than this start"]


def test_a_clock_that_was_set_back_takes_nothing_away(folder):
    before = stamp(folder.lora)
    write_lora(folder.lora)
    os.utime(folder.lora, (time.time() - 3600,) * 2)
    assert verdict(folder, lora_before=before).state == "completed"
    assert verdict(folder).state == "completed"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: folder.lora.unlink(), "small.safetensors is not there"),
        (lambda folder: folder.lora.write_bytes(folder.lora.read_bytes()[:-1]), "small.safetensors is damaged"),
        (lambda folder: folder.lora.write_bytes(b""), "small.safetensors is damaged"),
        (lambda folder: folder.training_log.unlink(), "the log shows no step"),
    ],
)
def test_exit_code_0_is_not_enough(folder, damage, words):
    damage(folder)
    found = verdict(folder)
    assert (found.state, found.kind) == ("failed", "other")
    assert "exit code 0, but" in found.message
    assert words in found.message
    assert verdict(folder, exit_code=None).state == "failed"


def test_the_last_step_must_be_reached(folder):
    train(folder, "--steps", "9", "--end-at", "7")
    assert verdict(folder).missing == ["the last step was not reached: 7 of 9"]
    unseen = verdict(folder, exit_code=None)
    assert "the log does not say that the training finished" in unseen.missing


def test_killed_says_the_signal_and_the_last_lines(folder):
    train(folder, "--steps", "9", "--end-at", "7")
    found = verdict(folder, exit_code=-9)
    assert (found.state, found.kind) == ("failed", "killed")
    assert "signal 9 (SIGKILL) at step 7 of 9" in found.message
    assert "7/9" in found.last_lines[-1]
    assert len(found.last_lines) <= 10
    assert "signal 11 (SIGSEGV)" in verdict(folder, exit_code=-11).message


def test_lines_of_an_earlier_attempt_are_not_quoted(folder):
    with folder.training_log.open("a") as log:
        log.write("=== Attempt 2, 2026-11-24 10:20:00 ===\nfirst and last\n")
    assert verdict(folder, exit_code=1).last_lines == ["first and last"]


def test_the_logs_own_words(folder):
    with folder.training_log.open("a") as log:
        log.write("=== Attempt 2, 2026-11-24 10:20:00 ===\n")
        log.write("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.\n")
    found = verdict(folder, exit_code=1)
    assert (found.state, found.kind) == ("failed", "oom")
    assert "out of memory" in found.message
    assert "Exit code 1" in found.message


@pytest.mark.parametrize(
    ("words", "exit_code", "kind", "message"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", -11, "oom", "CUDA out of memory, at step 5 of 5. Killed by signal 11"),
        ("RuntimeError: CUDA error: an illegal memory access", -6, "cuda", "Killed by signal 6 (SIGABRT)."),
        ("RuntimeError: CUDA error: an illegal memory access", 134, "cuda", "Killed by signal 6 (SIGABRT)."),
        (
            "[rank0]:[E ProcessGroupNCCL.cpp:475] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)",
            -6,
            "nccl",
            "Killed by signal 6 (SIGABRT).",
        ),
        ("2026-11-24 10:15:30 ERROR a thing went wrong", -9, "killed", "Killed by signal 9 (SIGKILL) at step 5"),
        (
            "2026-11-24 10:15:30 ERROR a thing went wrong",
            139,
            "other",
            "a thing went wrong, at step 5 of 5. Killed by signal 11",
        ),
        ("x", 137, "killed", "Killed by signal 9 (SIGKILL) at step 5"),
        ("x", 143, "killed", "Killed by signal 15 (SIGTERM) at step 5"),
        ("x", -11, "other", "Killed by signal 11 (SIGSEGV) at step 5"),
        ("x", 255, "other", "the cause is not in the log. Exit code 255."),
    ],
)
def test_a_cause_in_the_log_comes_before_the_signal(folder, words, exit_code, kind, message):
    with folder.training_log.open("a") as log:
        log.write(f"{words}\n")
    found = verdict(folder, exit_code)
    assert (found.state, found.kind) == ("failed", kind)
    assert message in found.message


def test_what_learned_nothing_to_its_end_is_not_completed(folder):
    """Whatever the exit code says: the weights are no numbers either."""
    train(folder, "--steps", "9", "--nan-from", "4")
    found = verdict(folder, exit_code=0)
    assert (found.state, found.kind) == ("failed", "nan")
    assert "the loss is not a number since step 4" in found.missing


def test_a_loss_that_was_no_number_is_the_cause_where_the_log_tells_no_other(folder):
    train(folder, "--steps", "9", "--end-at", "7", "--nan-from", "4")
    found = verdict(folder, exit_code=1)
    assert (found.kind, found.nan_at) == ("nan", 4)
    assert found.message == "The loss is not a number since step 4. It ended at step 7 of 9, exit code 1."
    assert verdict(folder, exit_code=-9).kind == "killed"
    assert verdict(folder, exit_code=0, stop=PERSON).nan_at == 4
    with folder.training_log.open("a") as log:
        log.write("Traceback (most recent call last):\nValueError: a sofa\n")
    assert verdict(folder, exit_code=1).kind == "other"


@pytest.mark.parametrize(("end_at", "still"), [(None, 4), (3, 4), (6, None)])
def test_what_was_saved_since_is_of_no_use_until_an_attempt_comes_past_it(folder, end_at, still):
    """Whether the next one makes no step, ends before that step, or after it."""
    first = Attempt(1, 1.0, ["x"], training=Identity.of(os.getpid()), verdict=Verdict("failed", "why", nan_at=4))
    train(folder, "--steps", "9", "--end-at", "7", "--nan-from", "4")
    if end_at:
        train(folder, "--steps", "9", "--end-at", str(end_at))
    else:
        folder.training_log.open("a").write("=== Attempt 2, 2026-11-24 10:14:00, resumed from x ===\n")
    record = Record(folder.name, 1.0, ["x"], "running", 1.0, attempts=[first, replace(first, number=2, verdict=None)])
    found = judge(folder, record, Ending(1), History(folder.training_log))
    assert found.nan_at == still
    assert record.to("failed", verdict=found).nan_at == still


def test_a_cause_that_the_log_does_not_tell(folder):
    train(folder, "--steps", "9", "--end-at", "7")
    assert "the cause is not in the log. Exit code 3." in verdict(folder, exit_code=3).message


@pytest.mark.parametrize(
    ("exit_code", "stop", "words"),
    [
        (143, PERSON, "Stopped by you at step 7 of 9"),
        (-15, SYSTEM, "Stopped by the system at step 7 of 9"),
        (143, MONITOR, "Stopped by the monitor at step 7 of 9: no step for 9 m; the longest so far took 12 s."),
        (-9, PERSON, "Stopped by you at step 7 of 9. It did not answer in time and was killed."),
        (-9, MONITOR, "step 7 of 9: no step for 9 m; the longest so far took 12 s. It did not answer in time and was killed."),
        (None, PERSON, "Stopped by you"),
        (137, PERSON, "did not answer in time and was killed"),
    ],
)
def test_stopped(folder, exit_code, stop, words):
    folder.lora.unlink()
    train(folder, "--steps", "9", "--end-at", "7")
    found = verdict(folder, exit_code, stop)
    assert found.state == "stopped"
    assert words in found.message


def test_a_stop_that_came_when_all_was_done_takes_nothing_away(folder):
    assert verdict(folder, -15, stop=PERSON).state == "completed"
    assert verdict(folder, -15).state != "completed", "nobody asked for it"
    folder.lora.unlink()
    assert verdict(folder, -15, stop=PERSON).state == "stopped"


def test_a_crash_after_a_stop_was_asked_is_a_failure(folder):
    train(folder, "--steps", "9", "--end-at", "7")
    assert verdict(folder, 1, PERSON).state == "failed"
    assert verdict(folder, -11, PERSON).state == "failed"


def test_a_sigterm_from_elsewhere(folder):
    folder.lora.unlink()
    train(folder, "--steps", "9", "--end-at", "7")
    with folder.training_log.open("a") as log:
        log.write("2026-11-24 10:15:06 Training stopped at step 3 of 9: resume from outputs/small/small-step00000003-state\n")
    assert verdict(folder, 143).state == "stopped"
    assert verdict(folder, None).state == "stopped"
    assert "did not come from FluxGym" in verdict(folder, 143).message
    assert verdict(folder, 1).state == "failed"


def test_lost(folder):
    train(folder, "--steps", "9", "--end-at", "7")
    found = verdict(folder, None, rebooted=True)
    assert (found.state, found.step, found.total_steps) == ("lost", 7, 9)
    assert found.message == "The machine restarted at step 7 of 9."


def test_before_the_first_step(tmp_path):
    folder = RunFolder(tmp_path)
    assert "before the first step" in verdict(folder, -9).message
    write_lora(folder.lora)
    assert verdict(folder).state == "failed"


def test_memory_of_the_machine_that_ran_out(folder):
    """Only with the kernel's own count as evidence; a cause that the log names counts more."""
    folder.training_log.write_text("steps:  50%|#| 2/4 [00:01<00:01, 1.00it/s, loss=0.9, avr_loss=0.9, lr=2e-04]\n")
    attempt = Attempt(1, time.time() - 60, ["x"])
    record = Record(folder.name, 1.0, ["x"], "running", 1.0, attempts=[attempt])

    def kind(code, ran_out=True):
        return judge(folder, record, Ending(code, memory_ran_out=ran_out), History(folder.training_log)).kind

    assert [kind(-9), kind(137), kind(None)] == ["host_oom"] * 3
    assert [kind(-9, False), kind(-15), kind(1), kind(None, False)] == ["killed", "killed", "other", "other"]
    with folder.training_log.open("a") as log:
        log.write("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n")
    assert kind(-9) == "oom"


def test_another_command_is_not_asked_for_a_lora_of_ours(folder):
    folder.lora.unlink()
    for text, message in (
        ("done\n", "It ended without an error. Not checked: its log shows no steps and its log names no file"),
        (bars(4, 4), "All 4 steps are done. Not checked: its log names no file that could be looked at."),
        (bars(4, 4) + "saving checkpoint: out/x.safetensors\n", "All 4 steps are done. Not checked: its log names no file"),
    ):
        folder.training_log.write_text(text)
        found = verdict_on_another_command(folder)
        assert found.state == "completed"
        assert found.message.startswith(message)
    (folder.path / "out").mkdir()
    write_lora(folder.path / "out" / "x.safetensors", ("lora_unet_double_blocks_0.alpha",))
    assert verdict_on_another_command(folder).message == "All 4 steps are done and x.safetensors is whole."


def test_how_another_command_ended_unseen_is_not_guessed(folder):
    folder.training_log.write_text("whatever it says at its end\n")
    found = verdict_on_another_command(folder, None)
    assert (found.state, found.kind) == ("failed", "other")
    assert found.message.startswith("It ended before the first step, and its log does not say how. Nobody saw its exit code")


@pytest.mark.parametrize(("remains", "words"), [(1, "1 running process"), (2, "2 running processes")])
def test_what_another_command_leaves_running_is_told(folder, remains, words):
    folder.training_log.write_text("started\n")
    said = f"It ended without an error. It left {words} behind, which FluxGym ended. Not checked:"
    assert verdict_on_another_command(folder, remains=remains).message.startswith(said)


def test_what_another_command_claims_must_be_true(folder):
    folder.training_log.write_text(bars(3, 4))
    found = verdict_on_another_command(folder)
    assert (found.state, found.missing) == ("failed", ["the last step was not reached: 3 of 4"])
    (folder.path / "x.safetensors").write_bytes(b"half")
    folder.training_log.write_text(bars(4, 4) + "saving checkpoint: x.safetensors\n")
    found = verdict_on_another_command(folder)
    assert found.state == "failed"
    assert found.missing[0].startswith("x.safetensors is damaged")
    assert verdict_on_another_command(folder, 2).message.endswith("the cause is not in the log. Exit code 2.")


def test_taken_out_of_the_queue(folder):
    first = Record(folder.name, 1.0, ["x"], "queued", 1.0, attempts=[Attempt(1, 1.0, ["x"])])
    assert judge_unbegun(folder, first).message == "Removed from the queue before it began."
    second = replace(first, attempts=[*first.attempts, Attempt(2, 2.0, ["x"], begun_by=MONITOR)])
    found = judge_unbegun(folder, second)
    assert (found.state, found.step, found.total_steps) == ("stopped", 5, 5)
    assert found.message == "Removed from the queue before it went on by itself."


def bars(step, total):
    return f"steps:  50%|#| {step}/{total} [00:01<00:01, 1.00it/s, avr_loss=0.9]\n"
