"""Several values on the Train page: chosen, typed, listed, kept through a refresh, and begun as one."""

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.run.care import NONE
from fluxgym.run.folders import list_runs
from fluxgym.run.status import read_status
from fluxgym.sweep.begin import stop_sweep
from fluxgym.sweep.mark import find_members, read_mark
from fluxgym.sweep.tried import read_texts, write_texts
from tests.pages.opened import open_page, press, told
from trainer.config import load_config
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def open_train(**texts: str) -> AppTest:
    """The demo's form, with values that are tried."""
    values = form.demo_values() | {f"{form.CARE}place": NONE}
    form.write_values(form.draft(), values | write_texts({key.replace("__", "."): text for key, text in texts.items()}))
    return open_page("train")


def kept() -> dict[str, str]:
    return read_texts(form.read_values(form.draft()))


def label(page: AppTest) -> str:
    return page.button(key="start").label


def listed(page: AppTest) -> list[str]:
    return [name for table in page.dataframe if "Steps" in table.value for name in table.value["Run"]]


def test_nothing_is_tried_unless_asked() -> None:
    page = open_train()
    assert label(page) == "Start"
    assert not [each for each in page.selectbox if each.key == "sweep-add"]


def test_a_setting_is_chosen_and_its_values_typed() -> None:
    page = open_train()
    page.session_state["sweep-open"] = True
    page.run()
    page.selectbox(key="sweep-add").set_value("train.learning_rate").run()
    assert not page.exception
    assert kept() == {"train.learning_rate": "0.002"}
    assert page.selectbox(key="sweep-add").value is None
    assert page.text_input(key="sweep:train.learning_rate").value == "0.002"
    page.text_input(key="sweep:train.learning_rate").set_value("1e-3, 4e-3,").run()
    page.selectbox(key="sweep-add").set_value("lora.rank").run()
    page.text_input(key="sweep:lora.rank").set_value("2,4").run()
    assert listed(page) == ["demo-lr1e-3-rank2", "demo-lr1e-3-rank4", "demo-lr4e-3-rank2", "demo-lr4e-3-rank4"]
    assert label(page) == "Start all 4"
    assert "4 runs, 1,200 steps in all" in told(page)
    assert form.to_config(form.read_values(form.draft())).lora.rank == 16  # the form's own value stays
    page.button(key="sweep-away:lora.rank").click().run()
    assert kept() == {"train.learning_rate": "1e-3, 4e-3,"}
    assert label(page) == "Start all 2"


def test_a_browser_that_missed_how_a_field_began_does_not_empty_it() -> None:
    page = open_train(train__learning_rate="1e-4, 4e-4")
    assert page.run().text_input(key="sweep:train.learning_rate").proto.default == "1e-4, 4e-4"


def test_it_is_there_after_a_refresh_and_goes_with_the_form() -> None:
    open_train(lora__rank="2,4", train__seed="1,2,3")
    page = open_page("train")
    assert page.text_input(key="sweep:lora.rank").value == "2,4"
    assert len(listed(page)) == 6
    press(page, "Try the demo")
    assert kept() == {}
    assert label(page) == "Start"
    page.button(key="undo").click().run()
    assert kept() == {"lora.rank": "2,4", "train.seed": "1,2,3"}
    assert len(listed(page)) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2,0", "Got 0, expected a whole number from 1 up to 256"),
        ("2,2", "Got 2 twice, expected values that differ"),
        ("", "Got no value"),
        (",".join(map(str, range(1, 100))), "Got 99 runs, expected at most 64"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_begins(text: str, words: str) -> None:
    page = open_train(lora__rank=text)
    assert words in told(page)
    press(page, "Start")
    assert "There is something to set right below Try several values." in told(page)
    assert list_runs() == []


def test_what_is_mostly_a_mistake_is_told_and_begins_all_the_same() -> None:
    page = open_train(lora__rank="2,4")
    assert "demo-rank2: lora.alpha: got alpha 16 with rank 2. Alpha is mostly the rank" in told(page)
    assert label(page) == "Start all 2"


def test_all_are_begun_and_the_form_is_empty_again() -> None:
    page = open_train(lora__rank="2,4")
    press(page, "Start all 2")
    members = find_members("demo")
    assert [folder.name for folder in members] == ["demo-rank2", "demo-rank4"]
    assert [read_mark(folder).chosen for folder in members] == [{"lora.rank": 2}, {"lora.rank": 4}]
    assert all(read_status(folder).state for folder in members)
    assert load_config(members[0].config).lora.rank == 2
    assert form.read_values(members[0])["lora.rank"] == 2
    assert kept() == {}
    stop_sweep("demo")


def test_a_name_that_is_taken_stands_in_the_way_of_all() -> None:
    page = open_train(lora__rank="2,4")
    taken = RunFolder(form.draft().path.parent / "demo-rank4")
    taken.path.mkdir()
    taken.training_log.write_text("steps: 1")
    assert "Got the name demo-rank4, which an earlier run has" in told(open_page("train"))
    taken.training_log.unlink()
    page.run()
    assert label(page) == "Start all 2"
