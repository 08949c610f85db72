"""The Train page's form without the page: flat values <-> Config <-> ui_state.json.

A value's name is its place in config.toml ("train.epochs"), "care.<name>" for a choice of care.json, or "sweep.tried" for what
is tried in several runs. Values may be wrong while somebody is typing; `to_config` says what is wrong with which. What is typed
lies in outputs/.draft/ui_state.json, and a started run gets a copy.
"""

import contextlib
import copy
import dataclasses
import json
import tomllib
from collections.abc import Mapping
from typing import Any

from fluxgym.dataset.captions import read_captions
from fluxgym.dataset.images import datasets_root, expand, find_folder, is_uploaded, list_images
from fluxgym.form.catalogue import find_setting, is_same, list_settings
from fluxgym.models.known import BASES, Known
from fluxgym.run.care import Care, read_care
from fluxgym.run.folders import PROJECT, find_run, free_name, has_run, outputs_root, shown_path
from trainer.config import Config, ConfigError, load_config, parse_config
from trainer.disk import write_whole
from trainer.folder import RunFolder, check_name
from trainer.mini import DEMO

Values = dict[str, Any]

VERSION = 1
CARE = "care."
TRIED = "sweep.tried"  # see fluxgym/sweep/tried.py
NO_SETTINGS = (CARE, TRIED)  # begin the names of what is in no config.toml
CHECKPOINTS = "save.state_every_epochs"  # 0: none but when it is stopped
ASKED = ("name", "trigger", "model.base", "data.folder", "sample.prompts")  # of everybody: nothing is usual for them
PARTS = tuple(f"model.{part}" for part in ("transformer", "vae", "clip", "t5", "qwen", "tokenizers"))
PATHS = ("data.folder", "data.regularisation", "data.masks", "lora.start_from", "sample.prompts_file", *PARTS)  # ~ is the home
OPTIONAL = tuple(setting.key for setting in list_settings() if setting.is_optional)  # empty means unset


def flatten(values: Mapping[str, Any], prefix: str = "") -> Values:
    """The sections of a config.toml as values by dotted name."""
    flat: Values = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


_DEMO = flatten(tomllib.loads(DEMO.read_text(encoding="utf-8")))


def find_base(values: Values) -> Known:
    """The entry of models/known.py whose model the form holds."""
    return next((base for base in BASES if base.base == values.get("model.base")), BASES[-1])


def default_values() -> Values:
    """What an untouched form holds: the defaults of config.py, and what suits the first base model."""
    return usual_values(BASES[0])


def usual_values(base: Known) -> Values:
    """What a form holds of which nothing was changed but the base model."""
    defaults = {setting.key: copy.copy(setting.default) for setting in list_settings()}
    return defaults | care_values(Care()) | {TRIED: "", "model.base": base.base} | base.values


def find_changes(values: Values) -> Values:
    """The settings that differ from what is usual for their base model, by name, with what is usual."""
    usual = usual_values(find_base(values))
    keys = (setting.key for setting in list_settings() if setting.key not in ASKED)
    return {key: usual[key] for key in keys if not is_same(values[key], usual[key])}


def demo_values() -> Values:
    """The demo's settings, under a name that no run has."""
    return default_values() | _DEMO | {"name": free_name(_DEMO["name"])}


def again(folder: RunFolder) -> Values:
    """The form that gives a run's settings, under a name that no run has. Raises ConfigError."""
    values = from_config(load_config(folder.config))
    return default_values() | values | care_values(read_care(folder)) | {"name": free_name(folder.name)}


def from_config(config: Config) -> Values:
    """The settings as the form holds them."""
    flat = flatten(config.model_dump())
    return {setting.key: setting.tidy(flat[setting.key]) for setting in list_settings()}


def care_values(care: Care) -> Values:
    """The choices of care.json as the form names them."""
    return flatten({"care": dataclasses.asdict(care)})


def to_care(values: Values) -> Care:
    """The choices of a form; one that is not possible is the default."""
    care = Care()
    for field in dataclasses.fields(Care):
        with contextlib.suppress(ValueError, TypeError):  # edited by hand, or of a later version
            care = dataclasses.replace(care, **{field.name: values[CARE + field.name]})
    return care


def to_config(values: Values) -> Config:
    """The settings of a form. Raises ConfigError with one sentence for each problem."""
    said = {key: value for key, value in values.items() if not key.startswith(NO_SETTINGS) and (value or key not in OPTIONAL)}
    return parse_config(nest(said | {key: expand(said[key]) for key in PATHS if key in said}), source="the form")


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name as the sections of a config.toml."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return nested


