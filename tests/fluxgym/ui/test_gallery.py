"""Step 2 of the Train page: where the images come from. What happens there: tests/pages/test_train.py."""

import json
from pathlib import Path

from PIL import Image
from streamlit.testing.v1 import AppTest

from fluxgym.dataset.sets import make_set
from fluxgym.form import form
from fluxgym.ui.gallery import FOLDER, HEIGHT, NEW, THERE, find_source, largest, upload_target


def script() -> None:
    from fluxgym.ui import gallery

    gallery.draw_captions()


def source_script() -> None:
    from fluxgym.ui import gallery

    gallery.draw_source()


def draw(folder: Path) -> list[dict]:
    form.write_values(form.draft(), form.default_values() | {"data.folder": str(folder), "trigger": "sks"})
    page = AppTest.from_function(script).run()
    assert not page.exception
    return [json.loads(part.proto.json) for part in page.get("bidi_component")]


def test_captions_are_shown_in_a_box_once_there_is_something(outputs: Path) -> None:
    cat = make_set("cat")
    assert draw(cat) == draw(cat / "none") == []
    Image.new("RGB", (64, 64)).save(cat / "a.png")
    (shown,) = draw(cat)
    assert (shown["place"], shown["trigger"], shown["height"]) == (str(cat), "sks", HEIGHT)


def test_which_source_a_form_holds(outputs: Path) -> None:
    values = form.default_values()
    assert find_source(values) == NEW
    assert find_source(values | {"name": "cat", "data.folder": form.upload_folder("cat")}) == NEW
    assert find_source(values | {"name": "cat", "data.folder": form.upload_folder("dog")}) == THERE
    assert find_source(values | {"name": "cat", "data.folder": "/srv/photos"}) == FOLDER


def test_a_browser_that_missed_how_it_began_sends_what_it_began_with(outputs: Path) -> None:
    form.write_values(form.draft(), form.default_values() | {"name": "cat", "data.folder": "/srv/photos"})
    page = AppTest.from_function(source_script).run()
    assert not page.exception and page.segmented_control[0].value == FOLDER
    again = page.run().segmented_control[0]
    assert again.value == FOLDER and [again.options[place] for place in again.proto.default] == [FOLDER]


def test_uploads_have_a_place_once_there_is_a_name(outputs: Path) -> None:
    values = form.default_values()
    assert upload_target(values) == ""
    assert upload_target(values | {"name": "cat"}) == str(outputs.parent / "datasets" / "cat")
    assert upload_target(values | {"name": "dog", "data.folder": "datasets/cat"}) == "datasets/cat"


def test_the_largest_of_several_sides_counts() -> None:
    assert [largest(given) for given in (768, [512, 1024], None, [])] == [768, 1024, 512, 512]
