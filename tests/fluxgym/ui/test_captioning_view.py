"""The panel that has captions written: what it offers of a data set, and a real job begun from it."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.dataset.captioners import KNOWN
from fluxgym.dataset.captioning import KIND, Order, find_captioning, start_captioning
from fluxgym.job.begin import start_job
from tests.trainer.captioners import make_blip, make_images
from trainer.mini import DATASET
from trainer.written import Written, choose

pytestmark = pytest.mark.usefixtures("outputs")


def script(place: str, trigger: str) -> None:
    from pathlib import Path

    from fluxgym.ui.captioning_view import draw_captioning

    draw_captioning(Path(place), trigger)


@pytest.fixture
def place(tmp_path):
    return make_images(tmp_path / "datasets/cats")


@pytest.fixture
def draw(place):
    def run(trigger="sks", folder=place):
        page = AppTest.from_function(script, kwargs={"place": str(folder), "trigger": trigger}).run(timeout=20)
        assert not page.exception
        return page

    return run


def told(page):
    return "\n".join(part.value for part in [*page.markdown, *page.caption])


def labels(page):
    return [button.label for button in page.button]


def choose_model(page, place, model):
    page.selectbox(f"captioner-label:{place}").set_value("Another model").run()
    page.text_input(f"captioner-model:{place}").set_value(model).run()
    assert not page.exception
    return page


def test_what_is_there_and_what_would_be_written(draw, place):
    page = draw()
    assert "3 images: **2** without a caption, 1 by you, which stay as they are." in told(page)
    assert labels(page) == ["Write 2 captions"] and page.toggle[0].label == "Begin with sks"
    assert page.selectbox(f"captioner-label:{place}").options[0] == KNOWN[0].label
    for found in choose(place).todo:
        Written(place).write(found, "a cat", "small")
    page = draw(trigger="")
    assert page.button[0].disabled and page.toggle[0].disabled
    page.toggle(f"captioner-again:{place}").set_value(True).run()
    assert labels(page) == ["Write 2 captions"] and not page.button[0].disabled


def test_each_kind_of_model_is_asked_in_its_way(draw, place):
    page = draw()
    assert len(page.get("button_group")) == 1 and not page.text_area
    page.selectbox(f"captioner-label:{place}").set_value("JoyCaption").run()
    assert page.text_area[0].label == "Prompt of your own" and len(page.get("button_group")) == 1
    page.selectbox(f"captioner-label:{place}").set_value("BLIP large").run()
    assert page.text_area[0].label == "Beginning of each caption" and not page.get("button_group")
    page.selectbox(f"captioner-label:{place}").set_value("Another model").run()
    assert page.button[0].disabled, "it has no name yet"


def test_where_there_is_nothing_to_write_nothing_is_drawn(draw, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere", DATASET):
        page = draw(folder=folder)
        assert not page.button and not page.markdown


def test_a_job_from_the_panel_and_what_is_filled_in_the_next_time(draw, place, tmp_path, wait_until):
    page = choose_model(draw(), place, str(make_blip(tmp_path / "blip")))
    page.text_area(f"captioner-prompt-plain:{place}").set_value("a red").run()
    page.button(f"captioner-start:{place}").click().run(timeout=20)
    assert "Stop" in labels(page) and "Write 2 captions" not in labels(page)
    wait_until(lambda: not find_captioning(place).is_active, 60)
    page = draw()
    assert "2 of 2 captions written. Those that you change are yours" in told(page).replace("\\", "")
    assert (place / "a.txt").read_text().startswith("sks, a red")
    assert page.selectbox(f"captioner-label:{place}").value == "Another model"
    assert page.text_area(f"captioner-prompt-plain:{place}").value == "a red"
    page.button(f"dismiss:captions:{place}").click().run()
    assert find_captioning(place) is None


def test_one_that_failed_is_begun_again_as_it_was(draw, place, wait_until):
    start_captioning(place, Order(model="/nowhere", trigger="x"))
    wait_until(lambda: not find_captioning(place).is_active, 60)
    page = draw()
    assert "there is no such folder" in told(page)
    page.button(f"again:captions:{place}").click().run(timeout=20)
    assert find_captioning(place).about.details["trigger"] == "x"
    wait_until(lambda: not find_captioning(place).is_active, 60)


def test_one_that_was_begun_elsewhere_meanwhile_is_shown(draw, place):
    page = draw()
    start_job(KIND, str(place.resolve()), ["-c", "import time; time.sleep(600)"], "Captions of cats")
    page.button(f"captioner-start:{place}").click().run(timeout=20)
    assert not page.exception and labels(page) == ["Stop"]
