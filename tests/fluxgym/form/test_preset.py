"""Presets: each of ours makes a form that can be started, and one's own come back as they were saved."""

import pytest

from fluxgym.form import form, preset
from fluxgym.form.catalogue import find_setting
from fluxgym.form.preset import MEMORY, OURS, OWN, PURPOSE, Preset, PresetError, find_differences, list_presets, save_preset

pytestmark = pytest.mark.usefixtures("outputs")


def ours() -> list[Preset]:
    return [found for found in list_presets() if not found.is_own]


def test_ours_are_there_by_memory_and_by_purpose() -> None:
    assert [found.label for found in ours() if found.kind == MEMORY] == ["24 GB", "16 GB", "12 GB", "8 GB"]
    assert {found.label for found in ours() if found.kind == PURPOSE} == {"Person", "Style", "Object"}
    assert len(ours()) == len(list(OURS.iterdir()))


def test_each_of_ours_says_why_and_fits_every_base_model() -> None:
    for found in ours():
        assert found.why.endswith(".") and "\n" not in found.why and not found.problem
        said = preset.tomllib.loads(found.path.read_text(encoding="utf-8"))["settings"]
        assert form.flatten(said).keys() == found.values.keys(), "each is a setting, and of the type that it has"
        assert all(find_setting(key) for key in found.values)
        for base in form.BASES:
            values = form.usual_values(base) | {"name": "x", "data.folder": "x", "model.base": base.base or "x"}
            assert form.find_problems(values | found.values) == {}


def test_a_purpose_goes_with_any_memory() -> None:
    for memory in (found for found in ours() if found.kind == MEMORY):
        for purpose in (found for found in ours() if found.kind == PURPOSE):
            assert not memory.values.keys() & purpose.values.keys(), "neither takes back what the other chose"


def test_what_would_change_is_told() -> None:
    large = ours()[0]
    values = form.default_values()
    assert [str(change) for change in find_differences(large, values)] == [
        "Resolution, px 512 -> 1024",
        "GPU memory As much as is free -> 24 GB",
    ]
    assert find_differences(large, values | large.values) == []


def test_one_of_one_s_own_comes_back_as_it_was_saved() -> None:
    given = {"lora.rank": 64, "data.resolution": [512, 768], "train.gradient_checkpointing": True, "memory.preset": "12"}
    given |= {"name": "cat", "data.folder": "/x", "sample.prompts": ["a cat"], "lora.start_from": "/y", "trigger": "sks"}
    saved = save_preset("  Cats,  large ", form.default_values() | given)
    assert (saved.label, saved.kind, saved.problem) == ("Cats, large", OWN, "")
    assert [found.label for found in list_presets()][-1] == "Cats, large"
    applied = form.default_values() | saved.values
    assert {key: applied[key] for key in list(given)[:4]} == dict(list(given.items())[:4])
    assert not saved.values.keys() & set(preset.OF_A_RUN), "what a run is about is in no preset"
    rank = form.default_values() | {"lora.rank": 4}
    assert (rank | save_preset("plain", form.default_values()).values)["lora.rank"] == 16, "defaults are kept, too"


def test_what_came_with_the_base_model_is_not_carried_to_another() -> None:
    mini = form.usual_values(next(base for base in form.BASES if base.is_here))
    saved = save_preset("mini", mini)
    assert "data.resolution" not in saved.values and "sample.steps" not in saved.values
    assert save_preset("mini", mini | {"data.resolution": 128}).values["data.resolution"] == 128


def test_the_same_name_replaces_and_others_do_not() -> None:
    for label in ("a b", "a-b", "a b", "a/b", "../a", "\u00e4"):
        save_preset(label, form.default_values())
    assert sorted(found.label for found in list_presets() if found.is_own) == sorted(["a b", "a-b", "a/b", "../a", "\u00e4"])
    assert {path.parent for path in preset.own_root().rglob("*.toml")} == {preset.own_root()}


@pytest.mark.parametrize("label", ["", "  ", "x" * 61, "a\0b", "\u202eexe"])
def test_a_name_that_cannot_be_one(label: str) -> None:
    with pytest.raises(PresetError, match="expected 1 to 60 characters"):
        save_preset(label, form.default_values())
    assert not preset.own_root().exists()


@pytest.mark.parametrize("data", [b"", b"\xff", b"label = 1", b'label = "x"\nsettings = 3', b"[" * 100])
def test_a_damaged_one_is_told_and_can_be_deleted(data: bytes) -> None:
    preset.own_root().mkdir(parents=True)
    (preset.own_root() / "x.toml").write_bytes(data)
    found = list_presets()[-1]
    assert found.is_own and "x.toml cannot be read" in found.problem
    preset.delete_preset(found)
    assert list_presets() == ours()


def test_of_one_by_another_hand_only_settings_are_taken() -> None:
    preset.own_root().mkdir(parents=True)
    said = 'label = "x"\nkind = "memory"\n[settings]\nname = "y"\nbogus = 1\n[settings.lora]\nrank = "many"\nalpha = 4\n'
    (preset.own_root() / "x.toml").write_text(said, encoding="utf-8")
    found = list_presets()[-1]
    assert found.is_own and found.values == {"lora.alpha": 4.0}
