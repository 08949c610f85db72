"""The form's values, their way to a Config and to ui_state.json and back, and what is said of wrong ones."""

import json
from pathlib import Path

import pytest

from fluxgym.form import form
from fluxgym.form.catalogue import DECIMAL, SWITCH, TEXT, TEXTS, WHOLE, Setting, list_settings
from fluxgym.run.folders import free_name
from trainer.config import Config, dump_config, load_config
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def test_the_demo_is_what_its_file_says() -> None:
    assert form.to_config(form.demo_values()) == load_config(form.DEMO)


def test_names_that_are_taken_are_counted_on(outputs: Path) -> None:
    for name in ("demo", "demo-2", "cat-7", "x-y"):
        (outputs / name).mkdir(parents=True)
        (outputs / name / "config.toml").touch()
    assert form.demo_values()["name"] == "demo-3"
    assert [free_name(name) for name in ("cat", "cat-7", "x-y", "demo-2")] == ["cat", "cat-2", "x-y-2", "demo-3"]


def test_again_gives_the_same_settings_under_another_name(outputs: Path) -> None:
    values = form.demo_values() | {"name": "cat", "train.epochs": 3, "data.regularisation": "", "data.regularisation_images": 0}
    folder = RunFolder(outputs / "cat")
    folder.path.mkdir()
    folder.config.write_text(dump_config(form.to_config(values)), encoding="utf-8")
    assert form.again(folder) == values | {"name": "cat-2"}


def test_an_untouched_form_lacks_a_name_and_images_and_nothing_else() -> None:
    assert set(form.find_problems(form.default_values())) == {"name", "data.folder"}


def test_every_value_has_a_place_in_the_config_and_a_meaning() -> None:
    for key in form.default_values():
        assert key.startswith(form.NO_SETTINGS) or len(form.explain(key)) > 1


def test_what_is_kept_comes_back(outputs: Path) -> None:
    values = form.demo_values() | {"name": "a <b>\"'", "train.epochs": None, "sample.prompts": ["\u00fc", "two"]}
    form.write_values(form.draft(), values)
    assert form.read_values(form.draft()) == values
    assert list((outputs / ".draft").iterdir()) == [outputs / ".draft" / "ui_state.json"]


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"values": []}', b'{"values": 7}', b"\xff\xfe", b'{"version": 1}'])
def test_a_damaged_form_is_an_untouched_one(kept: bytes, tmp_path: Path) -> None:
    (tmp_path / "ui_state.json").write_bytes(kept)
    assert form.read_values(RunFolder(tmp_path)) == form.default_values()


def test_of_a_form_with_strange_values_the_rest_is_kept(tmp_path: Path) -> None:
    said = {"name": ["x"], "train.epochs": "ten", "lora.rank": True, "trigger": "cat", "unknown": 1, "sample.prompts": [1]}
    (tmp_path / "ui_state.json").write_text(json.dumps({"version": 1, "values": said}), encoding="utf-8")
    assert form.read_values(RunFolder(tmp_path)) == form.default_values() | {"trigger": "cat"}


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"name": "../x"}, "name", ["'../x'", "letters"]),
        ({"name": "x" * 300}, "name", ["300 characters"]),
        ({"name": ""}, "name", ["Give it a name."]),
        ({"train.epochs": 0}, "train.epochs", ["got 0", "a whole number from 1"]),
        ({"train.epochs": None}, "train.epochs", ["Nothing here yet", "Passes"]),
        ({"data.resolution": 100}, "data.resolution", ["got 100", "multiple of 16"]),
        ({"train.learning_rate": 7.0}, "train.learning_rate", ["got 7.0", "up to 1"]),
        ({"data.regularisation_images": 9}, "data.regularisation_images", ["batch"]),
        ({"model.base": ""}, "model.base", ["Nothing here yet", "diffusers"]),
        ({"data.resolution": [64, 100]}, "data.resolution", ["got 100", "such"]),
        ({"train.decay": 0.5, "train.schedule": "linear"}, "train.decay", ["got decay 0.5 with schedule linear"]),
        ({"model.matmul_8bit": True}, "model.matmul_8bit", ["quantise"]),
        ({"train.shift": 3.0}, "train.shift", ["flux_shift"]),
        ({"train.shift": "three"}, "train.shift", ["got 'three'", "or 'auto'"]),
        ({"sample.prompts": ["a --x 1"]}, "sample.prompts", ["--x"]),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(changes: form.Values, place: str, words: list[str]) -> None:
    problems = form.find_problems(form.demo_values() | changes)
    assert set(problems) == {place}
    assert all(word in problems[place] for word in words), problems[place]


