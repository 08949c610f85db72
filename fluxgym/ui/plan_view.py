"""The plan on the Train page: what the training will do, and Start."""

import streamlit as st

from fluxgym.form import form
from fluxgym.form.check import Checked
from fluxgym.preflight.checks import count_prompts, find_largest
from fluxgym.preflight.cluster import ask_for_job
from fluxgym.preflight.disk import find_need
from fluxgym.preflight.estimate import begin_estimate, find_trouble, read_estimate
from fluxgym.preflight.expected import find_expected
from fluxgym.preflight.share import ask_for_place
from fluxgym.run.care import SLURM
from fluxgym.sweep.tried import Tried
from fluxgym.ui import care_fields, fields, sweep_form
from fluxgym.ui.slurm_fields import find_wish
from fluxgym.ui.text import plain, red
from fluxgym.view import needs_words, words
from fluxgym.view.slurm_words import tell_wish
from trainer.config import Config
from trainer.schedules import comparable_rate

EVERY = 2  # s between two looks for an estimate that is being made
_UNWATCHED = (
    "No image is held out and no prompt is drawn, so nothing will tell whether it gets better. Write a sample prompt, "
    "or hold out an image or two under All settings, Validation images."
)


def draw_plan(checked: Checked, tried: Tried | None = None) -> bool:
    """What the training will do, and Start. Whether Start was pressed. `tried`: several runs, of which this is told of one."""
    with st.container(border=True, key="plan"):
        st.subheader("Plan", anchor=False)
        plan, config = checked.plan, checked.config
        prompts = count_prompts(config) if config else 0
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
        _draw_needs(sweep_form.pick_hardest(checked, tried), prompts, tried)
        if plan and not plan.validation_images and not prompts:
            st.caption(_UNWATCHED)
        label = sweep_form.name_start(tried)
        pressed = st.button(label, type="primary", icon=":material/play_arrow:", width="stretch", key="start")
        if turn := care_fields.tell_turn(str(fields.values()[f"{form.CARE}place"])):
            st.caption(f":material/schedule: {plain(turn)}")
        elif fields.values()[f"{form.CARE}place"] == SLURM:
            st.caption(f":material/schedule: {plain(f'As a job on Slurm: {tell_wish(find_wish(fields.values()))}')}")
        if st.session_state.get("start_pressed") and checked.problems:
            _draw_obstacles(checked)
        st.caption("It goes on when you close this page, and when this server stops.")
    return pressed


def _draw_needs(checked: Checked, prompts: int, tried: Tried | None) -> None:
    """Memory, disk and time: counted by the trainer in a process of its own, so they come a moment later."""
    if checked.config is None or checked.plan is None:
        st.html(_table(dict.fromkeys(needs_words.ROWS, "-")))
        sweep_form.draw_sum(tried)
        return
    config, plan, sizes = checked.config, checked.plan, checked.sizes
    place = fields.values()[f"{form.CARE}place"]
    is_job = place == SLURM  # the cluster's memory and speed are not this machine's
    question = ask_for_job(config, find_largest(sizes)) if is_job else ask_for_place(config, find_largest(sizes), place)
    is_open = read_estimate(question) is None and not find_trouble(question)

    @st.fragment(run_every=EVERY if is_open else None)
    def draw() -> None:
        try:
            begin_estimate(question)
        except OSError as error:
            st.caption(f"Memory and time cannot be estimated: {plain(error.strerror or str(error))}")
        estimate = read_estimate(question)
        expected = find_expected(config, plan.total_steps, estimate.step_flops) if estimate and not is_job else None
        disk = find_need(config, plan, sizes, prompts, estimate)
        needs = needs_words.Needs(question, estimate, find_trouble(question), disk, expected, is_job)
        st.html(_table(needs_words.tell_rows(needs)))
        for sentence in needs_words.tell_more(needs):
            st.caption(plain(sentence))
        sweep_form.draw_sum(tried, needs)

    draw()


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
