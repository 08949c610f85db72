"""The heads of the Train page's steps."""

from streamlit.testing.v1 import AppTest

from fluxgym.form.check import Checked
from fluxgym.ui import steps


def test_a_step_is_wrong_where_one_of_its_values_is() -> None:
    checked = Checked({"train.epochs": "got 0, expected 1 or more"})
    assert steps.is_wrong(checked, ("name", "train.epochs"))
    assert not steps.is_wrong(checked, ("name", "trigger"))


def test_its_head_says_whether_it_is_complete() -> None:
    def script() -> None:
        from fluxgym.ui import steps

        steps.draw_title(1, "What it learns", is_complete=True)
        steps.draw_title(2, "Images", is_complete=False)

    done, open_ = AppTest.from_function(script).run().subheader
    assert "check_circle" in done.value and "counter_2" in open_.value
