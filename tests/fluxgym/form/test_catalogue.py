"""The catalogue of settings: all of them, and what is made of each from its field alone."""

from typing import Any

import pytest
from pydantic import BaseModel

from fluxgym.form import catalogue
from fluxgym.form.catalogue import CHOICE, DECIMAL, SWITCH, TEXT, TEXTS, WHOLE, WORD, find_setting, list_settings, search
from trainer.config import Config


def all_fields(model: type[BaseModel], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        is_section = isinstance(inner, type) and issubclass(inner, BaseModel)
        found += all_fields(inner, f"{prefix}{name}.") if is_section else [f"{prefix}{name}"]  # type: ignore[arg-type]
    return found


def find(key: str) -> catalogue.Setting:
    setting = find_setting(key)
    assert setting, key
    return setting


def test_every_field_is_there_with_its_meaning_and_a_label_of_its_own() -> None:
    assert [setting.key for setting in list_settings()] == all_fields(Config)
    for setting in list_settings():
        assert setting.meaning in setting.help and setting.key in setting.help
        assert setting.section in catalogue.SECTIONS
        alike = [other.key for other in list_settings() if (other.section, other.label) == (setting.section, setting.label)]
        assert alike == [setting.key]
    assert {*catalogue.LABELS, *catalogue.CHOICES} <= {setting.key for setting in list_settings()}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("data.flip", SWITCH),
        ("train.epochs", WHOLE),
        ("model.max_sequence_length", WHOLE),
        ("train.learning_rate", DECIMAL),
        ("train.optimizer", CHOICE),
        ("speed.compile", CHOICE),
        ("train.gradient_checkpointing", WORD),
        ("train.shift", WORD),
        ("data.resolution", WORD),
        ("lora.targets", WORD),
        ("data.masks", TEXT),
        ("sample.prompts", TEXTS),
    ],
)
def test_kinds(key: str, kind: str) -> None:
    assert find(key).kind == kind


def test_every_default_fits_and_comes_back_from_what_is_shown() -> None:
    for setting in list_settings():
        assert setting.fits(setting.default), setting.key
        if setting.kind == WORD:
            assert setting.read(setting.show(setting.default)) == setting.default


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("data.resolution", "512", 512),
        ("data.resolution", " 512, 768,1024 ", [512, 768, 1024]),
        ("data.resolution", "51x", "51x"),
        ("data.resolution", "", ""),
        ("train.gradient_checkpointing", "all blocks", True),
        ("train.gradient_checkpointing", "none", False),
        ("train.gradient_checkpointing", "1", 1),
        ("train.shift", "3", 3.0),
        ("train.shift", "auto", "auto"),
        ("train.accumulation", "2.5", "2.5"),
        ("lora.targets", "attention", "attention"),
        ("lora.targets", "to_q, ff.net.2", ["to_q", "ff.net.2"]),
        ("lora.targets", "to_q", ["to_q"]),
    ],
)
def test_what_is_typed_becomes_a_value_and_is_shown_alike(key: str, typed: str, value: Any) -> None:
    read = find(key).read(typed)
    assert (read, type(read)) == (value, type(value))
    assert find(key).read(find(key).show(read)) == value or not value


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("train.epochs", None, True),
        ("train.epochs", True, False),
        ("train.epochs", "ten", False),
        ("data.flip", 1, False),
        ("data.resolution", [512, 768], True),
        ("data.resolution", [[512]], False),
        ("data.resolution", ["a"], True),
        ("lora.targets", ["to_q"], True),
        ("lora.targets", [1], False),
        ("lora.targets", None, False),
        ("speed.compile", True, True),
        ("model.dtype", True, False),
        ("sample.prompts", ["a"], True),
        ("sample.prompts", "a", False),
        ("name", ["x"], False),
    ],
)
def test_only_what_a_widget_can_show_fits(key: str, value: Any, fits: bool) -> None:
    assert find(key).fits(value) is fits


def test_values_are_tidied() -> None:
    assert isinstance(find("lora.alpha").tidy(16), float)
    assert isinstance(find("train.shift").tidy(3), float)
    assert find("train.gradient_checkpointing").tidy(True) is True
    assert find("data.regularisation").tidy(None) == ""
    assert find("model.max_sequence_length").tidy(None) is None


def test_steps_and_formats() -> None:
    assert [find(key).step for key in ("sample.width", "train.epochs", "train.learning_rate", "data.mask_floor")] == [
        16,
        1,
        1e-5,
        0.05,
    ]
    assert find("train.learning_rate").format % 1 and find("train.eps").format == "%e"
    assert find("train.ema").format == "%g", "0.99999 is not rounded"
    assert [find("train.eps").show(value) for value in (8e-4, 1.25e-8, 0.05, 3.0, 0.0)] == ["8e-4", "1.25e-8", "0.05", "3", "0"]


def test_search_looks_at_labels_names_and_meanings() -> None:
    assert search("warm")[0].key == "train.warmup_steps"
    assert search("warmup_steps")[0].key == "train.warmup_steps"
    assert "train.optimizer" in [found.key for found in search("PRODIGY")]
    assert search("learning rate")[0].key == "train.learning_rate"
    assert {found.key for found in search("sample px")} >= {"sample.width", "sample.height"}
    assert search("no such thing") == []
    assert len(search("")) == len(list_settings())


def test_a_title_in_the_config_is_its_label() -> None:
    from pydantic import Field

    class Small(BaseModel):
        some_thing: int = Field(1, title="A thing", description="What it is.")
        other: bool | None = Field(None, description="x")

    thing, other = catalogue._walk(Small, "")
    assert (thing.label, other.label, other.is_optional) == ("A thing", "Other", True)
