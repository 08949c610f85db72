"""Wishes by files: asked for, granted, taken away; one that cannot be taken away is not granted for ever."""

import errno
import os
import re
import resource

import pytest
from safetensors.torch import load_file

import trainer.loop
from trainer.config import parse_config
from trainer.disk import NotWritten, write_whole
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.loop import take_step, train
from trainer.wishes import Wishes


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_each_is_there_until_it_is_taken_away(folder):
    wishes = Wishes(folder)
    assert not wishes.save and not wishes.sample
    folder.save_now.touch()
    assert wishes.save and not wishes.sample
    folder.sample_now.touch()
    wishes.take_away(folder.save_now)
    assert not wishes.save and wishes.sample
    folder.save_now.touch()
    assert wishes.save, "again"
    wishes.take_away()
    assert not wishes.save and not wishes.sample and not list(folder.path.iterdir())
    wishes.take_away()  # nothing to take away is fine


def test_one_that_cannot_be_taken_away_is_not_looked_at_again(folder, capfd):
    (folder.save_now / "a folder by mistake").mkdir(parents=True)
    folder.sample_now.touch()
    wishes = Wishes(folder)
    assert wishes.save
    wishes.take_away()
    assert not wishes.save and not wishes.sample
    told = capfd.readouterr().out
    assert f"WARNING {folder.save_now} could not be removed and is not looked at any more: " in told and told.count("\n") == 1


# ---- what a training makes of them -----------------------------------------------------------------------------------
@pytest.fixture
def ask(monkeypatch):
    """ask({5: ["save_now"]}): from here on, while that step is made somebody asks for that."""

    def prepare(wishes):
        def step(training):
            result = take_step(training)
            for wish in wishes.get(training.progress.step + 1, []):
                getattr(training.folder, wish).touch()
            return result

        monkeypatch.setattr("trainer.loop.take_step", step)

    return prepare


def told(capfd):
    """The lines from the first epoch on, those of a step without their numbers."""
    lines = [line[20:] for line in capfd.readouterr().out.splitlines()]
    return [re.sub(r"^steps: .*\| (\d+)/\d+ \[.*", r"step \1", line) for line in lines[lines.index("Epoch 1/3") :]]


def pictures(folder):
    return sorted(path.name.split("_")[1] for path in folder.samples.iterdir())


def test_granted_after_the_step_without_changing_anything(small, learn, make_run, ask, capfd):
    """In the middle of an epoch, both at once; between two epochs; and in the end, when it is too late."""
    whole = learn(small, "small")
    expected = {path.name: path.read_bytes() for path in whole.loras()}
    moments = (whole.epoch_state(3) / "optimizer.safetensors").read_bytes()
    for path in whole.loras():
        path.unlink()
    capfd.readouterr()
    ask({5: ["sample_now", "save_now"], 8: ["save_now"], 12: ["save_now", "sample_now"]})
    learn(small, "small")
    lines, folder = told(capfd), whole
    middle = lines[lines.index("step 5") + 1 : lines.index("step 6")]
    picture = next(folder.samples.glob("small_000005_00_*.png"))
    assert middle == [
        f"Saving LoRA: {folder.step_lora(5)}",
        f"Saving checkpoint: {folder.step_state(5)}",
        "Sampling: 1 prompts at step 5",
        f"Saving sample: {picture}",
    ]
    between = lines[lines.index("Epoch 3/3") + 1 : lines.index("step 9")]
    assert between == [f"Saving LoRA: {folder.step_lora(8)}", f"Saving checkpoint: {folder.epoch_state(2)}"]
    assert not [line for line in lines[lines.index("step 12") :] if "step00000012" in line or "Sampling" in line]
    assert not folder.save_now.exists() and not folder.sample_now.exists()
    assert pictures(folder) == ["000005", "e000000"]
    assert {path.name: path.read_bytes() for path in folder.loras() if "-step" not in path.name} == expected
    assert (folder.epoch_state(3) / "optimizer.safetensors").read_bytes() == moments
    assert folder.step_lora(8).read_bytes() == folder.epoch_lora(2).read_bytes(), "the same step, the same LoRA"
    assert [path.name for path in folder.loras()] == [
        *["small-step00000005.safetensors", "small-000002.safetensors", "small-step00000008.safetensors"],
        "small.safetensors",
    ]


def test_what_was_asked_for_stays_and_is_resumed_from_bit_for_bit(small, learn, make_run, ask):
    small["save"]["keep_states"] = 1
    ask({5: ["save_now"]})
    folder = learn(small)
    expected, moments = folder.lora.read_bytes(), (folder.epoch_state(3) / "optimizer.safetensors").read_bytes()
    assert [(state.step, state.is_asked_for) for state in folder.states()] == [(5, True), (12, False)]
    asked = folder.step_lora(5).read_bytes()
    folder.lora.unlink()
    ask({6: ["save_now", "sample_now"], 7: ["save_now"]})
    learn(small, resume=folder.step_state(5))
    assert folder.lora.read_bytes() == expected and folder.step_lora(5).read_bytes() == asked
    assert (folder.epoch_state(3) / "optimizer.safetensors").read_bytes() == moments
    assert [state.step for state in folder.states() if state.is_asked_for] == [5, 6, 7]


