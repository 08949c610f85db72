"""Widgets for what is done for a run without being asked (fluxgym/run/care.py): on the Train page and on the run's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from fluxgym.notify.send import ServiceError
from fluxgym.notify.services import list_services
from fluxgym.run.care import FIRST_FREE, MOST_RESUMES, NONE, RESUME, SLURM, STOP, TELL
from fluxgym.run.gpu import Gpu, list_gpus
from fluxgym.run.places import PlaceError, make_wish
from fluxgym.run.queue import read_line
from fluxgym.run.slurm import Slurm
from fluxgym.ui import routes
from fluxgym.ui.bind import bind, bind_choice
from fluxgym.ui.text import red
from fluxgym.view import words

WHEN_STALLED = {TELL: "Tell me", STOP: "Stop it and keep its state", RESUME: "Stop it and resume"}
GPUS_KEPT, TURN_KEPT = 10, 3  # s


@dataclass(frozen=True)
class Kept:
    """The choices that the widgets show, and who keeps a new one. `prefix` makes the widgets' keys."""

    prefix: str
    values: dict[str, Any]  # by the name in Care
    keep: Callable[[str, Any], None]

    def bind(self, name: str, choices: Sequence[Any] = ()) -> dict[str, Any]:
        """The widget's key, what is kept, and what follows when a person changes it. `choices`: of one that has some."""
        key, value = f"{self.prefix}{name}", self.values[name]
        bound = bind_choice(key, value, choices) if choices else bind(key, value)
        return bound | {"on_change": lambda: self.keep(name, st.session_state[key])}


def draw_monitor(kept: Kept) -> None:
    told = "Judges by its progress whether it is stuck or slow, and says so. A loss that is no number is told, too."
    st.toggle("Enable auto-monitoring", help=told, **kept.bind("monitor"))


def draw_when_stuck(kept: Kept) -> None:
    """Monitoring, and what follows from it."""
    left, right = st.columns(2)
    with left:
        draw_monitor(kept)
    with right:
        draw_when_stalled(kept)


def draw_when_stalled(kept: Kept) -> None:
    told = "It is said first, and minutes later it is done, unless the training goes on or you choose otherwise."
    choices = list(WHEN_STALLED)
    off = not kept.values["monitor"]
    bound = kept.bind("when_stalled", choices)
    st.selectbox("When it is stuck", choices, format_func=WHEN_STALLED.get, help=told, disabled=off, **bound)


def draw_by_itself(kept: Kept, is_ours: bool = True) -> None:
    """What it may do after an end that nobody asked for, and how often. The settings of another command cannot be changed."""
    crash = "Where that may help: not after a stop by you, nor where a file or a setting is wrong. After a pause that grows."
    steps = "Gradient checkpointing first, where nothing that was learned is lost."
    left, right = st.columns(2)
    with left:
        st.toggle("Resume by itself after a crash", help=crash, **kept.bind("resume_after_crash"))
        if is_ours:
            st.toggle("Out of memory: go on with smaller settings", help=steps, **kept.bind("step_down"))
    with right:
        often = "So many times by itself, since you last started or resumed it."
        steps_down = is_ours and kept.values["step_down"]
        off = not (kept.values["resume_after_crash"] or steps_down or kept.values["when_stalled"] == RESUME)
        bounds = {"min_value": 0, "max_value": MOST_RESUMES}
        st.number_input("Resume at most", help=often, disabled=off, **bounds, **kept.bind("most_resumes"))


def offers_slurm(place: str) -> bool:
    """Whether a job on a cluster is a choice here, or was chosen elsewhere."""
    return place == SLURM or not Slurm().why_not()


def draw_place(kept: Kept, with_slurm: bool = True) -> None:
    """Where it trains, and whether it waits for its turn there. `with_slurm`: a run that waits here cannot move there."""
    gpus = {str(gpu.index): gpu for gpu in _find_gpus()}
    first = "The first free GPU" if len(gpus) > 1 else "The GPU, when it is free" if gpus else "The CPU, when it is free"
    names = {FIRST_FREE: first, **{index: _tell_gpu(gpu) for index, gpu in gpus.items()}, NONE: "At once, without waiting"}
    names |= {SLURM: "A job on Slurm"} if with_slurm and offers_slurm(kept.values["place"]) else {}
    if (wanted := kept.values["place"]) not in names:
        names[wanted] = f"GPU {wanted.replace(',', ' and ')}"
    told = "Runs for the same GPU wait their turn, also with this page closed. At once: beside whatever runs there."
    told += " On Slurm the cluster chooses where and when." if SLURM in names else ""
    st.selectbox("Where it trains", list(names), format_func=names.get, help=told, **kept.bind("place", list(names)))
    if kept.values["place"] == SLURM and (missing := Slurm().why_not()):
        st.markdown(red(f"{missing}."))


@st.cache_data(ttl=TURN_KEPT, show_spinner=False)
def tell_turn(place: str) -> str:
    """That a training would wait for this place, and whom for; empty where it begins at once, or nobody knows."""
    if place in (NONE, SLURM):
        return ""
    try:
        wish = make_wish(place)
        waiting = sum(bool({*ticket.wish.places} & {*wish.places}) for ticket in read_line())
        taken = [each for each in wish.places if not each.is_free]
        holder = next((each.holder for each in taken if each.holder), "")
    except (PlaceError, OSError):  # Start tells
        return ""
    has_room = len(taken) < len(wish.places) if wish.is_any else not taken
    if has_room and not waiting:
        return ""
    after = f", after {holder}" if holder else ""
    line = f" ({waiting:,} {'waits' if waiting == 1 else 'wait'} already)" if waiting else ""
    return f"It waits its turn for {wish}{after}{line}."


def draw_notify(kept: Kept) -> None:
    """Whether it tells, and the way to where that is set up."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle("Notify me", help="When it ends, is stuck, goes on or resumes by itself.", **kept.bind("notify"))
        services = _count_services()
        if kept.values["notify"]:
            told = "by " + words.plural(services, "service") if services else "no service is set up yet"
            st.caption(told, width="content")
        if st.button("Services", type="tertiary", icon=":material/settings:", key=f"{kept.prefix}services"):
            st.switch_page(routes.SETTINGS)


def _tell_gpu(gpu: Gpu) -> str:
    free = ""
    if gpu.memory_total is not None and gpu.memory_used is not None:
        free = f", {words.size(gpu.memory_total - gpu.memory_used)} of {words.size(gpu.memory_total)} free"
    return f"GPU {gpu.index}: {gpu.name}{free}"


@st.cache_data(ttl=GPUS_KEPT, show_spinner=False)
def _find_gpus() -> list[Gpu]:
    """Asked for anew now and then: a page is drawn at each key that is pressed on it."""
    return list_gpus()


def _count_services() -> int:
    try:
        return len(list_services())
    except ServiceError:  # the Settings page tells
        return 0
