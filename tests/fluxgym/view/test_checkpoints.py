"""LoRA files and states as a person sees them."""

import json
import os

from fluxgym.log.history import History
from fluxgym.view.checkpoints import list_loras, list_states, place_of
from tests.small_training import write_lora
from trainer.folder import RunFolder

from .runs import make_state, stamp, step_lines


def read(folder, log):
    folder.training_log.write_text(log)
    history = History(folder.training_log)
    history.update()
    return history


def write(path, modified, size=100):
    path.write_bytes(b"x" * size)
    os.utime(path, (modified, modified))


def test_loras(tmp_path):
    folder = RunFolder(tmp_path)
    log = f"{stamp(0)} Epoch 4/8\n{step_lines(31, 40, 80)}{stamp(0)} Epoch 5/8\n" + step_lines(41, 45, 80)
    write(folder.epoch_lora(4), 1000)
    write(folder.epoch_lora(8), 2000)
    write(tmp_path / "x-step00000100.safetensors", 1500)
    found = list_loras(folder, read(folder, log))
    assert [(lora.label, lora.epoch, lora.step) for lora in found] == [
        ("epoch 8", 8, None),
        ("step 100", None, 100),
        ("epoch 4", 4, 40),
    ]
    write(folder.lora, 3000, 123)
    final = list_loras(folder, read(folder, log + step_lines(46, 80, 80) + "2026-11-24 10:15:30 Training finished\n"))[0]
    assert (final.label, final.step, final.size, final.modified) == ("final", 80, 123, 3000)
    assert list_loras(RunFolder(tmp_path / "none"), read(folder, "")) == []


def test_the_log_says_when_a_lora_was_saved(tmp_path):
    folder = RunFolder(tmp_path)
    log = f"{stamp(0)} Epoch 8/8\n{step_lines(71, 80, 80)}"
    for path in (folder.epoch_lora(8), folder.lora):
        write(path, 1000)
        log += f"{stamp(9)} Saving LoRA: {path}\n"
    found = {lora.path: (lora.epoch, lora.step) for lora in list_loras(folder, read(folder, log))}
    assert found == {folder.epoch_lora(8): (8, 80), folder.lora: (8, 80)}
    again = "=== Attempt 2, 2026-11-24 11:00:00, resumed from x ===\n" + f"{stamp(10)} Epoch 8/8\n{step_lines(75, 77, 80)}"
    assert list_loras(folder, read(folder, log + again))[0].step == 80


def test_a_lora_has_the_validation_loss_of_its_step(tmp_path):
    folder = RunFolder(tmp_path)
    log = ""
    for epoch, loss in ((1, 0.6), (2, 0.7)):
        write(folder.epoch_lora(epoch), 1000 * epoch)
        log += f"{stamp(0)} Epoch {epoch}/2\n{step_lines(10 * epoch - 9, 10 * epoch, 20)}"
        log += f"{stamp(9)} Validation: loss {loss} at step {10 * epoch}\n"
        log += f"{stamp(9)} Saving LoRA: {folder.epoch_lora(epoch)}\n"
    write(tmp_path / "x-step00000015.safetensors", 500)
    assert [lora.validation for lora in list_loras(folder, read(folder, log))] == [0.7, 0.6, None]


def test_a_state_named_by_its_step_is_told_by_it(tmp_path):
    folder = RunFolder(tmp_path)
    make_state(folder, 270, 8, 30)  # stopped with the last step of epoch 9, before that was over
    make_state(folder, 240, 8)
    assert [state.label for state in list_states(folder)] == ["step 270", "epoch 8"]


def test_a_lora_that_was_asked_for_is_told_by_its_step(tmp_path):
    """Of the epoch in which it was written the log tells too, but that one was not over."""
    folder = RunFolder(tmp_path)
    folder.step_lora(25).write_bytes(b"x")
    log = f"{stamp(0)} Epoch 3/10\n" + step_lines(21, 25, 100) + f"{stamp(0)} Saving LoRA: {folder.step_lora(25)}\n"
    assert [lora.label for lora in list_loras(folder, read(folder, log))] == ["step 25"]


def test_the_loras_of_other_tools(tmp_path):
    folder = RunFolder(tmp_path / "a")
    kept = {
        "a_000000500.safetensors": {"training_info": json.dumps({"step": 500, "epoch": 4})},  # ai-toolkit
        "checkpoint-600/pytorch_lora_weights.safetensors": {},  # diffusers, SimpleTuner
        "save/2026-11-24_10-15-02-save-700-7-0.safetensors": {},  # OneTrainer
        "models/lora.safetensors": {},
        "a-step00000800.safetensors": {},  # kohya
        "a-000009.safetensors": {"ss_epoch": "9", "ss_steps": "900"},
        "a-000010.safetensors": {"ss_epoch": "x", "training_info": "[" * 50_000},
    }
    for number, (place, metadata) in enumerate(kept.items()):
        (folder.path / place).parent.mkdir(parents=True, exist_ok=True)
        write_lora(folder.path / place, metadata=metadata)
        os.utime(folder.path / place, (number, number))
    found = list_loras(folder, read(folder, ""))
    assert [(lora.label, lora.epoch, lora.step) for lora in reversed(found)] == [
        ("step 500", 4, 500),
        ("step 600", None, 600),
        ("step 700", None, 700),
        ("final", None, None),
        ("step 800", None, 800),
        ("epoch 9", 9, 900),
        ("epoch 10", 10, None),
    ]
    assert place_of(folder, found[-2].path) == "checkpoint-600/pytorch_lora_weights.safetensors"


def test_states(tmp_path):
    folder = RunFolder(tmp_path)
    make_state(folder, 120, 4)
    make_state(folder, 131, 4, 11)
    found = list_states(folder)
    assert [(state.step, state.epoch, state.size > 10, state.problem) for state in found] == [
        (131, 4, True, ""),
        (120, 4, True, ""),
    ]
    (found[0].path / "lora.safetensors").write_bytes(b"cut")
    damaged = list_states(folder)[0]
    assert (damaged.step, damaged.problem) == (131, "lora.safetensors: got 3 bytes, expected 10")


def test_a_state_of_kohya(tmp_path):
    path = tmp_path / "x-000004-state"
    path.mkdir()
    (path / "train_state.json").write_text(json.dumps({"current_epoch": 4, "current_step": 400}))
    (state,) = list_states(RunFolder(tmp_path))
    assert (state.epoch, state.step, bool(state.problem)) == (4, 400, True)


def test_a_name_that_is_no_text_is_left_out(tmp_path):
    folder = RunFolder(tmp_path / "robot")
    folder.path.mkdir()
    write_lora(folder.lora)
    folder.lora.with_name(os.fsdecode(b"\xff.safetensors")).write_bytes(folder.lora.read_bytes())
    (folder.path / os.fsdecode(b"\xff-state")).mkdir()
    assert [lora.path for lora in list_loras(folder, History(folder.training_log))] == [folder.lora]
    assert list_states(folder) == []
