"""Each kind of thing that cannot be used says all that is wrong with it, and keeps it as fields."""

from pathlib import Path

import pytest

from trainer.checkpoint import StateError
from trainer.config import ConfigError
from trainer.listing import DatasetError
from trainer.lora_reader import LoraError
from trainer.model import ModelError
from trainer.unusable import Unusable


@pytest.mark.parametrize(
    ("error", "said", "about"),
    [
        (ConfigError("x.toml", ["a", "b"]), "x.toml cannot be used", "source"),
        (DatasetError("folder", ["a", "b"]), "the data set folder cannot be used", "folder"),
        (ModelError("owner/model", ["a", "b"]), "the base model owner/model cannot be used", "base"),
        (StateError(Path("x-4-state"), ["a", "b"]), "x-4-state cannot be resumed from", "path"),
        (LoraError(Path("x.safetensors"), ["a", "b"]), "x.safetensors cannot be used as a LoRA", "path"),
    ],
)
def test_it_is_told_with_every_problem(error, said, about):
    assert isinstance(error, Unusable) and isinstance(error, ValueError)
    assert str(error) == f"{said}:\n  a\n  b" and error.problems == ["a", "b"]
    assert str(getattr(error, about)) in said
