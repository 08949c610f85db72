"""The images of a data set on the page: how many at once, and which of them may be changed."""

from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.ui.gallery import PAGE, is_editable, upload_target
from trainer.mini import DATASET


def script() -> None:
    import streamlit as st

    from fluxgym.dataset.images import list_images
    from fluxgym.ui import gallery

    gallery.draw_gallery(list_images(st.session_state.folder))


def draw(folder: Path) -> AppTest:
    page = AppTest.from_function(script)
    page.session_state.folder = folder
    page.run()
    assert not page.exception
    return page


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(PAGE + 3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number:02d}.png")
    (tmp_path / "00.txt").write_text("zero", encoding="utf-8")
    return tmp_path


def test_a_page_at_a_time(many: Path, outputs: Path) -> None:
    page = draw(many)
    assert [area.label for area in page.text_area] == [f"Caption of {number:02d}.png" for number in range(PAGE)]
    page.get("button_group")[0].set_value(2).run()
    assert [area.label for area in page.text_area] == [f"Caption of {number:02d}.png" for number in range(PAGE, PAGE + 3)]


def test_a_caption_that_changed_on_disk_is_shown(many: Path, outputs: Path) -> None:
    page = draw(many)
    assert page.text_area[0].value == "zero"
    (many / "00.txt").write_text("one", encoding="utf-8")
    assert page.run().text_area[0].value == "one"
    page.text_area[0].set_value("two").run()
    assert (many / "00.txt").read_text(encoding="utf-8") == "two\n"


def test_images_of_one_s_own_folder_are_not_removed(many: Path, outputs: Path) -> None:
    assert [button.label for button in draw(many).button] == []
    uploaded = outputs.parent / "datasets" / "cat"
    uploaded.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(uploaded / "a.png")
    assert [button.label for button in draw(uploaded).button] == ["Remove"]


def test_the_demo_is_only_looked_at(outputs: Path) -> None:
    assert not is_editable(DATASET)
    page = draw(DATASET)
    assert len(page.text_area) == len(page.button) == 0
    assert "a sks robot" in page.caption[0].value


def test_a_broken_image_says_so_and_its_name_is_text(tmp_path: Path, outputs: Path) -> None:
    (tmp_path / "<b>x.png").write_bytes(b"no image")
    page = draw(tmp_path)
    assert "&lt;b&gt;x.png cannot be opened" in page.get("html")[0].proto.body


def test_uploads_have_a_place_once_there_is_a_name(outputs: Path) -> None:
    values = form.default_values()
    assert upload_target(values) == ""
    assert upload_target(values | {"name": "cat"}) == str(outputs.parent / "datasets" / "cat")
    assert upload_target(values | {"name": "dog", "data.folder": "datasets/cat"}) == "datasets/cat"
