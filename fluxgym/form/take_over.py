"""Settings out of files: a config.toml of ours, or a script of kohya's trainer with its dataset.toml and its prompts."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fluxgym.form import form
from fluxgym.form.catalogue import find_setting
from fluxgym.form.imported import Imported, ImportFailed
from fluxgym.form.kohya_data import read_dataset
from fluxgym.form.kohya_import import read_kohya
from fluxgym.form.kohya_script import Command, ScriptError, read_file_of_options, read_script
from fluxgym.form.sources import Source, Sources, read_source
from trainer.folder import RunFolder

SCRIPTS = (".sh", ".bat", ".cmd", ".ps1")
IN_A_FOLDER = ("config.toml", "train.sh", "train.bat")  # where a run's folder may say its settings, the first counts
EXPECTED = "expected a config.toml of ours, a train.sh or .bat of FluxGym or kohya, a config file of theirs, or a dataset.toml"


def read_sources(given: Iterable[Source], folder: Path | None = None) -> Imported:
    """What files say together. Raises ImportFailed where nothing can be made of them."""
    sources = Sources({source.name: source for source in given}, folder)
    kinds = {source.name: _find_kind(source) for source in sources.given.values()}
    for kind, read in (("ours", _read_ours), ("script", _read_command), ("options", _read_options), ("data set", _read_data)):
        names = [name for name, found in kinds.items() if found == kind]
        if len(names) > 1:
            raise ImportFailed(f"got {' and '.join(names)}, which say the same things, expected one of them")
        if names:
            return read(sources.given[names[0]], sources)
    raise ImportFailed(f"got {', '.join(kinds) or 'nothing'}, {EXPECTED}")


def read_folder(folder: Path) -> Imported:
    """What a run's folder says, of ours or of another tool. Raises ImportFailed."""
    file = find_file(folder)
    if file is None:
        raise ImportFailed(f"got {folder}, expected a folder with {' or '.join(IN_A_FOLDER)}")
    return read_sources([read_source(file)], folder)


def find_file(folder: Path) -> Path | None:
    """The file in which a folder says its settings."""
    return next((path for name in IN_A_FOLDER if (path := folder / name).is_file()), None)


def fill_in(imported: Imported) -> form.Values:
    """A form with what was taken over, and for the rest what is usual for its base model."""
    values = form.adopt(imported.values)
    return form.usual_values(form.find_base(values)) | values


def another(folder: RunFolder) -> tuple[form.Values, Imported | None]:
    """The form of another run like this one, under a name that no run has; of a folder that is not ours what was taken over.

    Raises ConfigError, or ImportFailed."""
    if folder.config.is_file() and not folder.is_read_only:
        return form.again(folder), None
    imported = read_folder(folder.path)
    values = fill_in(imported)
    return values | {"name": form.free_name(values["name"] or folder.title)}, imported


def _find_kind(source: Source) -> str:
    """ours, script, options, data set, or nothing that settings are read from alone."""
    said = _parse(source.text)
    if said is None:
        is_script = source.name.endswith(SCRIPTS) or "--" in source.text
        return "script" if is_script and not source.name.endswith(".txt") else ""
    if "datasets" in said:
        return "data set"
    sections = [key for key, value in said.items() if isinstance(value, dict)]
    if "name" in said or any(key in ("lora", "train", "model", "data") for key in sections):
        return "ours"
    return "options" if said else ""


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_ours(source: Source, _sources: Sources) -> Imported:
    """What a later version knows more is told, and a part of a config is taken as far as it goes."""
    out = Imported(source.name)
    said = form.flatten(_parse(source.text) or {})
    fitting = form.adopt(said)
    for key, value in said.items():
        setting = find_setting(key)
        if key in fitting:
            out.take(key, key, fitting[key])
        else:
            out.leave(key, f"got {str(value)[:80]!r}, expected {setting.expected}" if setting else "no setting is called so")
    return out


def _read_command(source: Source, sources: Sources) -> Imported:
    try:
        return read_kohya(read_script(source.text), sources, source.name)
    except ScriptError as error:
        raise ImportFailed(f"{source.name}: {error}") from error


def _read_options(source: Source, sources: Sources) -> Imported:
    return read_kohya(Command("", read_file_of_options(source.text)), sources, source.name)


def _read_data(source: Source, _sources: Sources) -> Imported:
    out = Imported(source.name)
    batch = read_dataset(source, out)
    if batch:
        out.take("batch_size", "data.batch_size", batch)
    return out
