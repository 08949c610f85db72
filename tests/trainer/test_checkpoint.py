"""States: whole or not there, read back bit for bit, refused when the training was another one."""

import errno
import json
import os
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file

from trainer.average import Ema
from trainer.checkpoint import (
    Content,
    Progress,
    StateError,
    load_state,
    prune_states,
    read_progress,
    read_settings,
    save_state,
    tidy_states,
)
from trainer.config import Train
from trainer.disk import NotWritten
from trainer.folder import RunFolder, read_state
from trainer.optimizers import make_optimizer

SETTINGS = {"lora.rank": 4, "train.seed": 1, "images and captions": ["a", "b"]}


def make(seed=0, steps=2, name="adamw"):
    """Two weights and an optimizer that has done some steps on them; they are large enough for moments in 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    weights = {key: torch.nn.Parameter(torch.randn(64, 80, generator=generator)) for key in ("x.lora_A", "x.lora_B")}
    optimizer = make_optimizer(Train(optimizer=name, learning_rate=0.1), weights.values())
    for _ in range(steps):
        step(weights, optimizer)
    return weights, optimizer


def step(weights, optimizer):
    sum((weight**3).sum() for weight in weights.values()).backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.mark.parametrize("name", get_args(Train.model_fields["optimizer"].annotation))
@pytest.mark.parametrize("steps", [0, 3])
def test_it_goes_on_bit_for_bit(folder, steps, name):
    weights, optimizer = make(steps=steps, name=name)
    progress = Progress(step=steps, epoch=1, position=2, losses=[0.1 + 0.2, 1 / 3])
    save_state(folder.step_state(3), Content(progress, SETTINGS, weights, optimizer))
    others, fresh = make(seed=1, steps=0, name=name)
    assert read_progress(folder.step_state(3), SETTINGS) == progress
    load_state(folder.step_state(3), others, fresh)
    for _ in range(3):
        step(weights, optimizer)
        step(others, fresh)
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_the_average_is_part_of_it(folder):
    weights, optimizer = make()
    average = Ema(weights, 0.9)
    step(weights, optimizer)
    average.update(weights, 1)
    save_state(folder.step_state(3), Content(Progress(), SETTINGS, weights, optimizer, average.shadow))
    others, fresh = make(seed=1, steps=0)
    resumed = Ema(others, 0.9)
    load_state(folder.step_state(3), others, fresh, resumed.shadow)
    assert all(torch.equal(resumed.shadow[name], average.shadow[name]) for name in weights)
    assert all(torch.equal(others[name], weights[name]) for name in weights)
    assert not any(torch.equal(others[name], resumed.shadow[name]) for name in weights)


def test_a_state_of_the_first_version(folder):
    """As it was written before there was a choice of optimizers: AdamW's tensors, and settings that have since got company."""
    weights, optimizer = make(steps=3)
    state, path = optimizer.state_dict()["state"], folder.step_state(3)
    path.mkdir(parents=True)
    save_file({name: weight.detach() for name, weight in weights.items()}, path / "lora.safetensors")
    keys = ("step", "exp_avg", "exp_avg_sq")
    moments = {f"{name}.{key}": state[number][key] for number, name in enumerate(weights) for key in keys}
    save_file(moments, path / "optimizer.safetensors")
    before = {"train.shift": 3.0, "train.learning_rate": 0.1, "lora.rank": 4}
    files = {name: (path / name).stat().st_size for name in ("lora.safetensors", "optimizer.safetensors")}
    said = {"version": 1, "step": 3, "epoch": 0, "position": 3, "files": files, "losses": [0.5], "settings": before}
    (path / "state.json").write_text(json.dumps(said))
    now = {f"train.{name}": value for name, value in Train(shift=3.0, learning_rate=0.1).model_dump().items()}
    now = {
        name: now[name] for name in ("train.shift", "train.learning_rate", "train.timesteps", "train.optimizer", "train.ema")
    }
    assert read_progress(path, {**now, "lora.rank": 4}) == Progress(step=3, position=3, losses=[0.5])
    with pytest.raises(StateError, match=r"train\.ema: the state has 0\.0, the settings have 0\.99"):
        read_progress(path, {**now, "lora.rank": 4, "train.ema": 0.99})
    with pytest.raises(StateError, match=r"train\.timesteps: the state has 'shift', the settings have 'sigmoid'"):
        read_progress(path, {**now, "lora.rank": 4, "train.timesteps": "sigmoid"})
    others, fresh = make(seed=1, steps=0)
    load_state(path, others, fresh)
    for _ in range(3):
        step(weights, optimizer)
        step(others, fresh)
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_nothing_in_it_is_pickled(folder):
    save_state(folder.step_state(2), Content(Progress(), SETTINGS, *make(name="schedule_free")))
    files = sorted(folder.step_state(2).iterdir())
    assert [path.suffix for path in files] == [".safetensors", ".safetensors", ".json"]
    said = json.loads(files[-1].read_text())["optimizer"]
    assert said["numbers"] == {} and said["groups"][0]["k"] == 2 and said["groups"][0]["train_mode"] is True
    save_state(folder.step_state(3), Content(Progress(), SETTINGS, *make(name="adafactor")))
    said = json.loads((folder.step_state(3) / "state.json").read_text())["optimizer"]
    assert said["numbers"] == {"x.lora_A.step": 2, "x.lora_B.step": 2} and said["groups"] == [{}]


