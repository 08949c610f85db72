"""The base models that FluxGym knows by name."""

import tomllib

from fluxgym.models.known import ANOTHER, BASES, KNOWN, find_known
from fluxgym.run.base_model import HUB_NAME
from fluxgym.run.folders import PROJECT
from trainer.mini import DEMO


def test_each_says_where_it_is_and_what_it_costs():
    for known in KNOWN:
        assert (PROJECT / known.base).is_dir() if known.is_here else HUB_NAME.fullmatch(known.base) and known.bytes > 1e10
        assert known.licence and known.note.endswith(".")
        assert known.page == ("" if known.is_here else f"https://huggingface.co/{known.base}")
        assert known.values.keys() == ANOTHER.values.keys()
    assert len({known.label for known in BASES}) == len(BASES)


def test_they_are_found_by_base_and_by_label():
    assert find_known("black-forest-labs/flux.1-dev") == find_known("FLUX.1-dev") == KNOWN[0]
    assert find_known("") is find_known("somebody/flux") is None


def test_what_suits_flux_mini_is_what_the_demo_has():
    demo, mini = tomllib.loads(DEMO.read_text(encoding="utf-8")), find_known("flux-mini")
    assert mini.base == demo["model"]["base"]
    for key, value in mini.values.items():
        section, name = key.split(".")
        assert demo[section][name] == value