def find_problems(values: Values) -> dict[str, str]:
    """What is wrong with which value; empty when it all fits."""
    try:
        to_config(values)
    except ConfigError as error:
        named = [problem.partition(": ") for problem in error.problems]
        return {_find_widget(place, told): _say(place, values.get(place), told) for place, _, told in named}
    return {}


def _find_widget(place: str, sentence: str) -> str:
    """The setting below which a problem is told: of one in a list the list, of several settings the first that is named."""
    while place.rpartition(".")[2].isdigit():
        place = place.rpartition(".")[0]
    settings = {each.key.rpartition(".")[2]: each.key for each in list_settings() if each.section == place}
    return place if find_setting(place) else next((settings[word] for word in sentence.split() if word in settings), place)


def _say(place: str, value: Any, sentence: str) -> str:
    if place == "name" and not value:
        return "Give it a name."
    setting = find_setting(place)
    return f"Nothing here yet, expected: {setting.meaning}" if setting and value in ("", None) else sentence


def explain(key: str) -> str:
    """What a setting means, may be, and is by default; empty for what is none."""
    setting = find_setting(key)
    return setting.help if setting else ""


def draft() -> RunFolder:
    """Where the form lies until it is started. No run can have this name."""
    return RunFolder(outputs_root() / ".draft")


def before() -> RunFolder:
    """Where the form lies that was there before the demo or an earlier run's settings were put in its place."""
    return RunFolder(draft().path / "before")


def set_aside(values: Values) -> None:
    """Keeps a form that another is about to replace, where it holds work: neither empty, nor the demo, nor a run's."""
    unnamed = values | {"name": ""}
    runs = [read_values(find_run(values["name"]))] if has_run(values["name"]) else []
    if unnamed not in (default_values(), demo_values() | {"name": ""}) and values not in runs:
        write_values(before(), values)


def take_back() -> Values:
    """The form that was set aside, which is no longer so."""
    values = read_values(before())
    before().ui_state.unlink(missing_ok=True)
    return values


def read_values(folder: RunFolder) -> Values:
    """The form as it was left; what is missing or damaged is as in an untouched one."""
    values = default_values()
    try:
        return values | adopt(json.loads(folder.ui_state.read_bytes())["values"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return values


def adopt(said: Mapping[str, Any]) -> Values:
    """Those of some values, from a file or another tool, that the form has a place for and its widgets can show."""
    defaults, settings = default_values(), {setting.key: setting for setting in list_settings()}
    tidied = {key: settings[key].tidy(said[key]) if key in settings else said[key] for key in defaults if key in said}
    return {key: value for key, value in tidied.items() if _fits(key, value, defaults[key])}


def write_values(folder: RunFolder, values: Values) -> None:
    """Keeps the form; a reader sees the old one or the new one, never half of one."""
    folder.path.mkdir(parents=True, exist_ok=True)
    write_whole(folder.ui_state, json.dumps({"version": VERSION, "values": values}, indent=1).encode())


def _fits(key: str, said: Any, default: Any) -> bool:
    """Whether a kept value is of a type that its place can show; numbers may be empty (None) while somebody is typing."""
    if setting := find_setting(key):
        return setting.fits(said)
    if isinstance(default, bool) or isinstance(said, bool):  # of care.json
        return isinstance(said, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        return said is None or isinstance(said, int | float)
    return isinstance(said, str)


def follow(values: Values, changes: Values) -> Values:
    """The changes, and what follows from them: another base model brings its settings, a new name its folder of images."""
    if "model.base" in changes:
        changes = {**find_base(changes).values, **changes}
    if "name" in changes and is_upload(values) and not has_images(values["data.folder"]):
        changes = changes | {"data.folder": upload_folder(changes["name"])}
    return changes


def is_upload(values: Values) -> bool:
    """Whether the images are among those that were uploaded, or none was chosen yet."""
    return not values["data.folder"] or is_uploaded(PROJECT / values["data.folder"])


def upload_folder(name: str) -> str:
    """Where the images of a run of this name go when they are uploaded; empty while the name cannot be one."""
    try:
        return shown_path(datasets_root() / check_name(name))
    except ValueError:
        return ""


def has_images(folder: str) -> bool:
    """In whatever layout: those of an archive may lie in folders called 10_name."""
    path = find_folder(folder)
    return bool(path and (list_images(path) or read_captions(path).images))