def test_a_state_is_written_beside_and_replaces_an_older_one(folder, monkeypatch):
    path = folder.epoch_state(1)
    save_state(path, Content(Progress(step=1), SETTINGS, *make()))
    save_state(path, Content(Progress(step=2), SETTINGS, *make()))
    assert read_state(path).step == 2 and [entry.name for entry in folder.path.iterdir()] == [path.name]
    assert sorted(entry.name for entry in path.iterdir()) == ["lora.safetensors", "optimizer.safetensors", "state.json"]


@pytest.mark.parametrize("calls", range(1, 6))
def test_a_save_that_is_cut_off_leaves_the_older_one(folder, monkeypatch, calls):
    """Cut off at each rename in turn: three files, the old state aside, the new one into its place."""
    path, done, replace = folder.epoch_state(1), [], os.replace
    save_state(path, Content(Progress(step=1), SETTINGS, *make()))

    def cut(source, target):
        done.append(target)
        if len(done) == calls:
            raise KeyboardInterrupt
        return replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pathlib.Path.replace", cut)
        save_state(path, Content(Progress(step=2), SETTINGS, *make()))
    tidy_states(folder)
    assert [(state.step, state.problem) for state in folder.states()] == [(1, "")]
    assert [entry.name for entry in folder.path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("calls", "older"), [*((calls, False) for calls in range(1, 5)), *((calls, True) for calls in range(1, 6))]
)
def test_a_save_that_fails_leaves_nothing_but_the_older_one(folder, monkeypatch, calls, older):
    """No room at each rename in turn; no resume need come to clear away."""
    path, done, replace = folder.epoch_state(1), [], os.replace
    if older:
        save_state(path, Content(Progress(step=1), SETTINGS, *make()))

    def fail(source, target):
        done.append(target)
        if len(done) == calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(NotWritten, match=f"{path} could not be written: No space left on device"):
        save_state(path, Content(Progress(step=2), SETTINGS, *make()))
    assert [(state.step, state.problem) for state in folder.states()] == ([(1, "")] if older else [])
    assert [entry.name for entry in folder.path.iterdir()] == ([path.name] if older else [])


def test_another_training_is_refused_with_what_differs(folder):
    save_state(folder.epoch_state(1), Content(Progress(step=1), SETTINGS, *make()))
    other = {**SETTINGS, "lora.rank": 8, "new": True}
    with pytest.raises(StateError) as caught:
        read_progress(folder.epoch_state(1), other)
    assert caught.value.problems[:2] == [
        "lora.rank: the state has 4, the settings have 8",
        "new: the state has None, the settings have True",
    ]
    assert "start a new run" in str(caught.value) and "A resume may change train.epochs, train.learn" in str(caught.value)


MILD = {"epochs": 3, "learning_rate": 1e-4, "warmup_steps": 5, "decay": 0.0, "max_grad_norm": 1.0}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("epochs", 4, "3 before, 4 from here"),
        ("learning_rate", 5e-5, "0.0001 before, 5e-05 from here"),
        ("warmup_steps", 0, "5 before, 0 from here"),
        ("decay", 0.5, "0.0 before, 0.5 from here"),
        ("max_grad_norm", 0.5, "1.0 before, 0.5 from here"),
    ],
)
def test_what_may_change_is_taken_and_told(folder, capfd, name, value, told):
    settings = {**SETTINGS, **{f"train.{key}": then for key, then in MILD.items()}}
    save_state(folder.epoch_state(1), Content(Progress(step=1), settings, *make()))
    assert read_progress(folder.epoch_state(1), settings).step == 1 and not capfd.readouterr().out
    assert read_progress(folder.epoch_state(1), {**settings, f"train.{name}": value}).step == 1
    (line,) = capfd.readouterr().out.splitlines()
    assert line[20:] == f"WARNING train.{name}: {told}"


