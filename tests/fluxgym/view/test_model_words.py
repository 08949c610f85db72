"""What is said of base models."""

import dataclasses
from pathlib import Path

import pytest

from fluxgym.models.known import KNOWN
from fluxgym.models.shelf import FILE, HUB, Shelved
from fluxgym.view.model_words import (
    ABSENT,
    DAMAGED,
    HERE,
    PARTLY,
    STATES,
    Stock,
    list_choices,
    name_choice,
    take_stock,
    tell_parts,
    tell_size,
    tell_terms,
)
from tests.fluxgym.models.machine import make_empty

DEV, MINI = KNOWN[0], KNOWN[-1]
OWN = Shelved(
    "/m/my-flux.safetensors", "my-flux.safetensors", "FLUX.1", FILE, 2**30, (), {"vae": "/m/ae.sft", "t5": "/t/t5.sft"}
)


@pytest.fixture(autouse=True)
def home(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_empty(monkeypatch, tmp_path)


def shelve(model: Shelved) -> Stock:
    return Stock({model.base: model})


def test_states(home: Path) -> None:
    stock = take_stock()
    assert [stock.find_state(base) for base in (DEV.base, MINI.base, "nobody/knows")] == [ABSENT, HERE, ABSENT]
    blobs = home / "hub" / f"models--{DEV.base.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    with (blobs / f"{'a' * 64}.incomplete").open("wb") as file:
        file.truncate(10 * 2**30)
    assert take_stock().find_state(DEV.base) == PARTLY and tell_size(stock, DEV.base) == "about 21.4 GiB to download"
    whole = Shelved(DEV.base, DEV.label, DEV.family, HUB, DEV.bytes)
    assert shelve(whole).find_state(DEV.base) == HERE and shelve(OWN).find_state(OWN.base) == HERE
    assert shelve(Shelved(DEV.base, DEV.label, DEV.family, HUB, 1, ("cut off",))).find_state(DEV.base) == DAMAGED
    assert set(STATES) >= {ABSENT, DAMAGED, HERE, PARTLY}


def test_what_can_be_chosen_and_what_each_is_called() -> None:
    stock = shelve(OWN)
    assert list_choices(stock) == [*(known.base for known in KNOWN), OWN.base, ""]
    assert name_choice(stock, DEV.base) == "FLUX.1-dev, about 31.4 GiB to download"
    assert name_choice(shelve(Shelved(DEV.base, DEV.label, "", HUB, 1)), DEV.base) == "FLUX.1-dev, on this machine"
    assert name_choice(stock, MINI.base) == "flux-mini"
    assert name_choice(stock, OWN.base) == "my-flux.safetensors, FLUX.1"
    assert name_choice(stock, "").startswith("Another")


def test_licences_and_parts() -> None:
    assert "given out to those only who accepted it" in tell_terms(DEV) and tell_terms(MINI) == ""
    assert tell_terms(KNOWN[3]).endswith("FLUX.2-klein-base-4B).")
    fetched = dataclasses.replace(OWN, parts={"tokenizers": DEV.base})
    assert tell_parts(fetched) == f"Its tokenizers, a few MB, are downloaded from {DEV.base}."
    assert tell_parts(OWN) == "With ae.sft, t5.sft." and tell_parts(Shelved("x", "x", "", FILE, 1)) == ""
