"""A sweep as a table: what was varied, as the folders say it now, and which run is the best so far."""

import pytest

from fluxgym.log.history import History
from fluxgym.run.record import Verdict
from fluxgym.run.status import read_status
from fluxgym.sweep.mark import Mark, write_mark
from fluxgym.view.summary import summarise
from fluxgym.view.sweep_table import LOSS, VALIDATION, make_table, rank, tell_best, tell_sweep

from .runs import NOW, RUNNING, make_run, step_lines, validations

DONE = Verdict("completed", "It is done.", None, [], 2, 2, [])
STOPPED = Verdict("stopped", "Stopped by you.", None, [], 1, 2, [])


@pytest.fixture
def add(tmp_path):
    """add(rank, log): a run of the sweep with its history and its summary."""

    def make(rank, log="", verdict=DONE, extra="", said=None):
        folder = make_run(tmp_path / f"s-rank{rank}", log, verdict)
        write_mark(folder, Mark("s", {"lora.rank": rank}))
        folder.config.write_text(f"[lora]\nrank = {said or rank}\n{extra}", encoding="utf-8")
        history = History(folder.training_log)
        history.update()
        return folder, history, summarise(folder, read_status(folder), history, NOW)

    return make


def log(*losses, loss=0.5):
    return step_lines(1, 2, 2, loss=loss) + validations(*losses, first=1)


def test_the_lowest_validation_loss_is_the_best(add):
    table = make_table([add(4, log(0.9, 0.7)), add(8, log(0.6, 0.8)), add(16, "", STOPPED)])
    assert table.names == ["Rank"]
    assert [row.chosen for row in table.rows] == [["4"], ["8"], ["16"]]
    assert [row.numbers for row in table.rows] == [["0.7000", "0.5000"], ["0.6000", "0.5000"], ["-", "-"]]
    assert (table.best, table.by) == (1, VALIDATION)
    assert tell_best(table) == "Best by validation loss: rank 8 (0.6000)."
    assert rank(table) == [1, 0, 2]


def test_without_validation_the_mean_of_the_last_epoch_of_those_that_came_to_their_end(add):
    table = make_table([add(4, log(loss=0.1), STOPPED), add(8, log(loss=0.3)), add(16, log(loss=0.2))])
    assert (table.best, table.by) == (2, LOSS)
    told = tell_best(table)
    assert told.startswith("Best by mean loss of the last epoch: rank 16 (0.2000).")
    assert "Hold out images" in told
    assert rank(table) == [0, 2, 1]


def test_the_best_so_far_while_one_is_under_way(add):
    runs = [add(4, log(0.9)), add(8, log(0.8)), add(16, verdict=None)]
    folder, history, _ = runs[2]
    runs[2] = folder, history, summarise(folder, RUNNING, history, NOW)
    assert tell_best(make_table(runs)) == "Best so far by validation loss: rank 8 (0.8000)."


def test_one_that_only_measured_the_base_model_says_nothing_yet(add):
    at_zero = validations(0.9)
    table = make_table([add(4, log(0.8)), add(8, at_zero, None)])
    assert [row.validation for row in table.rows] == [0.8, None]
    assert table.best is None
    assert tell_best(table) == "Only one has a validation loss: there is nothing to compare it with."


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([], "Only one has a validation loss: there is nothing to compare it with."),
        ([log(0.6)], "2 share the lowest validation loss (0.6000)."),
        ([log(0.60004)], "2 share the lowest validation loss (0.6000)."),
    ],
)
def test_no_best_of_one_or_of_equals(add, others, words):
    table = make_table([add(4, log(0.6)), *(add(8, each) for each in others), add(16, "", STOPPED)])
    assert table.best is None
    assert tell_best(table) == words
    assert tell_best(make_table([add(32, log(0.6))])) == "", "there is only one"


def test_what_was_measured_before_the_first_step_is_no_result(add):
    """A training that destroys its LoRA is not as good as none at all."""
    runs = [add(4, log() + validations(0.95, 3.5, 2.25)), add(8, log() + validations(0.95, 2.8))]
    table = make_table(runs)
    assert [row.validation for row in table.rows] == [2.25, 2.8]
    assert table.best is None
    assert tell_best(table) == "None fell below the validation loss before its first step (0.9500): none is the best."
    table = make_table([*runs, add(16, log() + validations(0.95, 0.94))])
    assert tell_best(table) == "Best by validation loss: rank 16 (0.9400)."
    assert rank(table) == [2, 0, 1]


def test_what_nobody_varied_and_is_other_all_the_same_is_told(add):
    """Of runs that were resumed with more epochs, say."""
    said = [{"epochs": 2, "seed": 1}, {"epochs": 3, "seed": 1}, {"epochs": 2, "seed": 1}]
    runs = []
    for rank_, loss, values in zip((4, 8, 16), (0.8, 0.7, 0.9), said, strict=True):
        extra = "[train]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        runs.append(add(rank_, log(loss), extra=f"{extra}[save]\nkeep_states = {rank_}\n"))
    best = "Best by validation loss: rank 8 (0.7000)."
    assert tell_best(make_table(runs)) == f"{best} They differ in train.epochs (2 or 3) too, which is not varied."
    assert tell_best(make_table(runs[::2])).startswith("Best by validation loss: rank 4 (0.8000)")
    assert "differ" not in tell_best(make_table(runs[::2]))


def test_a_completed_run_of_which_the_log_is_gone_is_told(add):
    told = tell_best(make_table([add(4, log(0.7)), add(8, log(0.6)), add(16)]))
    assert told == "Best by validation loss: rank 8 (0.6000). 1 completed run has no validation loss to compare."


def test_a_loss_that_is_no_number_is_never_the_best(add):
    table = make_table([add(4, log(float("nan"))), add(8, log(0.8)), add(16, log(0.9))])
    assert table.best == 1
    assert rank(table) == [1, 2, 0]


def test_no_best_where_losses_do_not_measure_the_same(add):
    runs = [add(rank, log(loss), extra=f"[data]\nresolution = {rank}\n") for rank, loss in ((4, 0.5), (8, 0.6))]
    table = make_table(runs)
    assert table.best is None
    assert "They differ in data.resolution" in tell_best(table)


def test_what_was_changed_since_is_told_as_it_is_now(add):
    assert [row.chosen for row in make_table([add(4, said=32), add(8)]).rows] == [["32"], ["8"]]


def test_settings_that_cannot_be_read(add, tmp_path):
    runs = [add(4), add(8)]
    runs[0][0].config.write_text("rank = ", encoding="utf-8")
    runs[1][0].sweep.unlink()
    assert [row.chosen for row in make_table(runs).rows] == [["4"], ["8"]]


def test_how_many_are_how_far():
    states = ["queued", "completed", "running", "failed", "queued", None, "not ours"]
    assert tell_sweep(states) == "7 runs: 1 under way, 2 waiting, 1 completed, 1 failed, 2 unknown."
    assert tell_sweep(["completed"]) == "1 run: 1 completed."
