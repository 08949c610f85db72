"""Settings: what is refused says what was got, what was expected and the choices; what is written reads back the same."""

from pathlib import Path
from typing import Any

import pytest

from trainer.config import ConfigError, dump_config, load_config, parse_config


def problems_of(values: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(values, "here.toml")
    assert "here.toml" in str(caught.value)
    return caught.value.problems


SIDES = "a whole number from 64 up to 2048, a multiple of 16 or a list of such"


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("train", "epochs", "ten", "train.epochs: got 'ten', expected a whole number from 1 up to 10000"),
        ("train", "epochs", 1.5, "train.epochs: got 1.5, expected a whole number from 1 up to 10000"),
        ("train", "epochs", True, "train.epochs: got True, expected a whole number from 1 up to 10000"),
        ("train", "shift", "x", "train.shift: got 'x', expected a number above 0 and up to 20 or 'auto'"),
        ("train", "shift", 30, "train.shift: got 30, expected a number above 0 and up to 20 or 'auto'"),
        ("train", "learning_rate", float("nan"), "train.learning_rate: got nan, expected a number above 0 and up to 1"),
        (
            "train",
            "gradient_checkpointing",
            -1,
            "train.gradient_checkpointing: got -1, expected true or false or a whole number from 0 up to 1000 or 'auto'",
        ),
        (
            "lora",
            "targets",
            "mlp",
            "lora.targets: got 'mlp', expected 'all' or 'attention' or 'all+modulation' or a list of texts, not empty",
        ),
        ("data", "resolution", 100, f"data.resolution: got 100, expected {SIDES}"),
        ("data", "resolution", [], f"data.resolution: got [], expected {SIDES}"),
        ("data", "caption_dropout", 2.0, "data.caption_dropout: got 2.0, expected a number from 0 up to 1"),
        ("model", "base", "", "model.base: got '', expected text in quotes, not empty"),
        ("model", "max_sequence_length", "x", "model.max_sequence_length: got 'x', expected a whole number from 8 up to 512"),
        ("sample", "prompts", [1], "sample.prompts.0: got 1, expected a list of texts of at most 50"),
    ],
)
def test_one_sentence_for_a_wrong_value(small, section, key, value, expected):
    small[section] = {**small[section], key: value}
    assert problems_of(small) == [expected]


def test_one_of_several_resolutions_is_named(small):
    small["data"]["resolution"] = [1024, 512, 512]
    assert parse_config(small).data.resolutions == [512, 1024]
    small["data"]["resolution"] = [512, 100]
    assert f"data.resolution.1: got 100, expected {SIDES}" in problems_of(small)
    small["data"]["resolution"] = 512
    assert parse_config(small).data.resolutions == [512]


def test_an_unknown_setting_names_the_nearest_and_the_choices(small):
    small["train"]["epoch"] = 3
    (problem,) = problems_of(small)
    assert problem.startswith("train.epoch: unknown setting; did you mean epochs? The choices are: epochs, learning_rate, ")


def test_all_problems_at_once():
    assert problems_of({"name": "x", "model": {}, "train": 5}) == [
        "model.base: missing, expected text in quotes, not empty",
        "data: missing, expected a section [data]",
        "train: got 5, expected a section [train]",
    ]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"regularisation": None}, "without regularisation, expected a folder"),
        ({"regularisation_images": 4}, "got regularisation_images 4 of batch_size 4, expected at least one image"),
    ],
)
def test_regularisation_must_fit(small, changes, part):
    small["data"] |= changes
    (problem,) = problems_of(small)
    assert problem.startswith("data: ") and part in problem and len(problem) < 200


@pytest.mark.parametrize("quantise", ["auto", "none", "nf4"])
def test_8_bits_are_multiplied_where_there_are_8_bits(small, quantise):
    small["model"] |= {"matmul_8bit": True, "quantise": quantise}
    (problem,) = problems_of(small)
    assert problem.startswith(f"model: got matmul_8bit with quantise '{quantise}', expected quantise 'int8' (RTX 30 ")
    for kind in ("int8", "fp8"):
        small["model"]["quantise"] = kind
        assert parse_config(small).model.matmul_8bit


def test_a_hostile_name_is_refused(small, hostile_name):
    (problem,) = problems_of({**small, "name": hostile_name})
    assert problem.startswith("name: got the name ") and "expected 1 to 64 letters" in problem


def test_a_long_value_is_cut(small):
    small["trigger"] = "x" * 5000
    (problem,) = problems_of(small)
    assert len(problem) < 200 and problem.endswith("expected text in quotes of at most 200")


def test_reads_back_what_it_wrote(config, tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text(dump_config(config), encoding="utf-8")
    assert load_config(file) == config


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"a = ", "is not TOML"),
        (b"\xff", "got no UTF-8 text"),
        (None, "cannot be read: got nothing there, expected a .toml file of settings"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content, part):
    file = tmp_path / "config.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=part):
        load_config(file)
