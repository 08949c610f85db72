"""A base model that cannot be meant is refused before anything is written."""

import pytest

from fluxgym.run.base_model import find_base_problem
from trainer.config import load_config
from trainer.mini import DEMO


def test_what_can_be_meant(tmp_path):
    for base in (str(tmp_path), "black-forest-labs/FLUX.1-dev", load_config(DEMO).model.base):
        assert find_base_problem(base) == ""


@pytest.mark.parametrize("base", ["flux", "/no/such/folder", "./models/flux", "a/b/c", "owner/", "~/no-such-model", "a b/c"])
def test_what_is_not_there(base):
    assert f"got {base!r}, but /" in find_base_problem(base)
    assert "is not there; expected a folder, or a name on the Hugging Face Hub" in find_base_problem(base)


def test_a_file(tmp_path):
    (tmp_path / "flux1-dev.safetensors").touch()
    assert "is not a folder" in find_base_problem(str(tmp_path / "flux1-dev.safetensors"))
