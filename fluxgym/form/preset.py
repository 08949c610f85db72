"""Presets: some settings under a name, put on top of the form. Ours are files in presets/, one's own in outputs/.presets/.

label = "24 GB"            # as it is called
kind = "memory"            # memory, purpose, or own
why = "One line."
[settings.data]            # as in config.toml
resolution = 1024
"""

import re
import tomllib
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from fluxgym.form import form
from fluxgym.form.catalogue import Setting, is_same, list_settings
from fluxgym.run.folders import outputs_root
from trainer.disk import write_whole

MEMORY, PURPOSE, OWN = "memory", "purpose", "own"
OURS = Path(__file__).with_name("presets")
LONGEST = 60  # characters of a label
OF_A_RUN = (*form.ASKED, *form.PATHS)  # what one run is about, and where its files lie: in no preset


class PresetError(ValueError):
    """A preset that cannot be kept."""


@dataclass(frozen=True)
class Preset:
    """Settings under a name. One with a `problem` can only be deleted."""

    path: Path
    label: str
    kind: str
    why: str = ""
    values: form.Values = field(default_factory=dict)
    problem: str = ""

    @property
    def is_own(self) -> bool:
        return self.kind == OWN


@dataclass(frozen=True)
class Change:
    """What a preset would change."""

    setting: Setting
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.setting.label} {self.setting.show(self.before)} -> {self.setting.show(self.after)}"


def list_presets() -> list[Preset]:
    """Ours, the largest memory first, then one's own by name."""
    ours = sorted(map(_read, OURS.glob("*.toml")), key=lambda preset: (preset.kind, -_number(preset.label), preset.label))
    return ours + sorted(map(_read, own_root().glob("*.toml")), key=lambda preset: preset.label.casefold())


def find_differences(preset: Preset, values: form.Values) -> list[Change]:
    """What would be other than it is, in the order of the settings."""
    wanted = [setting for setting in list_settings() if setting.key in preset.values]
    changes = (Change(setting, values[setting.key], preset.values[setting.key]) for setting in wanted)
    return [change for change in changes if not is_same(change.before, change.after)]


def pick(values: form.Values) -> form.Values:
    """What a preset of this form holds: how it trains, but for what came with the base model and was left as it is."""
    base, changes = form.find_base(values).values, form.find_changes(values)
    keys = [setting.key for setting in list_settings() if setting.key not in OF_A_RUN]
    return {key: values[key] for key in keys if key not in base or key in changes}


def save_preset(label: str, values: form.Values) -> Preset:
    """Keeps how a form trains under a name; one that has this name already is replaced. Raises PresetError, OSError."""
    label = " ".join(label.split())
    if not label or len(label) > LONGEST or not label.isprintable():
        raise PresetError(f"got the name {label[:80]!r}, expected 1 to {LONGEST} characters that can be printed")
    kept = {key: value for key, value in pick(values).items() if value not in (None, "")}
    said = {"label": label, "kind": OWN, "why": "", "settings": form.nest(kept)}
    own_root().mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w-]+", "-", label, flags=re.ASCII).strip("-")[:40] or "preset"
    path = own_root() / f"{stem}-{zlib.crc32(label.encode()):08x}.toml"
    write_whole(path, tomli_w.dumps(said).encode())
    return _read(path)


def delete_preset(preset: Preset) -> None:
    """Deletes one's own."""
    assert preset.is_own and preset.path.parent == own_root()
    preset.path.unlink(missing_ok=True)


def own_root() -> Path:
    return outputs_root() / ".presets"


def _read(path: Path) -> Preset:
    """What a later version, or a hand, wrote into one is taken as far as it is known."""
    is_ours = path.parent == OURS
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        label, why = str(said["label"])[:LONGEST], str(said.get("why", ""))
        values = form.adopt(form.flatten(said["settings"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Preset(path, path.stem, OWN, problem=f"{path.name} cannot be read: {error}")
    kept = {key: value for key, value in values.items() if key not in OF_A_RUN and not key.startswith(form.NO_SETTINGS)}
    return Preset(path, label, str(said["kind"]) if is_ours else OWN, why, kept)


def _number(label: str) -> int:
    return int(digits[0]) if (digits := re.match(r"\d+", label)) else 0
