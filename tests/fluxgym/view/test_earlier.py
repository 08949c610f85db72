"""Thousands of runs that ended: chosen and sorted among all of them, read only where they are shown."""

import os
import threading
import time
from dataclasses import replace

import pytest

from fluxgym.run.folders import outputs_root
from fluxgym.run.index import Index, get_index
from fluxgym.run.record import read_record, write_record
from fluxgym.view import earlier
from fluxgym.view.order import sort_runs
from tests.benchmarks.many_folders import KINDS, make_folders
from tests.files_read import files_read
from trainer.folder import RunFolder

COUNT = 120


@pytest.fixture
def folders(outputs):
    """Runs that ended, the last first, as the page has them."""
    make_folders(outputs, COUNT)
    return sort_runs()[1]


def names(folders):
    return [folder.name for folder in folders]


def wait_for_all():
    """Until every log was read beside the pages."""
    earlier.fill()
    for thread in threading.enumerate():
        if thread.name == earlier.FILLER:
            thread.join(60)


def test_every_run_is_counted_by_its_end(folders):
    each = COUNT // len(KINDS)
    assert earlier.count_states(folders) == {
        "completed": 7 * each,
        "failed": 2 * each,
        "stopped": each,
        "lost": each,
        earlier.OTHERS: each,
    }


def test_they_are_chosen_and_sorted_among_all(folders):
    assert earlier.pick(folders) == folders
    assert names(earlier.pick(folders, " INK-")) == [name for name in names(folders) if "ink-" in name]
    lost = earlier.pick(folders, states=["lost", "stopped"])
    assert {read_record(folder).state for folder in lost} == {"lost", "stopped"}
    assert len(lost) == 2 * COUNT // len(KINDS)
    assert names(earlier.pick(folders, order=earlier.BY_NAME)) == sorted(names(folders))
    assert earlier.pick(folders, "no such run") == []


def test_a_log_is_read_for_a_row_that_is_shown_and_once(folders, outputs):
    shown = folders[5:10]
    read = [path for path in files_read(outputs, lambda: earlier.tell_rows(shown)) if path.endswith("training.log")]
    assert sorted({*read}) == sorted(str(folder.training_log) for folder in shown)
    assert files_read(outputs, lambda: earlier.tell_rows(shown)) == []
    assert earlier.count_unread(folders) == COUNT - 5
    assert (
        files_read(outputs, lambda: (earlier.count_states(folders), earlier.pick(folders, "a", ["lost"], earlier.LOWEST))) == []
    )


def test_what_a_row_says(folders):
    rows = {row.state: row for row in earlier.tell_rows(folders[: len(KINDS)])}
    assert {row.label for row in rows.values()} == {"Completed", "Failed", "Stopped", "Lost", "Not started here"}
    done = rows["completed"]
    assert done.sentence == "2 of 2 epochs in 50 m. Its LoRA is ready."
    assert (done.progress, round(done.loss, 1)) == ("Step 100 of 100, epoch 2 of 2", 0.3)
    assert rows["failed"].sentence.startswith("Out of GPU memory at step ")
    assert time.time() - 2 * 86_400 < done.ended < time.time()


def test_the_lowest_loss_is_found_among_all_once_their_logs_were_read(folders):
    assert earlier.pick(folders, order=earlier.LOWEST) == folders, "nothing is known yet"
    wait_for_all()
    assert earlier.count_unread(folders) == 0
    losses = [row.loss for row in earlier.tell_rows(earlier.pick(folders, order=earlier.LOWEST))]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


def test_the_next_process_reads_no_log(folders, outputs):
    wait_for_all()
    rows = earlier.tell_rows(folders)
    index = Index(outputs_root())
    index.look()
    assert [index.find(row.name).told["sentence"] for row in rows] == [row.sentence for row in rows]


def test_what_changed_since_is_told_anew(folders, outputs):
    folder = earlier.pick(folders, states=["completed"])[0]
    [before] = earlier.tell_rows([folder])
    record = read_record(folder)
    verdict = replace(record.verdict, state="stopped", message="Stopped by you at step 7.")
    write_record(folder, record.to("stopped", verdict=verdict))
    (after,) = earlier.tell_rows(earlier.pick(sort_runs()[1], folder.name))
    assert (before.label, after.label) == ("Completed", "Stopped")
    assert after.sentence.startswith("Stopped by you at step 7.")


def test_a_run_whose_end_nobody_wrote_down_is_told_as_it_is_now(folders, outputs):
    folder = earlier.pick(folders, states=["stopped"])[3]
    record = read_record(folder)
    write_record(folder, replace(record.to("running", verdict=None), since=record.since))
    under_way, ended = sort_runs()
    assert folder in ended
    assert folder not in under_way
    (row,) = earlier.tell_rows([folder])
    assert row.state == "lost"
    assert earlier.count_states(ended)["lost"] == 1 + COUNT // len(KINDS)
    assert folder in earlier.pick(ended, states=["lost"])
    assert get_index(outputs).find(folder.name).told is None


def test_a_log_that_cannot_be_read_takes_no_other_row_away(outputs):
    make_folders(outputs, 2)
    folder = RunFolder(outputs / "bad")
    folder.training_log.mkdir(parents=True)
    os.utime(outputs, (1, 1))
    rows = earlier.tell_rows(sort_runs()[1])
    assert {row.name: row.progress for row in rows}["bad"] == "No steps in its log"
