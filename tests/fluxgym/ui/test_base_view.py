"""The choice of the base model."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    from fluxgym.ui import base_view

    base_view.draw_base()


def test_another_base_brings_its_settings_and_asks_which() -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    page.selectbox[0].select("flux-mini").run()
    assert form.read_values(form.draft())["data.resolution"] == 96 and not page.text_input
    page.selectbox[0].select(form.BASES[-1].label).run()
    assert [field.key for field in page.text_input] == ["form:model.base"]
