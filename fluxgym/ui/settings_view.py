"""The third step of the Train page: how it trains."""

import streamlit as st

from fluxgym.form import form
from fluxgym.form.check import Checked
from fluxgym.ui import care_fields, fields, steps

REGULARISATION = "data.regularisation"
MORE: dict[str, tuple[str, float]] = {  # label, and by how much one click changes the number
    "data.batch_size": ("Batch size", 1),
    "data.resolution": ("Resolution, px", 16),
    "data.validation_images": ("Validation images", 1),
    "model.max_sequence_length": ("Tokens per caption", 8),
    "train.seed": ("Seed", 1),
    "train.warmup_steps": ("Warm-up, steps", 1),
    "train.decay": ("Decay, share of steps", 0.05),
    "lora.alpha": ("Alpha", 1.0),
    "sample.every_epochs": ("Sample every, epochs", 1),
    "sample.steps": ("Steps per sample", 1),
    "sample.width": ("Sample width, px", 16),
    "sample.height": ("Sample height, px", 16),
    "sample.guidance": ("Guidance of samples", 0.5),
    "save.every_epochs": ("Save the LoRA every, epochs", 1),
    "save.state_every_epochs": ("Save the state every, epochs", 1),
    "data.regularisation_images": ("Regularisation images per batch", 1),
}

MEMORY = {"auto": "As much as is free", **{size: f"{size} GB" for size in ("24", "16", "12", "8")}, "off": "Do not fit it"}

_NO_STATES = (
    "Without checkpointing a state is saved only when you stop it: after a crash or a power loss it begins at the beginning."
)


def draw_settings(checked: Checked) -> None:
    """Step 3: how long, how strongly, and what is drawn on the way."""
    with st.container(border=True):
        steps.draw_title(3, "How it trains", not checked.problems)
        with st.grid(4, min_column_width=140):
            with st.container():
                fields.number("train.epochs", "Epochs")
            with st.container():
                fields.number("data.repeats", "Repeats")
            with st.container():
                fields.number("lora.rank", "Rank")
            with st.container():
                fields.number("train.learning_rate", "Learning rate", step=1e-5, format="%.1e")
        fields.lines(
            "sample.prompts",
            "Sample prompts, one a line",
            height=130,
            placeholder="a sks person on a beach\na person on a beach",
        )
        _draw_care()
        with st.expander("More settings", expanded=any(map(fields.is_told, [*MORE, REGULARISATION]))):
            _draw_more()


def _draw_care() -> None:
    """What is done for it without being asked: two switches, and the rest below them."""
    values = fields.values()
    chosen = {key.removeprefix(form.CARE): value for key, value in values.items() if key.startswith(form.CARE)}
    kept = care_fields.Kept(f"form:{form.CARE}", chosen, lambda name, value: fields.change({form.CARE + name: value}))
    with st.container(horizontal=True, gap="medium"):
        _draw_checkpointing(values)
        care_fields.draw_monitor(kept)
    with st.expander("When it is stuck or breaks, where it trains, who is told"):
        care_fields.draw_when_stalled(kept)
        care_fields.draw_by_itself(kept)
        care_fields.draw_place(kept)
        care_fields.draw_notify(kept)
    if not values[form.CHECKPOINTS]:
        st.caption(_NO_STATES)


def _draw_checkpointing(values: form.Values) -> None:
    """A switch for a number that is 0 where there are none."""
    is_on = bool(values[form.CHECKPOINTS])
    if st.session_state.get("checkpointing") != is_on:
        st.session_state.checkpointing = is_on
    told = "Saves now and then all that a resume needs. How often: More settings, Save the state every."
    st.toggle("Enable checkpointing", key="checkpointing", help=told, on_change=_switch_checkpointing)


def _switch_checkpointing() -> None:
    every = form.default_values()[form.CHECKPOINTS] if st.session_state.checkpointing else 0
    fields.change({form.CHECKPOINTS: every})


def _draw_more() -> None:
    with st.grid(3, min_column_width=150):
        for key, (label, step) in MORE.items():
            with st.container():
                fields.number(key, label, step=step)
    fields.text(REGULARISATION, "Folder of regularisation images")
    fields.choice("memory.preset", "GPU memory", MEMORY)
