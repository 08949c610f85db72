"""The Models page as somebody finds it, and the way from it to a training."""

from pathlib import Path

import pytest

from fluxgym.form import form
from fluxgym.models.known import KNOWN
from fluxgym.models.shelf import add_place
from tests.fluxgym.models.files import make_comfy
from tests.fluxgym.models.machine import make_empty
from tests.pages.opened import open_page, primary, told


@pytest.fixture(autouse=True)
def machine(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_empty(monkeypatch, tmp_path)


def test_an_empty_machine() -> None:
    page = open_page("models")
    said = told(page)
    assert page.title[0].value == "Models" and primary(page) == []
    assert "FLUX.1-dev" in said and "About 31.4 GiB to download." in said and "Not on this machine" in said
    assert "[FLUX.1 [dev] Non-Commercial License](https://huggingface.co/black-forest-labs/FLUX.1-dev)" in said
    assert said.count("then store an access token of the same account") == 3
    barred = {button.key: button.disabled for button in page.button if button.key and button.key.startswith("Download:")}
    assert barred == {f"Download:{known.base}": known.is_gated for known in KNOWN if not known.is_here}


def test_from_a_file_of_another_tool_to_a_training(tmp_path: Path) -> None:
    root = make_comfy(tmp_path / "ComfyUI" / "models")
    add_place(str(root))
    file = root / "diffusion_models" / "flux1-dev.safetensors"
    page = open_page("models")
    page.button(key=f"use:{file}").click().run()
    assert not page.exception and page.title[0].value == "New training"
    values = form.read_values(form.draft())
    assert values["model.base"] == str(file) and values["model.vae"] == str(root / "vae" / "ae.safetensors")
    assert "With ae.safetensors, clip_l.safetensors, t5xxl_fp16.safetensors." in told(page)
