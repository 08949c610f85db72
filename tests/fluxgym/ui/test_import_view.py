"""Import on the Train page: what a file would change is told before the form is filled in, and stays told."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from tests.fluxgym.form.test_kohya_import import DATASET, FLUXGYM

pytestmark = pytest.mark.usefixtures("outputs")


def script() -> None:
    from fluxgym.form.check import check_form
    from fluxgym.ui import fields, import_view

    import_view.draw_buttons(check_form(fields.values()))
    import_view.draw_report()
    fields.draw_undo()


def told(page: AppTest) -> str:
    return " ".join(str(part.value) for part in [*page.markdown, *page.caption]).replace("\\", "")


def open_import() -> AppTest:
    page = AppTest.from_function(script).run()
    page.button(key="import").click().run()
    assert not page.exception, page.exception
    return page


def test_what_is_pasted_fills_in_the_form_and_what_was_left_is_told(outputs: object) -> None:
    page = open_import()
    page.session_state["import-text"] = FLUXGYM
    page.button(key="import").click().run()
    assert "--split_mode: how many blocks" in told(page)
    page.session_state["import-text"] = FLUXGYM
    page.button(key="import-fill").click().run()
    assert not page.exception
    kept = form.read_values(form.draft())
    assert (kept["name"], kept["lora.rank"], kept["lora.alpha"], kept["care.place"]) == ("my-cat", 4, 1.0, "auto")
    assert "Filled in from **what was pasted**" in told(page) and "--split_mode" in told(page)
    page.button(key="import-dismiss").click().run()
    assert "Filled in" not in told(page)


def test_several_files_together() -> None:
    page = open_import()
    page.file_uploader[0].set_value([("train.sh", FLUXGYM.encode(), ""), ("dataset.toml", DATASET.encode(), "")])
    page.button(key="import").click().run()
    assert "dataset.toml: image_dir: data.folder = /gym/datasets/my-cat" in told(page)


def test_what_is_no_file_of_settings_is_refused() -> None:
    page = open_import()
    page.file_uploader[0].set_value([("train.sh", b"\0\1", "")])
    page.button(key="import").click().run()
    assert "which is no text of settings" in told(page)
    assert "import-fill" not in [button.key for button in page.button]


def test_export_waits_until_nothing_is_wrong() -> None:
    assert AppTest.from_function(script).run().get("download_button")[0].proto.disabled
    form.write_values(form.draft(), form.demo_values())
    assert not AppTest.from_function(script).run().get("download_button")[0].proto.disabled