def test_a_wish_of_an_earlier_attempt_is_forgotten(small, learn, make_run):
    folder = make_run(small)
    folder.save_now.touch()
    folder.sample_now.touch()
    learn(small)
    assert pictures(folder) == ["e000000"] and not list(folder.path.glob("*-step*")) and not folder.save_now.exists()


def test_a_wish_while_samples_are_drawn_is_granted_after_them(small, learn, monkeypatch, capfd):
    from trainer.sample import Painter

    draw = Painter.draw_round

    def asked_meanwhile(painter, mark, step, *stopped):
        draw(painter, mark, step, *stopped)
        if step in (0, 4):
            painter.folder.save_now.touch()

    monkeypatch.setattr(Painter, "draw_round", asked_meanwhile)
    small["sample"]["every_epochs"] = 1
    folder = learn(small)
    lines = told(capfd)
    assert lines[1:4] == ["step 1", f"Saving LoRA: {folder.step_lora(1)}", f"Saving checkpoint: {folder.step_state(1)}"]
    assert lines[lines.index("Epoch 2/3") + 1] == f"Saving LoRA: {folder.step_lora(4)}"


def test_samples_that_are_due_anyway_are_drawn_once(small, learn, ask, capfd):
    small["sample"]["every_steps"] = 5
    ask({5: ["sample_now"]})
    learn(small)
    assert told(capfd).count("Sampling: 1 prompts at step 5") == 1


def test_no_prompts_to_draw(small, learn, ask, capfd):
    small["sample"]["prompts"] = []
    ask({5: ["sample_now"]})
    folder = learn(small)
    warned = "WARNING samples were asked for, but sample.prompts is empty: there is nothing to draw"
    assert told(capfd).count(warned) == 1 and not folder.sample_now.exists()


def test_a_stop_saves_anyway_and_ends_the_wishes(small, make_run, ask, monkeypatch, capfd):
    stop, folder = Stop(), make_run(small)
    ask({5: ["save_now", "sample_now"]})
    before = trainer.loop.take_step

    def and_stop(training):
        result = before(training)
        stop.signal = "SIGTERM" if training.progress.step + 1 == 5 else ""
        return result

    monkeypatch.setattr("trainer.loop.take_step", and_stop)
    assert not train(parse_config(small), folder, None, stop)
    assert not folder.save_now.exists() and not folder.sample_now.exists()
    assert folder.last_state().step == 5 and not folder.step_lora(5).exists()
    assert "What was asked for in between is left out" in capfd.readouterr().out


def test_no_room_for_a_checkpoint_ends_no_training_that_was_only_asked(small, learn, ask, monkeypatch, capfd):
    """While step 5 and what follows it are done no file may grow past a limit: neither LoRA nor moments fit."""
    ask({5: ["save_now"]})
    before, step = resource.getrlimit(resource.RLIMIT_FSIZE), trainer.loop.take_step

    def limited(training):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000 if training.progress.step == 4 else before[0], before[1]))
        return step(training)

    monkeypatch.setattr("trainer.loop.take_step", limited)
    try:
        folder = learn(small)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    lines = told(capfd)
    assert lines[lines.index("step 5") + 1 : lines.index("step 6")] == [
        f"WARNING {path} could not be written: File too large; it was asked for in between, so the training goes on without it"
        for path in (folder.step_lora(5), folder.step_state(5))
    ]
    assert folder.lora.is_file() and not list(folder.path.glob("*step00000005*")) and not folder.save_now.exists()
    assert [state.step for state in folder.states()] == [8, 12]


def test_no_room_for_a_picture_ends_no_training_that_was_only_asked(small, learn, ask, monkeypatch, capfd):
    def full(path, data):
        if "_000005_" in path.name:
            raise NotWritten(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        write_whole(path, data)

    monkeypatch.setattr("trainer.sample.write_whole", full)
    ask({5: ["sample_now"]})
    folder = learn(small)
    (warned,) = (line for line in told(capfd) if line.startswith("WARNING"))
    assert "No space left on device; it was asked for in between, so the training goes on without it" in warned
    assert folder.lora.is_file() and pictures(folder) == ["e000000"] and not folder.sample_now.exists()


def test_all_processes_grant_it_together(small, make_run, start_process, launch_command, wait_until, read_losses, tmp_path):
    small["train"]["epochs"] = 20
    folder, log = make_run(small, "launched"), tmp_path / "log"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hf")}
    process = start_process(launch_command(2, "-m", "trainer", str(folder.config)), log, env=environment)
    wait_until(lambda: any(step >= 3 for step in read_losses(log.read_text())), 120)
    folder.save_now.touch()
    folder.sample_now.touch()
    wait_until(lambda: not folder.save_now.exists() and not folder.sample_now.exists(), 60)
    assert process.wait(120) == 0, log.read_text()
    (asked,) = (state for state in folder.states() if state.is_asked_for)
    assert "in 2 processes" in log.read_text()
    assert any(re.fullmatch(r"\d{6}", mark) for mark in pictures(folder)), "drawn after that step or the next"
    assert load_file(folder.step_lora(asked.step)).keys() == load_file(folder.lora).keys()
    assert log.read_text().count(f"Saving LoRA: {folder.step_lora(asked.step)}") == 1
