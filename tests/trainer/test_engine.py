"""The model of a training as its settings ask for it, and what of them a resume keeps."""

import json

import pytest
import torch

from tests.trainer.gradients import open_training
from trainer.blocks import find_blocks, find_turns
from trainer.checkpoint import StateError
from trainer.config import parse_config
from trainer.engine import resolve
from trainer.folder import STATE_FILE
from trainer.interrupt import Stop
from trainer.loop import train
from trainer.quantise import FrozenLinear


def settings_in(state):
    return json.loads((state / STATE_FILE).read_text())["settings"]


def test_the_model_is_what_the_settings_say(small, make_run):
    small["model"]["quantise"], small["train"]["gradient_checkpointing"] = "int8", 3
    small["train"]["accumulation"], small["memory"] = 2, {"swapped_blocks": 1}
    training = open_training(make_run(small).config)
    turns = find_turns(training.model)
    assert [turn.is_checkpointed for turn in turns] == [True] * 3 + [False] * 4
    assert sum(turn.home is not None for turn in turns) == 1
    assert any(
        isinstance(module, FrozenLinear) and module.kind == "int8" for module in find_blocks(training.model)[0].modules()
    )
    assert training.engine.arrangement.fit.pieces == 2
    assert training.settings["model.quantise"] == "int8" and training.settings["speed.compile"] is False


def test_auto_is_what_it_was_before_there_was_a_choice(small, make_run):
    del small["train"]["gradient_checkpointing"]
    training = open_training(make_run(small).config)
    assert training.engine.arrangement.fit.checkpointed == 0 and training.engine.arrangement.fit.pieces == 1
    assert training.settings["model.quantise"] == "none"


def test_a_state_keeps_its_bits(small, learn):
    small["train"]["epochs"] = 1
    state = learn(small).epoch_state(1)
    assert settings_in(state)["model.quantise"] == "none"
    small["train"]["epochs"] = 2
    small["model"]["quantise"] = "int8"
    with pytest.raises(StateError, match=r"model\.quantise: the state has 'none', the settings have 'int8'"):
        learn(small, resume=state)


def test_a_state_of_before_there_were_bits_goes_on(small, learn):
    small["train"]["epochs"] = 1
    state = learn(small).epoch_state(1)
    said = json.loads((state / STATE_FILE).read_text())
    for name in ("model.quantise", "model.matmul_8bit", "speed.compile"):
        said["settings"].pop(name, None)
    (state / STATE_FILE).write_text(json.dumps(said))
    small["train"]["epochs"] = 2
    assert learn(small, resume=state).epoch_state(2).is_dir()


def test_auto_goes_on_as_a_state_says(small):
    assert resolve(parse_config(small), {}) == {"model.quantise": "none", "speed.compile": False}
    then = {"model.quantise": "nf4", "speed.compile": True}
    assert resolve(parse_config(small), then) == then
    small["speed"] = {"compile": False}
    assert resolve(parse_config(small), then) == {"model.quantise": "nf4", "speed.compile": False}


def test_a_compiled_training_says_so_and_its_state_too(small, make_run, monkeypatch, capsys):
    """With a compiler that changes nothing: test_compile.py has the real one."""
    small["speed"], small["train"]["epochs"] = {"compile": True}, 1
    monkeypatch.setattr(torch, "compile", lambda compute, **options: compute)
    folder = make_run(small)
    assert train(parse_config(small), folder, None, Stop())
    assert "Compiling 7 blocks when they are first used" in capsys.readouterr().out
    assert settings_in(folder.epoch_state(1))["speed.compile"] is True
    small["speed"], small["train"]["epochs"] = {"compile": "auto"}, 2
    assert train(parse_config(small), folder, folder.epoch_state(1), Stop())
    said = capsys.readouterr().out
    assert "Compiling 7 blocks" in said and "speed.compile" not in said  # it goes on as it began
    small["speed"], small["train"]["epochs"] = {"compile": False}, 3
    assert train(parse_config(small), folder, folder.epoch_state(2), Stop())
    assert "WARNING speed.compile: True before, False from here" in capsys.readouterr().out
