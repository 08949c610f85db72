"""The Data sets page: made, opened, renamed, deleted, trained with. Driven through Streamlit's AppTest, on real folders."""

import io
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from fluxgym.dataset.sets import find_set, make_set
from fluxgym.form import form
from tests.pages.opened import open_page, press, primary, told
from tests.pages.test_train import arrive, shown_sets
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def write_image(path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(path)


@pytest.fixture
def cat() -> Path:
    folder = make_set("cat")
    for name in "abc":
        write_image(folder / f"{name} <b>.png")
    (folder / "a <b>.txt").write_text("one")
    return folder


def test_a_newcomer_is_told_what_it_is_and_makes_one() -> None:
    page = open_page("datasets")
    assert "a folder of images with their captions" in told(page).lower()
    assert primary(page) == ["New data set"]
    press(page, "New data set")
    page.text_input(key="new-set").set_value("../evil")
    page.button(key="make-set-confirmed").click().run()
    assert "Got the name '../evil'" in told(press(page, "New data set"))
    page.text_input(key="new-set").set_value("my-cat")
    page.button(key="make-set-confirmed").click().run()
    assert find_set("my-cat")
    assert page.title[0].value == r"my\-cat"
    assert page.query_params["set"] in ("my-cat", ["my-cat"])


def test_each_is_listed_with_its_pictures_and_who_uses_it(cat: Path, outputs: Path) -> None:
    run = RunFolder(outputs / "cat-1")
    run.path.mkdir()
    run.config.write_text(f'[data]\nfolder = "{cat}"\n')
    page = open_page("datasets")
    assert all(word in told(page) for word in ("**cat**", "3 images, 1 with a caption", "Used by cat-1."))
    strip = "".join(part.proto.body for part in page.get("html"))
    assert strip.count("<img") == 3 and "<b>" not in strip
    page.button(key="open-set:cat").click().run()
    assert page.title[0].value == "cat"
    assert shown_sets(page) == [str(cat)]


def test_images_are_added_there(cat: Path) -> None:
    page = open_page("datasets", set="cat")
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    assert arrive(page, {"new.png": out.getvalue()}) == cat
    assert (cat / "new.png").is_file()
    assert "4 images, 1 with a caption" in told(page)


def test_it_is_renamed_and_the_form_follows(cat: Path) -> None:
    form.write_values(form.draft(), form.default_values() | {"name": "x", "data.folder": str(cat)})
    page = press(open_page("datasets", set="cat"), "Rename")
    page.text_input(key="other-name").set_value("lion")
    page.button(key="rename-confirmed").click().run()
    assert page.title[0].value == "lion"
    assert form.read_values(form.draft())["data.folder"] == str(cat.with_name("lion"))


def test_it_is_deleted_after_it_was_said_what_is_lost(cat: Path, outputs: Path) -> None:
    run = RunFolder(outputs / "cat-1")
    run.path.mkdir()
    run.config.write_text(f'[data]\nfolder = "{cat}"\n')
    page = press(open_page("datasets", set="cat"), "Delete")
    assert all(word in told(page) for word in ("3 images and 1 caption", "Used by cat-1.", "cannot be resumed"))
    assert cat.is_dir(), "it only asked"
    page.button(key="delete-set-confirmed").click().run()
    assert not cat.exists()
    assert page.title[0].value == "Data sets"


def test_one_trains_with_it(cat: Path) -> None:
    page = press(open_page("datasets", set="cat"), "Train with it")
    assert page.title[0].value == "New training"
    assert form.read_values(form.draft())["data.folder"] == str(cat)
    assert shown_sets(page) == [str(cat)]


def test_an_address_of_none_says_so(cat: Path, hostile_name: str) -> None:
    page: AppTest = open_page("datasets", set=hostile_name)
    assert page.title[0].value == "Data sets"
    assert not hostile_name or "no data set called" in page.warning[0].value
