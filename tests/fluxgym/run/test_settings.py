"""Changed settings: the old ones are kept, nothing wrong is written; and the way down in memory."""

import subprocess
import sys
import tomllib

import pytest

from fluxgym.run.settings import DEFAULTS, SettingsError, change_settings, read_settings, smaller
from trainer.config import ConfigError, dump_config, load_config, parse_config
from trainer.folder import RunFolder


def settings(**sections):
    data = {"folder": "y", **sections.pop("data", {})}
    return {"name": "small", "model": {"base": "x"}, "data": data, **sections}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "small")
    folder.path.mkdir()
    folder.config.write_text("# mine\n" + dump_config(parse_config(settings())))
    return folder


def files_in(folder):
    return {path.relative_to(folder.path): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def test_the_new_settings_are_written_and_the_old_ones_kept(folder):
    old = folder.config.read_bytes()
    first = change_settings(folder, {"train.epochs": 20, "train.learning_rate": 5e-5})
    assert first.read_bytes() == old
    config = load_config(folder.config)
    assert (config.train.epochs, config.train.learning_rate, config.data.folder) == (20, 5e-5, "y")
    second = change_settings(folder, {"trigger": "cat", "model.max_sequence_length": 77})
    assert second != first and load_config(second).train.epochs == 20
    change_settings(folder, {"model.max_sequence_length": None})
    assert load_config(folder.config).model.max_sequence_length is None
    assert len(list(folder.old_logs.glob("config-*.toml"))) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.epochs": 0}, "train.epochs: got 0, expected a whole number from 1 to 10000|from 1 up to 10000"),
        ({"train.epochs": 20, "train.epoch": 3}, "train.epoch: unknown setting; did you mean epochs?"),
        ({"name.x": 1}, r"cannot take name.x: got 'small' at name, expected a section \[name\]"),
        ({"data.folder": None}, "data.folder: missing"),
    ],
)
def test_nothing_is_written_where_the_new_ones_are_wrong(folder, changes, said):
    before = files_in(folder)
    with pytest.raises((ConfigError, SettingsError), match=said):
        change_settings(folder, changes)
    assert files_in(folder) == before


@pytest.mark.parametrize(
    ("data", "said"), [(b"x = ", "is not TOML"), (b"\xff", "is not TOML"), (None, "cannot be read: No such")]
)
def test_settings_that_cannot_be_read(folder, data, said):
    folder.config.unlink()
    if data is not None:
        folder.config.write_bytes(data)
    before = files_in(folder)
    with pytest.raises(SettingsError, match=said):
        change_settings(folder, {"train.epochs": 20})
    assert files_in(folder) == before


def test_a_supervisor_needs_no_pydantic(folder):
    program = (
        "import sys; from pathlib import Path; from trainer.folder import RunFolder\n"
        "from fluxgym.run.settings import change_settings, read_settings, smaller\n"
        f"folder = RunFolder(Path({str(folder.path)!r}))\n"
        "change_settings(folder, smaller(read_settings(folder)).changes, check=False)\n"
        "assert not {'pydantic', 'trainer.config', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert load_config(folder.config).data.resolution == 384


# ---- the ladder ------------------------------------------------------------------------------------------------------
def test_the_way_down(folder):
    start = {"data.batch_size": 4, "data.resolution": 1024, "train.gradient_checkpointing": False, "sample.width": 1024}
    change_settings(folder, start | {"sample.height": 768})
    told = []
    while step := smaller(read_settings(folder)):
        change_settings(folder, step.changes)
        config = load_config(folder.config)
        told.append((step.words, step.keeps_states, config.sample.width, config.sample.height))
    assert told == [
        ("gradient checkpointing", True, 1024, 768),
        ("a batch of 2 instead of 4", False, 1024, 768),
        ("a batch of 1 instead of 2", False, 1024, 768),
        ("a resolution of 768 px instead of 1024", False, 768, 576),
        ("a resolution of 512 px instead of 768", False, 512, 384),
        ("a resolution of 384 px instead of 512", False, 384, 288),
        ("a resolution of 256 px instead of 384", False, 256, 192),
    ]
    assert (config.train.gradient_checkpointing, config.data.batch_size, config.data.resolution) == (True, 1, 256)


def test_a_batch_is_halved_as_long_as_all_processes_have_their_share():
    before = settings(data={"batch_size": 4}, train={"gradient_checkpointing": True})
    assert [smaller(before, processes).changes.get("data.batch_size") for processes in (1, 2, 4)] == [2, 2, None]
    assert smaller(before, 4).changes["data.resolution"] == 384


def test_samples_that_are_small_already_stay_as_they_are():
    step = smaller(settings(data={"resolution": 1000}, sample={"width": 512, "height": 256}))
    assert step.changes == {"data.resolution": 768}


def test_the_highest_of_several_resolutions_is_left_out_first():
    step = smaller(settings(data={"resolution": [512, 1024, 768]}, sample={"width": 1024, "height": 512}))
    assert step.changes == {"data.resolution": [512, 768], "sample.width": 768, "sample.height": 384}
    assert step.words == "a resolution of at most 768 px instead of 1024"
    assert smaller(settings(data={"resolution": [512, 768]})).changes["data.resolution"] == 512
    assert smaller(settings(data={"resolution": [512]})).changes["data.resolution"] == 384


@pytest.mark.parametrize(
    ("batch", "ordinary", "then"), [(8, 2, (4, 1)), (8, 7, (4, 3)), (5, 1, (2, 1)), (4, 2, (2, 1)), (3, 1, None), (2, 1, None)]
)
def test_a_smaller_batch_keeps_its_regularisation_images(batch, ordinary, then):
    before = settings(data={"batch_size": batch, "regularisation_images": ordinary, "regularisation": "z"})
    changes = smaller(before).changes
    assert (changes.get("data.batch_size"), changes.get("data.regularisation_images")) == (then or (None, None))
    data = {name.partition(".")[2]: value for name, value in changes.items() if name.startswith("data.")}
    parse_config(before | {"data": before["data"] | data})


def test_what_is_not_written_out_is_the_trainers_default():
    config = tomllib.loads(dump_config(parse_config(settings())))
    assert {name: config[name.split(".")[0]][name.split(".")[1]] for name in DEFAULTS} == DEFAULTS
    assert smaller(settings()).changes == {"data.resolution": 384, "sample.width": 384, "sample.height": 384}
