"""The board: stars and notes that last, what each file is known by, what a deletion takes and what it refuses."""

import json
import os
import threading
import time

import pytest
from PIL import Image

from fluxgym.log.history import History
from fluxgym.run.opened import remember
from fluxgym.view import board
from fluxgym.view.board import Mark, NotDeleted, delete_lora, list_entries, read_marks, tell_board, tell_loss, write_mark
from fluxgym.view.samples import Column
from tests.small_training import write_lora
from trainer.folder import RunFolder

from .runs import stamp, step_lines

ABOUT = {"ss_epoch": "4", "ss_steps": "40", "ss_network_dim": "16", "ss_network_alpha": "16", "modelspec.trigger_phrase": "sks"}


@pytest.fixture
def folder(tmp_path):
    """Two LoRA files, after epochs 2 and 4, with a validation loss each; samples of the latter alone."""
    made = RunFolder(tmp_path / "a")
    made.samples.mkdir(parents=True)
    log = ""
    for epoch, loss in ((2, 0.4), (4, 0.3)):
        write_lora(made.epoch_lora(epoch), metadata=ABOUT | {"ss_epoch": str(epoch), "ss_steps": str(10 * epoch)})
        os.utime(made.epoch_lora(epoch), (1000 * epoch, 1000 * epoch))
        log += f"{stamp(0)} Epoch {epoch}/4\n{step_lines(10 * epoch - 9, 10 * epoch, 40)}"
        log += f"{stamp(9)} Validation: loss {loss} at step {10 * epoch}\n{stamp(9)} Saving LoRA: {made.epoch_lora(epoch)}\n"
    made.training_log.write_text(log)
    Image.new("RGB", (64, 64)).save(made.samples / "a_e000004_00_20261124101502_42.png")
    return made


def read(folder):
    history = History(folder.training_log)
    history.update()
    return history


def test_each_file_with_its_samples_and_the_lowest_loss(folder):
    newest, first = list_entries(folder, read(folder))
    assert (newest.place, newest.column, newest.is_lowest) == ("a-000004.safetensors", Column(4), True)
    assert (first.column, first.is_lowest) == (None, False)
    told = tell_board(folder, read(folder))
    assert told["trigger"] == "sks"
    assert [(file["label"], file["step"], file["validation"], file["column"]) for file in told["files"]] == [
        ("epoch 4", 40, "0.3000", 0),
        ("epoch 2", 20, "0.4000", None),
    ]
    facts = board.tell_file(folder, newest)
    assert facts["facts"]["Rank"] == "2, alpha 16", "as the tensors have it"
    assert facts["metadata"]["ss_steps"] == "40"


def test_one_loss_alone_is_not_called_the_lowest(folder):
    folder.epoch_lora(2).unlink()
    assert not list_entries(folder, read(folder))[0].is_lowest


def test_samples_of_other_weights_are_not_shown_as_its_own(folder):
    folder.epoch_lora(4).rename(folder.step_lora(35))
    entry = next(entry for entry in list_entries(folder, read(folder)) if entry.place == folder.step_lora(35).name)
    assert (entry.lora.label, entry.column) == ("step 35", None)


def test_a_star_and_a_note_last(folder):
    write_mark(folder, "a-000004.safetensors", star=True)
    write_mark(folder, "a-000004.safetensors", note="  soft\n hands " + "x" * 600)
    mark = read_marks(folder)["a-000004.safetensors"]
    assert mark.star
    assert mark.note.startswith("soft hands x")
    assert len(mark.note) == board.NOTE
    assert [path.name for path in folder.path.glob("board*")] == ["board.json"]
    before = tell_board(folder, read(folder))["version"]
    write_mark(folder, "a-000004.safetensors", star=False, note="")
    assert read_marks(folder) == {}
    assert tell_board(folder, read(folder))["version"] != before


def test_many_may_write_at_once(folder):
    threads = [threading.Thread(target=write_mark, args=(folder, f"{number}.safetensors", True)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_marks(folder)) == 8


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": []}', '{"files": {"a": 7}}', "[" * 100_000])
def test_a_board_that_cannot_be_read_is_put_aside(folder, text):
    folder.board.write_text(text)
    assert read_marks(folder) == {}
    write_mark(folder, "a-000004.safetensors", star=True)
    assert read_marks(folder) == {"a-000004.safetensors": Mark(star=True)}
    assert folder.board.with_name("board.json.damaged").read_text() == text


def test_before_a_deletion_it_is_said_what_is_lost(folder):
    write_mark(folder, "a-000004.safetensors", star=True, note="the one")
    history = read(folder)
    entries = list_entries(folder, history)
    told = " ".join(tell_loss(folder, entries[0], entries))
    assert "None of the others has a validation loss as low as its own." in told
    assert "You gave it a star. Your note goes with it: the one" in told
    assert "only" not in told
    folder.epoch_lora(2).unlink()
    entries = list_entries(folder, history)
    assert "It is the only LoRA file of this run" in " ".join(tell_loss(folder, entries[0], entries))


def test_a_deletion_takes_the_file_and_its_mark_and_nothing_else(folder):
    for place in ("a-000004.safetensors", "a-000002.safetensors"):
        write_mark(folder, place, star=True)
    copies = [folder.kohya_copy(folder.epoch_lora(epoch)) for epoch in (2, 4)]
    folder.kohya.mkdir()
    for path in copies:
        path.write_bytes(b"x")
    before = {path.name for path in folder.path.iterdir()}
    delete_lora(folder, "a-000004.safetensors", read(folder))
    assert before - {path.name for path in folder.path.iterdir()} == {"a-000004.safetensors"}
    assert [path.exists() for path in copies] == [True, False], "kohya's form of it goes with it"
    assert read_marks(folder) == {"a-000002.safetensors": Mark(star=True)}


@pytest.mark.parametrize(
    "place", ["", ".", "..", "config.toml", "training.log", "../a/a-000004.safetensors", "a-000006.safetensors"]
)
def test_nothing_but_a_file_of_the_board_is_deleted(folder, place):
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(NotDeleted, match="expected a LoRA file of a that is there"):
        delete_lora(folder, place, read(folder))
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_a_file_that_is_being_written_is_not_deleted(folder):
    path = folder.epoch_lora(6)
    path.write_bytes(folder.epoch_lora(4).read_bytes()[:-7])
    assert (
        next(file for file in tell_board(folder, read(folder))["files"] if file["epoch"] == 6)["problem"] == "is being written"
    )
    with pytest.raises(NotDeleted, match="still being written"):
        delete_lora(folder, path.name, read(folder))
    old = time.time() - board.WRITES - 1
    os.utime(path, (old, old))
    delete_lora(folder, path.name, read(folder))
    assert not path.exists()


def test_in_an_opened_folder_marks_are_kept_elsewhere_and_nothing_is_deleted(folder, tmp_path):
    opened = remember(tmp_path / ".opened", folder.path, folder.training_log)
    before = sorted(path.name for path in folder.path.rglob("*"))
    write_mark(opened, "a-000004.safetensors", star=True)
    assert read_marks(opened) == {"a-000004.safetensors": Mark(star=True)}
    assert json.loads((opened.kept / "board.json").read_text())["files"]
    assert not tell_board(opened, read(folder))["deletes"]
    with pytest.raises(NotDeleted, match="was opened to be read"):
        delete_lora(opened, "a-000004.safetensors", read(folder))
    assert sorted(path.name for path in folder.path.rglob("*")) == before
