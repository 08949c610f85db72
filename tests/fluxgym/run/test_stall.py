"""Stuck, slow or well: whole trainings replayed before the judge, in time that only exists in the test."""

from pathlib import Path

import pytest

from fluxgym.run.gpu import Gpu
from tests.replay import Hangs, Replay

HOUR = 3600.0
RECORDED = Path(__file__).parents[2] / "recordings/flux-mini.log.gz"


@pytest.fixture
def replay(tmp_path):
    return Replay(tmp_path / "training.log")


@pytest.fixture
def others(tmp_path):
    """A training of which is not known that it announces all that it does."""
    return Replay(tmp_path / "training.log", announces=False)


def begin(replay, pace, steps=30):
    """In the middle of an epoch."""
    replay.prepare(2000, 2)
    replay.say("Epoch 1/2")
    replay.steps(range(1, steps + 1), 2000, pace)
    assert replay.said == []
    return replay.now


# ---- no false alarm ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pace", [0.05, 1.3, 7.0, 45.0])
def test_a_whole_run_is_never_stuck(replay, pace):
    replay.ours(pace=pace)
    replay.wait(6 * HOUR)  # its process does not end: whatever that is, a training that is done is not stuck
    assert replay.history.finished
    assert replay.said == []


@pytest.mark.parametrize("stretch", [1, 5, 20])
def test_a_recorded_run_is_never_stuck(replay, stretch):
    """Of flux-mini on two CPU cores; as slow as a GPU's when it is stretched."""
    replay.recorded(RECORDED, stretch)
    replay.wait(HOUR)
    assert replay.history.finished
    assert replay.history.total_epochs == 20
    assert replay.said == []


@pytest.mark.parametrize("pace", [0.4, 3.2, 20.0])
def test_a_whole_run_of_kohyas_is_never_stuck(others, pace):
    others.seen = {"gpus": (Gpu(0, "GPU-a", use=90),)}
    others.kohya(pace=pace)
    others.wait(6 * HOUR)
    assert others.history.finished
    assert others.said == []


def test_short_epochs(replay):
    replay.ours(epochs=30, length=3, pace=40)
    assert replay.said == []


def test_first_steps_and_slow_ones_have_their_time(replay):
    begin(replay, 1, steps=3)
    replay.wait(150)
    replay.steps(range(4, 40), 2000, 1)
    assert replay.said == []


def test_steps_on_a_cpu(replay):
    begin(replay, 400, steps=8)


def test_a_pause_that_was_long_before_may_be_longer(replay):
    begin(replay, 1)
    for seconds in (250, 700):
        replay.say("Saving checkpoint: outputs/a/a-step00000030-state")
        replay.wait(seconds)
        replay.step(replay.history.step + 1, 2000, 1)
        replay.wait(5)
    assert replay.said == []


def test_samples_take_longer_where_steps_do(replay):
    begin(replay, 45)
    replay.say("Sampling: 3 prompts at step 30")
    replay.wait(2000)
    assert replay.said == []


def test_a_bar_that_is_not_announced_is_progress(others):
    others.seen = {"gpus": (Gpu(0, "GPU-a", use=97),)}
    others.kohya_prepare(1000, 2)
    others.write("epoch 1/2\n")
    others.bar("steps", 1000, 1, 1, 40)
    others.bar("validation steps", 60, 30)
    assert others.said == []


def test_what_is_done_between_steps_does_not_make_them_slow(others):
    others.kohya_prepare(1000, 2)
    others.write("epoch 1/2\n")
    others.bar("steps", 1000, 6, 1, 120)
    for step in range(121, 200, 2):
        others.bar("steps", 1000, 6, step, step + 1)
        others.bar("validation steps", 5, 3.5)
    assert others.said == []


def test_a_slow_volume_is_read_as_long_as_bytes_move(replay):
    replay.say("Loading transformer: black-forest-labs/FLUX.1-dev")
    replay.seen = {"moved": 30 * 2**20}
    replay.wait(0.9 * HOUR)
    assert replay.said == []
    replay.wait(HOUR)  # but not for ever
    assert replay.verdicts == ["stalled"]


def test_a_volume_that_hangs_is_told(replay):
    replay.say("Loading transformer: black-forest-labs/FLUX.1-dev")
    replay.seen = {"moved": 0, "states": "DS"}
    replay.wait(700)
    assert replay.verdicts == ["stalled"]
    assert replay.finding.reason == ("No line for 12 m while loading. A process of it waits for a disk or a driver (state D).")


# ---- detection ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("pace", "within"), [(0.1, 60), (1, 60), (4, 60), (20, 300), (60, 900)])
def test_a_stop_of_progress_is_seen(replay, pace, within):
    since = begin(replay, pace)
    replay.seen = {"gpus": (Gpu(0, "GPU-a", use=100),), "cpu": 1.0}  # a hung kernel keeps a GPU busy, its process spins
    replay.wait(within)
    assert replay.verdicts == ["stalled"]
    assert replay.said[0][0] - since <= within
    assert replay.finding.reason.startswith("No step for ")
    assert ("; until then one took about 0.1 s. " if pace < 1 else "; the longest so far took ") in replay.finding.reason
    assert replay.finding.reason.endswith("The GPU is busy (100 %).")


