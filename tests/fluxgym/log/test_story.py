"""What a log says: whole stories of ours and of kohya's."""

import math
import statistics

import pytest

from fluxgym.log.failures import Failure, find_failure
from fluxgym.log.history import History

from .logs import FLUXGYM, KOHYA, OURS, kohya_bar, kohya_steps, our_step, our_steps, regular_steps, stamp


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "training.log").write_text(text, encoding="utf-8")
        history = History(tmp_path / "training.log")
        history.update()
        return history

    return read


def test_ours(read):
    said = read(OURS)
    assert (said.step, said.total_steps, said.epoch, said.total_epochs) == (60, 60, 3, 3)
    assert (said.finished, said.failure, said.phase) == (True, None, None)
    assert (said.points, list(said.steps)) == (60, list(range(1, 61)))
    assert (said.loss, said.avr_loss, said.lr) == (said.losses[-1], 0.5, 2e-4)
    assert said.attempts == [(1, 0), (2, 20)]
    assert said.epochs == [(1, 1), (2, 21), (3, 41)]
    assert said.validation == [(0, 0.9123), (20, 0.8123)]
    assert said.checkpoints == ["outputs/a/a-000001.safetensors", "outputs/a/a-1-state", "outputs/a/a.safetensors"]
    assert said.samples == ["outputs/a/sample/a_e000000_00_20261124101502_42.png"]
    assert said.seconds_per_step == (19 * 1 + 19 * 2 + 3 + 19 * 2) / 58
    assert said.eta_seconds == 0
    assert (said.warnings, said.errors) == (1, 0)
    means = said.epoch_means()
    assert [(mean.epoch, mean.is_complete) for mean in means] == [(1, True), (2, True), (3, True)]
    assert means[1].spread == pytest.approx(statistics.pstdev(said.losses[20:40]))
    assert (list(said.marks.checkpoints), list(said.marks.samples)) == ([20, 60], [0])
    assert (list(said.marks.rate_steps), list(said.marks.rates)) == ([1], [2e-4])
    assert means[1][1] == pytest.approx(math.fsum(said.losses[20:40]) / 20)


def test_ours_at_each_moment(read):
    def until(text):
        return read(OURS[: OURS.index(text) + len(text)] + "\n")

    said = until("Loading text encoders: trainer/mini/flux-mini")
    assert (said.phase, said.phase_detail) == ("loading", "Loading text encoders: trainer/mini/flux-mini")
    assert (said.step, said.total_steps, said.loss, said.epoch, said.eta_seconds) == (None,) * 5
    assert until("Caching latents: 3/12").phase_detail == "Caching latents: 3/12"
    assert until("Sampling: 1 prompts at step 0").phase == "sampling"
    assert until("Epoch 1/3").phase == "training"
    assert until("a-000001.safetensors").phase == "saving"
    stopped = until("resume from outputs/a/a-1-state")
    assert stopped.failure == Failure("stopped", "Training stopped at step 33 of 60: resume from outputs/a/a-1-state")
    assert (stopped.step, stopped.eta_seconds, stopped.finished) == (33, None, False)
    again = until("resumed from a-1-state ===")
    assert (again.failure, again.phase, again.step) == (None, None, 33)
    resumed = until("Resuming: step 20 of 60 from outputs/a/a-1-state")
    assert (resumed.step, resumed.attempts[-1], resumed.points) == (20, (2, 20), 33)


@pytest.mark.parametrize("log", [KOHYA, FLUXGYM], ids=["kohya", "fluxgym"])
def test_kohya(read, log):
    said = read(log)
    assert (said.step, said.total_steps, said.epoch, said.total_epochs) == (40, 40, 2, 2)
    assert (said.finished, said.failure) == (True, None)
    assert (said.points, said.loss, said.avr_loss) == (40, 0.714, 0.714)
    assert said.losses[9] == pytest.approx(1 / 1.1, abs=1e-3)
    assert said.epochs == [(1, 1), (2, 21)]
    assert said.checkpoints == ["/out/x-000001.safetensors", "/out/x.safetensors"]
    assert said.samples == []
    if log is KOHYA:
        assert said.seconds_per_step == 3.0


def test_kohya_phases_and_wrapped_texts(read):
    until = KOHYA.index("100%|##########| 15/15 [00:07")
    assert read(KOHYA[:until]).phase == "caching"
    assert read(KOHYA[:until]).total_steps == 40
    sampling = read(KOHYA[: KOHYA.index("\r  0%|          | 0/20")])
    assert sampling.phase == "sampling"


def test_kohya_begun_again_without_a_word(read):
    said = read(KOHYA + kohya_bar(0, 40, 0, None, "\n") + "\nepoch 1/2\n" + kohya_steps(1, 5, 40, 3))
    assert (said.step, said.epoch, said.finished) == (5, 1, False)
    assert said.attempts == [(1, 0), (2, 0)]
    assert (said.points, said.curve.end) == (40, 5)
    assert said.epochs == [(1, 1)]
    assert said.eta_seconds == 35 * 3


