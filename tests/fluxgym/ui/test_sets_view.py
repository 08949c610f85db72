"""What the Data sets page says of a data set; what happens there: tests/pages/test_datasets.py."""

import time
from pathlib import Path

from PIL import Image
from streamlit.testing.v1 import AppTest

from fluxgym.dataset.sets import Summary, make_set
from fluxgym.form import form
from fluxgym.ui.sets_view import find_trigger, tell, tell_users
from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.dataset.sets import list_sets
    from fluxgym.ui import sets_view

    sets_view.draw_set(list_sets()[0])


def test_a_data_set_in_a_line() -> None:
    now = time.time()
    assert tell(Summary([], 0, 0, now)) == "0 images, no captions, 0 B, changed 0 s ago"
    many = Summary([Path("a.png")] * 150, 148, 312 * 2**20, now - 10_800)
    assert tell(many) == "150 images, 148 with a caption, 312.0 MiB, changed 3 h ago"


def test_the_runs_that_use_it() -> None:
    runs = [RunFolder(Path(name)) for name in ("a", "b", "c", "d")]
    assert tell_users([]) == "No run uses it."
    assert tell_users(runs[:2]) == "Used by a, b."
    assert tell_users(runs[:3]) == "Used by a, b and 1 more run."
    assert tell_users(runs) == "Used by a, b and 2 more runs."


def test_the_trigger_is_that_of_the_form_or_of_the_last_run(outputs: Path) -> None:
    cat = make_set("cat")
    Image.new("RGB", (64, 64)).save(cat / "a.png")
    run, broken = RunFolder(outputs / "one"), RunFolder(outputs / "two")
    run.path.mkdir()
    run.config.write_text('trigger = "sks cat"\n', encoding="utf-8")
    assert find_trigger(cat, []) == ""
    assert find_trigger(cat, [broken, run]) == "sks cat"
    form.write_values(form.draft(), form.default_values() | {"trigger": "of the form", "data.folder": str(cat)})
    import streamlit as st

    st.session_state.pop("form", None)
    assert find_trigger(cat, [run]) == "of the form"
    st.session_state.pop("form", None)


def test_a_browser_that_missed_how_the_trigger_began_does_not_empty_it(outputs: Path) -> None:
    cat = make_set("cat")
    form.write_values(form.draft(), form.default_values() | {"trigger": "sks cat", "data.folder": str(cat)})
    page = AppTest.from_function(script).run()
    assert not page.exception and page.text_input(key="trigger:cat").value == "sks cat"
    assert page.run().text_input(key="trigger:cat").proto.default == "sks cat"
