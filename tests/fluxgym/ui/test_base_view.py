"""The choice of the base model."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.models.known import KNOWN
from fluxgym.models.shelf import add_place
from tests.fluxgym.models.files import make_comfy
from tests.fluxgym.models.machine import make_empty
from tests.pages.opened import told

DEV, KLEIN, MINI = KNOWN[0].base, KNOWN[3].base, KNOWN[4].base


@pytest.fixture(autouse=True)
def machine(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_empty(monkeypatch, tmp_path)


def script() -> None:
    from fluxgym.ui import base_view

    base_view.draw_base()


def open_form() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception
    return page


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def values() -> form.Values:
    return form.read_values(form.draft())


def test_a_browser_that_missed_how_it_began_does_not_send_the_first_of_them() -> None:
    """With the settings of that one: the demo became a training of FLUX.1-dev."""
    form.write_values(form.draft(), form.demo_values())
    page = open_form()
    assert page.selectbox[0].value == MINI
    again = page.run().selectbox[0].proto
    assert again.options[again.default] == page.selectbox[0].format_func(MINI)


def test_another_base_brings_its_settings_and_asks_which() -> None:
    page = open_form()
    page.selectbox[0].select(MINI).run()
    assert values()["data.resolution"] == 96 and not page.text_input
    page.selectbox[0].select("").run()
    assert [field.key for field in page.text_input] == ["form:model.base"]


def test_each_says_whether_it_is_here_and_what_it_costs() -> None:
    page = open_form()
    assert page.selectbox[0].options[0] == "FLUX.1-dev, about 31.4 GiB to download"
    assert "then store an access token of the same account" in told(page) and "Download now" not in [
        button.label for button in page.button
    ]
    page.selectbox[0].select(KLEIN).run()
    assert "Licence: [Apache-2.0]" in told(page) and "Download now" in labels(page)
    page.selectbox[0].select(MINI).run()
    assert "In this repository" in told(page) and not page.button


def test_a_single_file_brings_its_parts_and_another_model_takes_them_away(tmp_path: Path) -> None:
    root = make_comfy(tmp_path / "comfy")
    add_place(str(root))
    page = open_form()
    assert "flux1-dev.safetensors, FLUX.1" in page.selectbox[0].options
    page.selectbox[0].select(str(root / "diffusion_models" / "flux1-dev.safetensors")).run()
    assert values()["model.t5"] == str(root / "text_encoders" / "t5xxl_fp16.safetensors")
    assert "With ae.safetensors, clip_l.safetensors, t5xxl_fp16.safetensors." in told(page)
    page.selectbox[0].select(MINI).run()
    assert not values()["model.t5"] and not values()["model.vae"]
    (root / "vae" / "ae.safetensors").unlink()
    page.selectbox[0].select(str(root / "diffusion_models" / "flux1-dev.safetensors")).run()
    assert "There is no vae for it" in told(page)