@pytest.mark.parametrize("epochs", [2, 4])
@pytest.mark.parametrize("falls", [{"train.decay": 0.5}, {"train.schedule": "cosine"}])
def test_other_epochs_change_a_learning_rate_that_falls(folder, capfd, epochs, falls):
    settings = {**SETTINGS, **falls, "train.epochs": 3}
    save_state(folder.epoch_state(1), Content(Progress(step=1), settings, *make()))
    read_progress(folder.epoch_state(1), {**settings, "train.epochs": epochs})
    told = f"WARNING train.epochs: 3 before, {epochs} from here; the learning rate falls over other steps\n"
    assert capfd.readouterr().out.endswith(told)


def test_damage_and_unknown_versions_are_told(folder):
    path = folder.epoch_state(1)
    with pytest.raises(StateError, match=r"state\.json cannot be read"):
        read_progress(path, SETTINGS)
    save_state(path, Content(Progress(step=1), SETTINGS, *make()))
    said = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**said, "version": 99}))
    with pytest.raises(StateError, match="got a state of version 99, expected version 1 to 2"):
        read_progress(path, SETTINGS)
    (path / "state.json").write_text(json.dumps(said))
    (path / "lora.safetensors").write_bytes(b"")
    with pytest.raises(StateError, match=r"lora\.safetensors: got 0 bytes, expected"):
        read_progress(path, SETTINGS)


def test_its_settings_can_be_read_alone(folder):
    path = folder.epoch_state(1)
    assert read_settings(None) == read_settings(path) == {}
    save_state(path, Content(Progress(step=1), SETTINGS, *make()))
    assert read_settings(path) == SETTINGS
    (path / "lora.safetensors").write_bytes(b"")
    assert read_settings(path) == {}  # read_progress then says what is wrong


def test_a_state_of_before_there_were_bits_had_none(folder):
    path = folder.epoch_state(1)
    save_state(path, Content(Progress(step=1), SETTINGS, *make()))
    assert read_progress(path, {**SETTINGS, "model.quantise": "none", "speed.compile": False}).step == 1
    with pytest.raises(StateError, match=r"model\.quantise: the state has 'none', the settings have 'nf4'"):
        read_progress(path, {**SETTINGS, "model.quantise": "nf4"})


def test_old_states_go_and_damaged_ones_do_not_count(folder):
    for epoch in (1, 2, 3):
        save_state(folder.epoch_state(epoch), Content(Progress(step=epoch * 4, epoch=epoch), SETTINGS, *make()))
    (folder.epoch_state(3) / "lora.safetensors").unlink()
    save_state(folder.step_state(2), Content(Progress(step=2), SETTINGS, *make()))  # newest, though not the furthest
    prune_states(folder, 0)
    assert len(folder.states()) == 4
    prune_states(folder, 2)
    whole = [state.path.name for state in folder.states() if not state.problem]
    assert whole == ["run-step00000002-state", "run-2-state"]


def test_what_was_asked_for_goes_for_no_newer_state_and_counts_for_none(folder):
    save_state(folder.step_state(2), Content(Progress(step=2), SETTINGS, *make()), is_asked_for=True)
    for epoch in (1, 2, 3):
        save_state(folder.epoch_state(epoch), Content(Progress(step=epoch * 4, epoch=epoch), SETTINGS, *make()))
        prune_states(folder, 2)
    kept = [folder.step_state(2), folder.epoch_state(2), folder.epoch_state(3)]
    assert [state.path for state in folder.states()] == kept
    assert [state.is_asked_for for state in folder.states()] == [True, False, False]
    save_state(folder.step_state(2), Content(Progress(step=2), SETTINGS, *make()))  # once more, by a stop
    prune_states(folder, 1)
    assert [state.path for state in folder.states()] == [folder.step_state(2), folder.epoch_state(3)]
