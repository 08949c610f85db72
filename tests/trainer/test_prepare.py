"""What comes before the first step: settings that matter to a resume, settings that are ignored, early refusals."""

import json
import shutil

import pytest
import torch

from trainer import mini
from trainer.checkpoint import StateError, read_progress
from trainer.config import parse_config
from trainer.dataset import read_dataset
from trainer.families import find_base
from trainer.folder import RunFolder
from trainer.interrupt import Stop
from trainer.material import split_images
from trainer.prepare import find_settings, prepare, start_accelerator, warn_of_ignored
from trainer.sample import find_pictures

CPU = torch.device("cpu")


def settings_of(values):
    config = parse_config(values)
    return find_settings(config, find_base(config.model, CPU), split_images(config, read_dataset(config)))


@pytest.mark.parametrize(
    ("section", "key", "value", "matters"),
    [
        ("lora", "rank", 8, "lora.rank"),
        ("lora", "targets", "attention", "lora.targets"),
        ("train", "seed", 7, "train.seed"),
        ("train", "learning_rate", 1e-3, "train.learning_rate"),
        ("data", "resolution", 96, "data.resolution"),
        ("data", "validation_images", 1, "images and captions"),
        ("data", "regularisation_images", 2, "data.regularisation_images"),
        ("data", "flip", True, "data.flip"),
        ("data", "caption_dropout", 0.1, "data.caption_dropout"),
        ("data", "mask_floor", 0.1, "data.mask_floor"),
        ("data", "regularisation_weight", 0.5, "data.regularisation_weight"),
        ("data", "buckets", False, None),  # all are squares
        ("data", "resolution", 128, "data.resolution, sizes of the images (data.resolution, data.buckets)"),  # not reached
        ("model", "dtype", "bf16", "model.dtype"),
        ("model", "matmul_8bit", True, "model.matmul_8bit"),
        ("train", "epochs", 9, "train.epochs"),
        ("train", "gradient_checkpointing", True, None),
        ("train", "accumulation", 2, None),
        ("save", "every_epochs", 1, None),
        ("sample", "steps", 9, None),
        ("slurm", "time_limit", "2:00:00", None),
    ],
)
def test_what_the_mathematics_depends_on(small, section, key, value, matters):
    small["model"]["quantise"] = "int8"
    before = settings_of(small)
    small[section] = {**small.get(section, {}), key: value}
    after = settings_of(small)
    assert ", ".join(name for name in after if before.get(name) != after[name]) == (matters or "")


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"])
def test_each_part_of_the_model_matters(small, tmp_path, part):
    before, other = settings_of(small), tmp_path / "other-model"
    shutil.copytree(mini.MODEL, other)
    small["model"]["base"] = str(other)
    assert settings_of(small) == before, "a copy is the same"
    file = next((other / part).glob("*.json"))
    file.write_bytes(file.read_bytes() + b"\n")
    after = settings_of(small)
    assert [name for name in before if before[name] != after[name]] == [f"model.{part}"]


def test_a_state_from_before_there_were_buckets(small, make_folder, tmp_path):
    """It goes on where images are still cropped as they were, and says what to set where they are not."""
    small["data"] |= {"folder": str(make_folder({"a.png": "one", "b.png": "two"}, size=(200, 100))), "validation_images": 0}
    small["data"]["buckets"] = False
    path = RunFolder(tmp_path).epoch_state(1)
    known = ("data.resolution", "data.repeats", "data.batch_size", "data.regularisation_images")
    then = {name: value for name, value in settings_of(small).items() if not name.startswith("data.") or name in known}
    path.mkdir()
    said = {"version": 1, "step": 4, "epoch": 1, "position": 0, "files": {}, "losses": [1.0], "settings": then}
    (path / "state.json").write_text(json.dumps(said))
    assert read_progress(path, settings_of(small)).step == 4
    small["data"]["buckets"] = True
    with pytest.raises(StateError, match=r"sizes of the images \(data\.resolution, data\.buckets\): the state has None"):
        read_progress(path, settings_of(small))


def test_a_changed_caption_matters(small, make_folder):
    folder = make_folder({"a.png": "one", "b.png": "two"})
    small["data"] |= {"folder": str(folder), "validation_images": 0}
    before = settings_of(small)
    (folder / "a.txt").write_text("three")
    after = settings_of(small)
    assert [name for name in before if before[name] != after[name]] == ["images and captions"]


def test_ignored_settings_are_told(small, make_run, capfd):
    small["data"]["regularisation_images"] = 0
    small["trigger"] = ""
    config = parse_config(small)
    warn_of_ignored(config, make_run(small, "other"), find_base(config.model, CPU), find_pictures(config))
    out = capfd.readouterr().out
    assert "WARNING name: small is ignored, a run is called after its folder: other" in out
    assert "WARNING data.regularisation: " in out and "WARNING sample.prompts: [trigger] is drawn as it is written" in out
    assert out.count("WARNING") == 3


def test_nothing_is_told_when_nothing_is_ignored(small, make_run, capfd):
    config = parse_config(small)
    warn_of_ignored(config, make_run(small), find_base(config.model, CPU), find_pictures(config))
    assert capfd.readouterr().out == ""


def test_a_batch_that_processes_cannot_share(small, monkeypatch):
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 3)
    with pytest.raises(ValueError, match=r"data\.batch_size: got 4 for 3 processes, expected a multiple of 3"):
        start_accelerator(parse_config(small))


def test_what_is_prepared(small, make_run):
    training = prepare(parse_config(small), make_run(small), None, Stop())
    assert (len(training.images.own), len(training.images.held_out), len(training.images.ordinary)) == (10, 2, 48)
    trainable = [weight for weight in training.model.parameters() if weight.requires_grad]
    assert {id(weight) for weight in trainable} == {id(weight) for weight in training.weights.values()}
    assert sum(len(group["params"]) for group in training.optimizer.param_groups) == len(trainable) == 98
    assert training.plan.total_steps == 12 and training.progress.step == 0


def test_fewer_epochs_than_are_done(small, make_run, learn):
    folder = learn(small)
    small["train"]["epochs"] = 2
    with pytest.raises(ValueError, match=r"train\.epochs: got 2, expected at least 3, which are done"):
        prepare(parse_config(small), folder, folder.epoch_state(3), Stop())


def test_a_state_that_was_being_replaced_is_resumed_from(small, learn, make_run):
    """Killed between the two renames, there is only what it was before."""
    folder = learn(small)
    state = folder.epoch_state(2)
    state.rename(state.with_name(state.name + ".old"))
    training = prepare(parse_config(small), folder, state, Stop())
    assert training.progress.step == 8 and state.is_dir()
