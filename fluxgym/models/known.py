"""The base models that FluxGym knows by name (known.toml): where they are, under which licence, and what suits them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FLUX = {  # what suits a full FLUX, by the names of config.toml
    "model.dtype": "auto",
    "model.max_sequence_length": 512,
    "data.resolution": 512,
    "train.learning_rate": 1e-4,
    "sample.steps": 20,
    "sample.guidance": 3.5,
    "sample.width": 512,
    "sample.height": 512,
}


@dataclass(frozen=True)
class Known:
    """A base model, with the settings that suit it."""

    label: str
    base: str  # config.toml's model.base; empty: asked for
    family: str
    licence: str
    page: str  # where its licence is accepted; empty where there is none
    is_gated: bool  # given out to those only who are logged in and accepted its licence
    bytes: int  # of a download, about
    note: str
    values: dict[str, Any]
    transformer: dict[str, Any] = field(default_factory=dict)  # its config, where it is not diffusers' default

    @property
    def is_here(self) -> bool:
        """Whether it came with FluxGym."""
        return bool(self.base) and not self.bytes


def _read() -> tuple[Known, ...]:
    said = tomllib.loads(Path(__file__).with_name("known.toml").read_text(encoding="utf-8"))
    return tuple(_build(**entry) for entry in said["model"])


def _build(settings: Mapping[str, Mapping[str, Any]] | None = None, **said: Any) -> Known:
    own = {f"{section}.{name}": value for section, values in (settings or {}).items() for name, value in values.items()}
    return Known(**said, values={**_FLUX, **own})


KNOWN = _read()
ANOTHER = Known(
    label="Another: a folder, a file, or a name on the Hub",
    base="",
    family="",
    licence="",
    page="",
    is_gated=False,
    bytes=0,
    note="FLUX.1 or FLUX.2 klein in diffusers format, or a .safetensors file with the transformer.",
    values=_FLUX,
)
BASES = (*KNOWN, ANOTHER)


def find_known(base: str) -> Known | None:
    """The model that is meant by config.toml's model.base, or by its label; None for any other."""
    return next((known for known in KNOWN if base.casefold() in (known.base.casefold(), known.label.casefold())), None)