@pytest.mark.parametrize(("pace", "within"), [(1, 60), (20, 300)])
def test_a_stop_of_progress_of_another_trainer_is_seen(others, pace, within):
    others.kohya_prepare(1000, 2)
    others.write("epoch 1/2\n")
    others.bar("steps", 1000, pace, 1, 40)
    since = others.now
    others.seen = {"gpus": (Gpu(0, "GPU-a", use=0),), "cpu": 0.0}
    others.wait(within)
    assert others.verdicts == ["stalled"]
    assert others.said[0][0] - since <= within
    assert others.finding.reason.endswith("The GPU is idle.")


@pytest.mark.parametrize(
    ("last", "within", "words"),
    [
        ("Loading transformer", 630, "No line for 10 m while loading."),
        ("Caching latents: 12/24", 630, "No line for 10 m while caching."),
        ("Training: ", 630, "No line for 10 m while loading."),
        ("Sampling: 3 prompts at step 0", 930, "while sampling."),
        ("Epoch 1/20", 1230, "No step for 20 m while it makes the first step."),
        ("Validation: loss 0.4321 at step 152", 330, "No step for 7 m between two epochs."),
        ("Saving LoRA: outputs/a/a-000002", 330, "No line for 5 m while saving."),
        ("Saving sample: outputs/a/sample/a_e000003_01", 930, "No line for 15 m while sampling."),
        ("Epoch 4/20", 330, "No step for 5 m between two epochs."),
        ("Validation: loss 0.4321 at step 1520", 330, "No step for 7 m after the last one."),
    ],
)
def test_a_hang_is_seen_in_each_phase(replay, last, within, words):
    replay.hangs_after = last
    with pytest.raises(Hangs):
        replay.ours()
    assert replay.said == []
    since = replay.now
    replay.wait(2 * HOUR)
    assert replay.verdicts == ["stalled"]
    assert replay.said[0][0] - since <= within
    assert words in replay.said[0][1].reason


def test_a_log_in_no_known_words_is_judged_by_what_its_processes_do(others):
    others.write("my own trainer, batch 1 of 9000\n")
    others.seen = {"gpus": (Gpu(0, "GPU-a", use=97),)}
    others.wait(5 * HOUR)
    assert others.said == []
    others.seen = {"gpus": (Gpu(0, "GPU-a", use=0),), "cpu": 0.01}
    others.wait(700)
    assert others.verdicts == ["stalled"]
    assert others.finding.reason == "No line for 5 h 12 m. The GPU is idle."


def test_what_another_trainer_computes_unannounced_has_more_time(others):
    others.kohya_prepare(1000, 2)
    others.write("epoch 1/2\n")
    others.bar("steps", 1000, 1, 1, 40)
    others.seen = {"gpus": (Gpu(0, "GPU-a", use=99),)}
    others.wait(200)
    assert others.said == []
    others.wait(100)
    assert others.verdicts == ["stalled"]


def test_lines_without_steps_do_not_hide_a_stop_for_ever(replay):
    begin(replay, 1)
    for _ in range(40):
        replay.wait(20)
        replay.say("WARNING trying again")
    assert replay.verdicts == ["stalled"]
    assert 600 <= replay.said[0][0] - replay.now + 800 <= 700


def test_one_slow_step_and_whole_seconds_do_not_move_the_pace(replay):
    begin(replay, 1, steps=100)
    replay.step(101, 2000, 40)
    replay.steps(range(102, 130), 2000, 1)
    assert replay.said == []
    since = replay.now
    replay.wait(90)
    assert replay.verdicts == ["stalled"]
    assert 75 <= replay.said[0][0] - since <= 90  # twice the longest step
    assert "the longest so far took 40 s" in replay.finding.reason


@pytest.mark.parametrize("ahead", [HOUR, -HOUR, 400 * 24 * HOUR])
def test_a_clock_that_is_set_changes_nothing(replay, ahead):
    begin(replay, 1)
    replay.clock += ahead
    replay.steps(range(31, 60), 2000, 1)
    assert replay.said == []
    since = replay.now
    replay.clock -= ahead
    replay.wait(60)
    assert replay.verdicts == ["stalled"]
    assert replay.said[0][0] - since <= 60
    assert "the longest so far took 1 h" not in replay.finding.reason


def test_a_machine_that_slept_is_no_stall(replay):
    begin(replay, 1)
    replay.wait(6)
    replay.sleep(HOUR)  # neither training nor supervisor ran
    replay.steps(range(31, 60), 2000, 1)
    assert replay.said == []
    replay.wait(60)
    assert replay.verdicts == ["stalled"]


