"""The three steps of the Train page and the plan beside them."""

import streamlit as st

from fluxgym.dataset import form
from fluxgym.dataset.check import Checked
from fluxgym.ui import care_fields, fields, gallery
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from trainer.config import Config
from trainer.schedules import comparable_rate

_ABOUT = ("name", "trigger", "model.base")
_IMAGES = ("data.folder",)
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

_UNWATCHED = (
    "No image is held out and no prompt is drawn, so nothing will tell whether it gets better. Write a sample prompt, "
    "or hold out an image or two under More settings, Validation images."
)


_NO_STATES = (
    "Without checkpointing a state is saved only when you stop it: after a crash or a power loss it begins at the beginning."
)


def draw_about(checked: Checked) -> None:
    """Step 1: what is to be learned, and on which model."""
    with st.container(border=True):
        _draw_title(1, "What it learns", not _is_wrong(checked, _ABOUT))
        left, right = st.columns(2)
        with left:
            fields.text("name", "Name", max_chars=None, placeholder="my-lora")
        with right:
            fields.text("trigger", "Trigger word", placeholder="sks person")
        _draw_base()


def draw_images(checked: Checked) -> None:
    """Step 2: images and captions."""
    with st.container(border=True):
        _draw_title(2, "Images and captions", not _is_wrong(checked, _IMAGES))
        gallery.draw_source()
        if checked.images:
            without = len(checked.images) - checked.captioned
            rest = f"; the {without} without get the trigger word as their caption" if without else ""
            st.caption(f"{words.plural(len(checked.images), 'image')}, {checked.captioned} with a caption{rest}.")
        gallery.draw_lonely(checked.lonely)
        gallery.draw_gallery(checked.images)


def draw_settings(checked: Checked) -> None:
    """Step 3: how long, how strongly, and what is drawn on the way."""
    with st.container(border=True):
        _draw_title(3, "How it trains", not checked.problems)
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


def draw_plan(checked: Checked) -> bool:
    """What the training will do, and Start. Whether Start was pressed."""
    with st.container(border=True, key="plan"):
        st.subheader("Plan", anchor=False)
        plan, config = checked.plan, checked.config
        prompts = len(config.sample.prompts) if config else 0
        rows = {
            "Images": f"{plan.train_images:,}" if plan else "-",
            "Held out for validation": f"{plan.validation_images:,}" if plan else "-",
            "Steps per epoch": f"{plan.steps_per_epoch:,}" if plan else "-",
            "Epochs": f"{config.train.epochs:,}" if config else "-",
            "Samples": f"{plan.sample_rounds * prompts:,}" if plan else "-",
            "LoRA files": f"{plan.lora_files + 1:,}" if plan else "-",
            "Rate * alpha / rank": _tell_rate(config) if config else "-",
        }
        st.metric("Total steps", f"{plan.total_steps:,}" if plan else "-")
        st.html(_table(rows))
        if plan and not plan.validation_images and not prompts:
            st.caption(_UNWATCHED)
        pressed = st.button("Start", type="primary", icon=":material/play_arrow:", width="stretch", key="start")
        if turn := care_fields.tell_turn(str(fields.values()[f"{form.CARE}place"])):
            st.caption(f":material/schedule: {plain(turn)}")
        if st.session_state.get("start_pressed") and checked.problems:
            _draw_obstacles(checked)
        st.caption("It goes on when you close this page, and when this server stops.")
    return pressed


def _tell_rate(config: Config) -> str:
    """The number by which trainings of any rank and alpha compare."""
    rate = comparable_rate(config)
    return f"{rate:.1e}" if rate else "found by prodigy"


def _draw_obstacles(checked: Checked) -> None:
    wrong = words.plural(len(checked.problems), "thing")
    st.markdown(red(f"Not started, nothing was written: {wrong} to set right."))


def _table(rows: dict[str, str]) -> str:
    cells = "".join(
        f'<div style="display:flex;justify-content:space-between;padding:0.15rem 0"><span style="opacity:0.7">{label}</span>'
        f'<span style="font-variant-numeric:tabular-nums">{value}</span></div>'
        for label, value in rows.items()
    )
    return f"<div>{cells}</div>"


def _draw_title(number: int, title: str, is_complete: bool) -> None:
    mark = ":green[:material/check_circle:]" if is_complete else f":gray[:material/counter_{number}:]"
    st.subheader(f"{mark} {title}", anchor=False)


def _is_wrong(checked: Checked, keys: tuple[str, ...]) -> bool:
    return any(key in checked.problems for key in keys)


def _draw_base() -> None:
    values = fields.values()
    chosen = form.find_base(values)
    labels = [base.label for base in form.BASES]
    if st.session_state.get("base") not in labels or st.session_state.base_of != values["model.base"]:
        st.session_state.base, st.session_state.base_of = chosen.label, values["model.base"]
    st.selectbox("Base model", labels, key="base", on_change=_choose_base, help=form.explain("model.base"))
    st.caption(plain(chosen.note))
    if not chosen.base:
        fields.text("model.base", "Folder or name", placeholder="models/my-flux, or owner/name")


def _choose_base() -> None:
    base = next(base for base in form.BASES if base.label == st.session_state.base)
    fields.change(form.follow(fields.values(), {"model.base": base.base}))
    st.session_state.base_of = base.base
