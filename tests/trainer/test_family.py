"""What every family must say of itself."""

import pytest

from trainer.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_its_parts_and_names_fit_together(family):
    assert set(family.recipes) | set(family.text_parts) <= set(family.configs)
    assert {"transformer", "vae"} <= set(family.recipes)
    ours = [name for key in family.keys for name in key.ours]
    assert len(ours) == len(set(ours)) and len({key.theirs for key in family.keys}) == len(family.keys)
    for names in family.targets.values():
        assert all(any(name.endswith(f".{end}") for name in ours) for end in names), "each target has a name elsewhere"
    for key in family.keys:
        assert all(name.count("{}") == key.theirs.count("{}") for name in key.ours)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_larger_picture_has_noisier_levels(family):
    assert 1 <= family.find_shift(family, 256) < family.find_shift(family, 1024) < family.find_shift(family, 4096)