def test_a_supervisor_that_was_kept_waiting_takes_no_pace_from_that(replay):
    begin(replay, 1, steps=10)
    for first in range(11, 500, 100):
        replay.skip_looks(100)
        replay.steps(range(first, first + 100), 2000, 1)
    replay.steps(range(511, 700), 2000, 1)
    assert replay.said == []


def test_what_goes_on_is_well_again(replay):
    begin(replay, 1)
    replay.wait(120)
    replay.step(31, 2000, 1)
    replay.wait(5)
    assert replay.verdicts == ["stalled", "well"]
    assert replay.judge.progressed


def test_a_suspended_process(replay):
    begin(replay, 1)
    replay.seen = {"states": "T", "cpu": 0.0}
    replay.wait(60)
    assert "Its process is suspended (SIGSTOP); SIGCONT lets it go on." in replay.finding.reason


def test_a_failure_whose_process_does_not_end(replay):
    begin(replay, 1)
    replay.say("ERROR CUDA out of memory. Tried to allocate 2.00 GiB")
    replay.write("Traceback (most recent call last):\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n")
    replay.wait(200)
    assert replay.verdicts == ["stalled"]
    assert "since it failed; its process does not end" in replay.finding.reason


def test_a_log_that_was_taken_away_is_not_judged(replay):
    begin(replay, 1)
    replay.seen = {"log_is_read": False}
    replay.path.unlink()
    replay.path.touch()
    replay.wait(HOUR)
    assert replay.said == []
    assert "cannot be seen" in replay.finding.reason


def test_silence_from_the_start(replay):
    replay.wait(500)
    assert replay.said == []
    replay.wait(200)
    assert replay.finding.reason == "No line for 12 m while it starts."


# ---- nan and slow ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", ["nan", "inf", "-inf"])
def test_a_loss_that_is_no_number_is_told_at_once(replay, loss):
    begin(replay, 1)
    replay.step(31, 2000, 1, loss)
    replay.wait(5)
    assert replay.verdicts == ["nan"]
    assert replay.finding.reason == "The loss is not a number since step 31."
    replay.wait(HOUR)
    assert replay.verdicts == ["nan", "stalled"]  # it is that too


def full_gpu(**changes):
    values = {"use": 99, "power": 71.0, "power_limit": 350.0, "memory_used": 24 * 2**30, "memory_total": 24 * 2**30}
    return Gpu(0, "GPU-a", **(values | {"temperature": 41} | changes))


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"gpus": (full_gpu(),)}, "GPU memory is spilling into RAM."),
        ({"gpus": (full_gpu(power=340.0, throttled=("heat",), temperature=93),)}, "the GPU is too hot (93 C) and slows down."),
        ({"gpus": (full_gpu(use=0, memory_used=0),), "cpu": 1.9}, "it computes on the CPU, its GPU is idle."),
        (
            {"gpus": (full_gpu(power=340.0),), "others": ((99, 2**32),)},
            "perhaps another program, which is on its GPU, process 99 with 4.0 GiB.",
        ),
        ({"states": "DS"}, "perhaps it waits for the disk."),
        ({"disk_free": 2**28}, "perhaps its disk, which has 256 MiB left."),
        ({"load": 7.9, "cpu": 0.9, "cores": 2}, "perhaps other programs use the CPU, load 7.9 on 2 cores."),
        ({"load": 7.9, "cpu": 0.1, "cores": 2, "states": "RS"}, "perhaps other programs use the CPU, load 7.9 on 2 cores."),
        ({"load": 5.2, "cpu": 0.0, "cores": 2, "states": "S"}, "the reason is not seen here."),
        ({}, "the reason is not seen here."),
    ],
)
def test_slow_with_its_reason(replay, seen, reason):
    begin(replay, 1, steps=300)
    replay.seen = seen
    replay.steps(range(301, 400), 2000, 3.1)
    assert replay.verdicts == ["slow"]
    times, why = replay.finding.reason.split(" times slower than at first: ")
    assert float(times) == pytest.approx(3.1, abs=0.3)
    assert why == reason


def test_no_longer_slow(replay):
    begin(replay, 1, steps=300)
    replay.steps(range(301, 400), 2000, 3)
    replay.steps(range(400, 500), 2000, 1)
    assert replay.verdicts == ["slow", "well"]


def test_a_slow_half_minute_is_no_news(replay):
    begin(replay, 1, steps=300)
    replay.steps(range(301, 308), 2000, 4)
    replay.steps(range(308, 400), 2000, 1)
    assert replay.said == []


@pytest.mark.parametrize("seen", [{"gpus": (full_gpu(),)}, {"gpus": (full_gpu(use=0, memory_used=0),), "cpu": 1.9}])
def test_slow_from_its_first_step(replay, seen):
    replay.seen = seen
    replay.prepare(2000, 2)
    replay.say("Epoch 1/2")
    replay.steps(range(1, 40), 2000, 8)
    assert replay.verdicts == ["slow"]
    assert replay.finding.reason.startswith(("GPU memory is spilling", "It computes on the CPU"))