def test_again_keeps_what_no_plain_number_or_text_can_say(outputs: Path) -> None:
    given = {"data.resolution": [64, 96], "lora.targets": ["to_q"], "train.gradient_checkpointing": True, "train.shift": 3.0}
    given |= {"train.timesteps": "shift", "speed.compile": False, "memory.swapped_blocks": 2, "data.masks": "alpha"}
    folder = RunFolder(outputs / "cat")
    folder.path.mkdir()
    config = form.to_config(form.demo_values() | given | {"name": "cat"})
    folder.config.write_text(dump_config(config), encoding="utf-8")
    values = form.again(folder)
    assert values | given == values
    form.write_values(form.draft(), values)
    assert form.read_values(form.draft()) == values, "a refresh changes nothing of it"
    assert form.to_config(values | {"name": "cat"}) == config


@pytest.mark.parametrize("setting", list_settings(), ids=lambda setting: setting.key)
def test_every_setting_comes_through_the_form(setting: Setting) -> None:
    values = form.default_values()
    assert setting.key in values
    examples = {DECIMAL: 0.5, WHOLE: 3, TEXTS: ["a", "b"], TEXT: "x", SWITCH: not setting.default}
    said = examples.get(setting.kind, [*setting.choices, [64]][0])
    form.write_values(form.draft(), values | {setting.key: said})
    assert form.read_values(form.draft())[setting.key] == said


def test_what_differs_from_what_is_usual_for_the_base_model_is_found() -> None:
    values = form.default_values()
    assert form.find_changes(values) == {}
    values |= {"name": "cat", "data.folder": "x", "sample.prompts": ["a"], "lora.alpha": 16, "train.epochs": 3}
    values |= {"data.resolution": [512, 768]}
    assert form.find_changes(values) == {"train.epochs": 16, "data.resolution": 512}
    schnell = next(base for base in form.BASES if "schnell" in base.base)
    values |= form.follow(values, {"model.base": schnell.base})
    assert "sample.steps" not in form.find_changes(values), "4 is usual for schnell"
    assert form.find_changes(values | {"sample.steps": 20})["sample.steps"] == 4
    assert form.find_changes(values | {"train.gradient_checkpointing": 1, "speed.compile": True}).keys() > {"speed.compile"}


def test_values_from_elsewhere_are_taken_where_they_can_be_shown() -> None:
    said = {"lora.alpha": 8, "lora.rank": 4.5, "train.seed": 2**60, "data.masks": None, "care.place": "0", "bogus": 1}
    assert form.adopt(said) == {"lora.alpha": 8.0, "data.masks": "", "care.place": "0"}


def test_an_empty_number_of_tokens_means_unset() -> None:
    assert form.to_config(form.demo_values() | {"model.max_sequence_length": None}).model.max_sequence_length is None


@pytest.mark.parametrize("base", form.BASES, ids=lambda base: base.label)
def test_another_base_model_brings_settings_that_fit_it(base: form.Known) -> None:
    values = form.demo_values() | {"model.base": "models/x"}
    after = values | form.follow(values, {"model.base": base.base or "models/x"})
    config = form.to_config(after)
    assert isinstance(config, Config)
    assert form.find_base(after) == base
    assert config.data.resolution == base.values["data.resolution"]
    assert config.name == "demo"


def test_uploads_go_to_a_folder_of_the_run_s_name(outputs: Path) -> None:
    values = form.default_values()
    values |= form.follow(values, {"name": "cat"})
    assert values["data.folder"] == str(outputs.parent / "datasets" / "cat")
    values |= form.follow(values, {"name": "a/b"})
    assert values["data.folder"] == ""
    values |= form.follow(values, {"name": "dog"})
    images = Path(values["data.folder"])
    images.mkdir(parents=True)
    (images / "1.png").touch()
    values |= form.follow(values, {"name": "doggy"})
    assert values["data.folder"] == str(images), "a folder that has images stays"


def test_a_folder_of_one_s_own_does_not_follow_the_name(tmp_path: Path) -> None:
    values = form.default_values() | {"data.folder": str(tmp_path / "mine")}
    assert form.follow(values, {"name": "cat"}) == {"name": "cat"}


def test_only_a_form_that_holds_work_is_set_aside(outputs: Path) -> None:
    run = RunFolder(outputs / "cat")
    started = form.default_values() | {"name": "cat", "train.epochs": 3}
    form.write_values(run, started)
    run.config.touch()
    for worthless in (form.default_values(), form.demo_values() | {"name": "demo-7"}, started):
        form.set_aside(worthless)
        assert not form.before().ui_state.exists()
    form.set_aside(started | {"train.epochs": 4})
    assert form.take_back() == started | {"train.epochs": 4}
    assert not form.before().ui_state.exists()
