"""The third step of the Train page: how it trains."""

import streamlit as st

from fluxgym.form import form
from fluxgym.form.check import Checked
from fluxgym.run.care import SLURM
from fluxgym.ui import all_settings, care_fields, fields, presets_view, slurm_fields, steps
from fluxgym.ui.bind import bind

HEAD = ("train.epochs", "data.repeats", "lora.rank", "train.learning_rate", "memory.preset")
_NO_STATES = (
    "Without checkpointing a state is saved only when you stop it: after a crash or a power loss it begins at the beginning."
)

_LESS_OFTEN = "When it is stuck or breaks, where it trains, who is told"


def draw_settings(checked: Checked) -> None:
    """Step 3: how long, how strongly, and what is drawn on the way."""
    with st.container(border=True):
        title, beside = st.columns([3, 1], vertical_alignment="center")
        with title:
            steps.draw_title(3, "How it trains", not checked.problems)
        with beside.container(horizontal=True, horizontal_alignment="right"):
            presets_view.draw_button()
        presets_view.draw_applied()
        with st.grid(5, min_column_width=140):
            for key in HEAD:
                with st.container():
                    fields.draw(key)
        fields.lines(
            "sample.prompts",
            height=130,
            placeholder="a sks person on a beach\na person on a beach",
        )
        is_job = _draw_care() == SLURM
        all_settings.draw_all((*HEAD, *(slurm_fields.KEYS if is_job else ())))


def _draw_care() -> str:
    """What is done for it without being asked: two switches, and the rest below them. Where it trains."""
    values = fields.values()
    chosen = {key.removeprefix(form.CARE): value for key, value in values.items() if key.startswith(form.CARE)}
    kept = care_fields.Kept(f"form:{form.CARE}", chosen, lambda name, value: fields.change({form.CARE + name: value}))
    with st.container(horizontal=True, gap="medium"):
        _draw_checkpointing(values)
        care_fields.draw_monitor(kept)
    place = str(chosen["place"])
    has_cluster = care_fields.offers_slurm(place)
    if has_cluster:
        care_fields.draw_place(kept)
    if place == SLURM:
        slurm_fields.draw(values)
    with st.expander("When it is stuck or breaks, who is told" if has_cluster else _LESS_OFTEN):
        care_fields.draw_when_stalled(kept)
        care_fields.draw_by_itself(kept)
        if not has_cluster:
            care_fields.draw_place(kept)
        care_fields.draw_notify(kept)
    if not values[form.CHECKPOINTS]:
        st.caption(_NO_STATES)
    return place


def _draw_checkpointing(values: form.Values) -> None:
    """A switch for a number that is 0 where there are none."""
    is_on = bool(values[form.CHECKPOINTS])
    told = "Saves now and then all that a resume needs. How often: All settings, Save the state every."
    st.toggle("Enable checkpointing", help=told, on_change=_switch_checkpointing, **bind("checkpointing", is_on))


def _switch_checkpointing() -> None:
    every = form.default_values()[form.CHECKPOINTS] if st.session_state.checkpointing else 0
    fields.change({form.CHECKPOINTS: every})
