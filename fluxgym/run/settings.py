"""Changes to the settings of a run that is there: some values of its config.toml, and the next step down in memory.

The supervisor takes that step by itself where a person wants it. It must stay small, so the check by pydantic can be left out
for changes that are known to be right, and what is needed to read and write TOML is imported where it is used.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.disk import write_whole
from trainer.folder import RunFolder

RESOLUTIONS = (1024, 768, 512, 384, 256)  # px
SMALLEST_SAMPLE, SAMPLE_UNIT = 64, 16  # px
DEFAULTS = {  # the trainer's, of the settings that memory depends on; a test compares them
    "train.gradient_checkpointing": "auto",  # the trainer then goes down by itself
    "data.batch_size": 1,
    "data.regularisation_images": 0,
    "data.resolution": 512,
    "sample.width": 512,
    "sample.height": 512,
}
Settings = dict[str, Any]


class SettingsError(ValueError):
    """Settings that cannot be changed. `path` is their file."""

    def __init__(self, path: Path, problem: str):
        super().__init__(f"{path} {problem}")
        self.path = path


@dataclass(frozen=True)
class Smaller:
    """A step down in memory. `words` fit after "with": "with a batch of 2 instead of 4"."""

    changes: Settings  # by dotted name
    words: str
    keeps_states: bool  # the states saved so far can be resumed from; otherwise the training begins anew


# ---- changing --------------------------------------------------------------------------------------------------------
def read_settings(folder: RunFolder) -> Settings:
    """What config.toml says, unchecked. Raises SettingsError."""
    return _read(folder.config)[1]


def change_settings(folder: RunFolder, changes: Settings, *, check: bool = True) -> Path:
    """Writes config.toml anew with `changes`, such as {"train.epochs": 20}; None unsets one. The caller holds run.lock.

    Returns where the old settings are kept: logs/config-<time>.toml. Raises SettingsError, trainer.config.ConfigError where
    the new ones cannot be used, or NotWritten; the settings are as they were then. Without `check`, pydantic is not needed."""
    import tomli_w

    before, settings = _read(folder.config)
    for name, value in changes.items():
        _set(folder.config, settings, name, value)
    if check:
        from trainer.config import parse_config

        parse_config(settings, str(folder.config))
    after = tomli_w.dumps(settings).encode()
    folder.old_logs.mkdir(exist_ok=True)
    kept = _free_name(folder)
    write_whole(kept, before)
    write_whole(folder.config, after)
    return kept


def _read(path: Path) -> tuple[bytes, Settings]:
    import tomllib

    try:
        data = path.read_bytes()
        return data, tomllib.loads(data.decode())
    except OSError as error:
        raise SettingsError(path, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # no UTF-8, or no TOML
        raise SettingsError(path, f"is not TOML: {error}") from error


def _set(path: Path, settings: Settings, name: str, value: Any) -> None:
    *sections, key = name.split(".")
    place = settings
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise SettingsError(path, f"cannot take {name}: got {place!r} at {section}, expected a section [{section}]")
    if value is None:
        place.pop(key, None)
    else:
        place[key] = value


def _free_name(folder: RunFolder) -> Path:
    stem = f"config-{time.strftime('%Y%m%d-%H%M%S')}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(path for name in names if not (path := folder.old_logs / f"{name}.toml").exists())


# ---- the ladder ------------------------------------------------------------------------------------------------------
def smaller(settings: Settings, processes: int = 1) -> Smaller | None:
    """The next step down in memory, the one that changes the result least; None where there is none below these settings.

    `processes`: so many share each batch."""
    return _checkpointing(settings) or _half_batch(settings, processes) or _lower_resolution(settings)


def _checkpointing(settings: Settings) -> Smaller | None:
    name = "train.gradient_checkpointing"
    return None if _get(settings, name) else Smaller({name: True}, "gradient checkpointing", keeps_states=True)


def _half_batch(settings: Settings, processes: int) -> Smaller | None:
    """Regularisation images keep their share; a batch that would lose the last of them, or that the processes could not share
    any more, is not halved."""
    batch, ordinary = _get(settings, "data.batch_size"), _get(settings, "data.regularisation_images")
    half = batch // 2
    if half < (2 if ordinary else 1) or half % processes:
        return None
    changes = {"data.batch_size": half}
    if ordinary:
        changes["data.regularisation_images"] = min(max(1, ordinary * half // batch), half - 1)
    return Smaller(changes, f"a batch of {half} instead of {batch}", keeps_states=False)


def _lower_resolution(settings: Settings) -> Smaller | None:
    """Of several resolutions the highest is left out. Samples are made no larger than what is learned, in their own shape."""
    given = _get(settings, "data.resolution")
    *others, resolution = sorted(set(given)) if isinstance(given, list) else [given]
    lower = others[-1] if others else next((side for side in RESOLUTIONS if side < resolution), None)
    if lower is None:
        return None
    sizes = {name: _get(settings, name) for name in ("sample.width", "sample.height")}
    scale = min(1.0, lower / max(sizes.values()))
    scaled = {name: max(SMALLEST_SAMPLE, int(size * scale) // SAMPLE_UNIT * SAMPLE_UNIT) for name, size in sizes.items()}
    sides = others if len(others) > 1 else lower
    changes = {"data.resolution": sides} | {name: size for name, size in scaled.items() if size != sizes[name]}
    at_most = "at most " if others else ""
    return Smaller(changes, f"a resolution of {at_most}{lower} px instead of {resolution}", keeps_states=False)


def _get(settings: Settings, name: str) -> Any:
    section, key = name.split(".")
    return settings.get(section, {}).get(key, DEFAULTS[name])