def test_kohya_begun_again_after_a_failure(read):
    failed = KOHYA[: KOHYA.index("saving checkpoint")] + "\ntorch.OutOfMemoryError: CUDA out of memory.\n"
    assert read(failed).failure.kind == "oom"
    for start, lines in (("loading", KOHYA.splitlines()[:2]), ("training", ["running training / 学習開始"])):
        said = read("\n".join([failed, *lines, ""]))
        assert (said.failure, said.phase, said.step, said.attempts) == (None, start, None, [(1, 0), (2, 0)])
    assert read("torch.OutOfMemoryError: CUDA out of memory.\n" + KOHYA).attempts == [(1, 0)]
    said = read(failed + KOHYA)
    assert (said.finished, said.attempts, said.points) == (True, [(1, 0), (2, 0)], 40)


def test_where_a_step_has_a_point_there_is_a_loss(read):
    said = read(kohya_bar(1, 40, 3, "0.5") + kohya_bar(2, 40, 6, "nan"))
    assert (said.points, said.loss, said.avr_loss) == (1, 0.5, 0.5)
    said = read(kohya_bar(1, 40, 3, None))
    assert (said.points, said.loss, said.avr_loss) == (0, None, None)
    assert read(our_step(1, 9, 0, 0.25, average=0.5)).loss == 0.25


def test_a_loss_that_is_not_a_number(read):
    said = read(kohya_bar(1, 40, 3, "0.5") + kohya_bar(2, 40, 6, "nan") + kohya_bar(3, 40, 9, "nan") + "\nmodel saved.\n")
    assert (said.failure.kind, said.failure.message) == ("nan", "the loss is not a number since step 2")
    assert (said.finished, said.points, said.avr_loss, said.step) == (False, 1, 0.5, 3)
    assert read(kohya_bar(1, 40, 3, "nan") + kohya_bar(2, 40, 6, "0.5")).failure is None


def test_done_is_not_believed_when_it_crashes_after(read):
    crash = "Traceback (most recent call last):\n  File 'a'\nRuntimeError: the disk went away\n"
    said = read(OURS + crash)
    assert (said.finished, said.failure) == (False, Failure("other", "RuntimeError: the disk went away"))
    assert said.errors == 1
    assert read(OURS + crash + our_step(60, 60, 99, 0.1)).failure == said.failure  # a bar is drawn again as it is torn down


DONE = "2026-11-24 10:15:30 Training finished"
ERRORS = [
    "2026-11-24 10:15:20 ERROR a picture could not be drawn\n",
    f"{'2026-11-24 10:15:20 ERROR    Failed to upload to huggingface':90} huggingface_util.py:99\n",
    "Traceback (most recent call last):\n  File 'a'\nConnectionError: no route to host\n",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n",
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("done", [DONE, DONE + "\n", "model saved.", "model saved.\n"])
def test_an_error_that_the_training_outlived_is_no_failure(read, error, done):
    log = our_steps(1, 3, 3) + error
    assert read(log).failure is not None
    said = read(log + done)
    assert (said.finished, said.failure, find_failure((log + done).splitlines())) == (True, None, None)
    after = read(log + done.rstrip() + "\n" + error)
    assert (after.finished, after.failure) == (False, read(error).failure)


def test_done_is_not_well_where_the_loss_was_no_number(read):
    assert read("2026-11-24 10:15:20 ERROR the loss became nan at step 3\nmodel saved.\n").failure.kind == "nan"


def test_the_last_line_may_lack_its_end(read):
    assert read(OURS.rstrip("\n")).finished
    assert read(our_steps(1, 3, 9) + "torch.OutOfMemoryError: CUDA out").failure.kind == "oom"
    assert read(f"{stamp(0)} Epoch 1/1").epoch is None  # of 16 perhaps
    assert read(our_steps(1, 3, 9) + our_step(4, 9, 4, 0.1)[:-10]).step == 3


def test_a_validation_that_is_no_number_is_no_validation(read):
    assert read(f"{stamp(0)} Validation: loss nan at step 3\n").validation == []


def test_the_total_follows_a_change_of_mind(read):
    assert read(our_step(1, 100, 0, 0.5) + our_step(2, 200, 1, 0.5)).total_steps == 200


def test_colour_codes_hide_nothing(read):
    line = our_step(7, 9, 3, 0.25).rstrip()
    said = read(f"\x1b[32m{line}\x1b[0m\n{stamp(4)} \x1b[1mEpoch 2/3\x1b[0m\n")
    assert (said.step, said.loss, said.epoch) == (7, 0.25, 2)


@pytest.mark.parametrize("ahead", [1200, 3600, 40_000, -3600])
@pytest.mark.parametrize("pace", [0.4, 2])
def test_a_clock_that_is_set_between_two_steps_changes_neither_pace_nor_time_left(read, ahead, pace):
    said = read(regular_steps(1000, 1220, 0, pace) + regular_steps(1221, 1330, 221 * pace + ahead, pace))
    assert said.seconds_per_step == pytest.approx(pace, rel=0.02)
    assert said.eta_seconds == pytest.approx((9000 - 1330) * pace, rel=0.02)


def test_a_slow_step_is_no_jump_of_the_clock(read):
    said = read(our_step(1, 9, 0, 0.5) + our_step(2, 9, 700, 0.5) + our_step(3, 9, 1400, 0.5))
    assert (said.seconds_per_step, said.eta_seconds) == (700, 6 * 700)
