"""What can be pressed on a run, by its state. What needs a second thought asks in a dialog; the others do their work at once
and draw the page anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import streamlit as st

from fluxgym.form.imported import ImportFailed
from fluxgym.form.take_over import another, find_file
from fluxgym.log.history import History
from fluxgym.run.asking import ask_sample, ask_save, move_run
from fluxgym.run.base_model import forget_damaged
from fluxgym.run.guarded import GRACE
from fluxgym.run.launch import resume_now, resume_run, stop_run
from fluxgym.run.queue import FIRST
from fluxgym.run.record import STALLED, read_record
from fluxgym.run.resuming import best_state, find_states
from fluxgym.run.status import Status, read_status
from fluxgym.ui import fields, resume_dialog, routes
from fluxgym.ui.text import plain
from fluxgym.view import words
from fluxgym.view.ended import name_state
from fluxgym.view.samples import read_name
from fluxgym.view.way_on import ANEW, WayOn, find_start
from trainer.config import ConfigError
from trainer.folder import RunFolder

Kind = Literal["primary", "secondary", "tertiary"]
STOP, REMOVE, STAY = "Stop", "Remove", "Do not resume"
ANOTHER = "Another like this"
STOP_ICONS = {STOP: "stop_circle", REMOVE: "playlist_remove", STAY: "cancel"}
WISH = 150  # px; the button keeps its width when it says that the wish was heard


def name_stop(status: Status) -> str:
    """What the button that ends it is called, by what there is to end: a training, its turn, or that it goes on by itself."""
    if not status.is_active or status.state in (None, "stopping"):
        return ""
    if status.state != "queued":
        return STOP
    return STAY if status.is_pausing else REMOVE


def draw_stop(folder: RunFolder, status: Status) -> None:
    """The button that `name_stop` names. Only asks: `answer` opens the dialog, outside of the refreshing part."""
    label = name_stop(status) if not folder.is_read_only else ""
    if label and st.button(label, icon=f":material/{STOP_ICONS[label]}:", key=f"stop:{folder.name}"):
        st.session_state.asked = (label, folder)
        st.rerun()


def draw_moves(folder: RunFolder, status: Status) -> None:
    """Up in the line, and to its head, for a run that waits; an end of its pause for one that goes on by itself after that."""
    if folder.is_read_only:
        return
    if name_stop(status) == STAY:
        if st.button("Resume now", icon=":material/resume:", key=f"now:{folder.name}"):
            _try(folder, resume_now)
        return
    if status.state != "queued" or status.queue is None:
        return
    is_first = status.queue.position == 1
    if st.button("Move up", icon=":material/arrow_upward:", key=f"up:{folder.name}", disabled=is_first):
        _try(folder, lambda folder: move_run(folder, -1))
    if st.button("Start next", icon=":material/vertical_align_top:", key=f"next:{folder.name}", disabled=is_first):
        _try(folder, lambda folder: move_run(folder, FIRST))


def draw_wishes(folder: RunFolder, status: Status, history: History, is_learning: bool) -> None:
    """Save now and Sample now, which the training fulfils at its next step. A wish that waits says so in its own place."""
    if status.state != "running" or not status.is_ours or folder.is_read_only:
        return
    for wish, ask, label, waits, icon in (
        (folder.save_now, ask_save, "Save now", "Will save", "save"),
        (folder.sample_now, ask_sample, "Sample now", "Will sample", "brush"),
    ):
        is_asked = wish.exists()
        shown, sign = (waits, "hourglass_top") if is_asked else (label, icon)
        told = "At the end of the step under way." if is_learning else "When it learns."
        key = f"{label}:{folder.name}"
        off = is_asked or not is_learning
        if st.button(shown, icon=f":material/{sign}:", key=key, width=WISH, disabled=off, help=told):
            st.session_state[f"before:{wish}"] = history.step or 0, len(history.samples)
            _try(folder, ask)


def tell_granted(folder: RunFolder, history: History) -> list[str]:
    """What was done of what was asked for in this session, by the log: Saved at step 28. It is said until the next wish."""
    told = []
    for wish in (folder.save_now, folder.sample_now):
        before = st.session_state.get(f"before:{wish}")
        if before is None or wish.exists():
            continue
        step, drawn = before
        if wish == folder.save_now:
            saved = max((at for _, at in history.saved.values()), default=-1)
            told += [f"Saved at step {saved:,}"] if saved >= step else []
        elif len(history.samples) > drawn and (picture := read_name(Path(history.samples[-1]))):
            told.append(f"Sampled at {picture.column.label}")
    return told


def draw_granted(folder: RunFolder, history: History) -> None:
    """A short word for each wish that was granted, beside the state."""
    for said in tell_granted(folder, history):
        st.caption(f":green[:material/check_circle:] {said}", width="content")


def draw_resume(folder: RunFolder, status: Status, kind: Kind = "secondary") -> None:
    """Resume from the furthest state of use at once, where there is one or nothing was saved yet."""
    if status.is_active or folder.is_read_only or not (status.resumable or status.can_restart):
        return
    if st.button("Resume", icon=":material/resume:", key=f"resume:{folder.name}", type=kind):
        _try(folder, lambda folder: resume_run(folder, find_start(folder)))


def draw_choose_state(folder: RunFolder, status: Status) -> None:
    """The dialog with all states, for how long and how fast; for a completed run, Train longer."""
    if status.is_active or status.state is None or folder.is_read_only:
        return
    title = resume_dialog.title_for(folder, status)
    icon = "more_time" if title == resume_dialog.LONGER else "history"
    if title and st.button(title, icon=f":material/{icon}:", key=f"choose:{folder.name}"):
        st.session_state.asked = (title, folder)
        st.rerun()


def draw_way_on(folder: RunFolder, way: WayOn | None) -> WayOn | None:
    """After a failure: the one button that helps most; none is primary where something else must be set right before."""
    if folder.is_read_only:
        return None
    kind: Kind = "primary" if way and way.is_cure else "secondary"
    if way is None:
        draw_again(folder, "primary")
    elif st.button(way.label, icon=":material/resume:", key=f"way-on:{folder.name}", type=kind):
        if way.does == ANEW:
            _open_again(folder, way)
        _try(folder, lambda folder: _go_on(folder, way))
    return way


def draw_again(folder: RunFolder, kind: Kind = "tertiary") -> None:
    """The Train page with this run's settings and a name that is free; also of one that is under way, or of another tool."""
    told = "Fills in the Train page with the settings of this run, under another name."
    can_repeat = find_file(folder.path) is not None
    if can_repeat and st.button(ANOTHER, icon=":material/content_copy:", key=f"again:{folder.name}", type=kind, help=told):
        _open_again(folder)


def draw_download(folder: RunFolder, status: Status) -> None:
    """The LoRA of a completed run."""
    if status.state == "completed" and folder.lora.is_file():
        url = routes.file_url(folder.name, "loras", folder.lora.name)
        st.link_button("Download the LoRA", url, type="primary", icon=":material/download:")


def answer() -> None:
    """What follows from a button that was pressed: the dialog that asks, or why a wish could not be fulfilled. Once a page."""
    if refusal := st.session_state.pop("refusal", None):
        st.error(plain(refusal), icon=":material/error:")
    if asked := st.session_state.pop("asked", None):
        title, folder = asked
        dialogs = {STOP: _ask_to_stop, REMOVE: _ask_to_remove, STAY: _ask_to_stay}
        dialogs.get(title, st.dialog(title, width="medium")(resume_dialog.draw))(folder)


def _open_again(folder: RunFolder, way: WayOn | None = None) -> None:
    try:
        values, imported = another(folder)
    except (ConfigError, ImportFailed) as error:
        st.session_state.refusal = str(error)
        st.rerun()
    fields.fill(values | dict(way.changes if way else {}))
    if imported:
        st.session_state.imported = imported  # import_view tells what was taken over
    st.switch_page(routes.TRAIN)


def _go_on(folder: RunFolder, way: WayOn) -> None:
    if way.file:
        forget_damaged(way.file)
    resume_run(folder, way.state, dict(way.changes))


def _try(folder: RunFolder, act: Callable[[RunFolder], object]) -> None:
    try:
        act(folder)
    except (ValueError, OSError) as error:  # a RunError, or NotInCache: the message says what can be done
        st.session_state.refusal = str(error)
    st.rerun()


@st.dialog("Stop this training?", icon=":material/stop_circle:")
def _ask_to_stop(folder: RunFolder) -> None:
    st.markdown(f"**{plain(folder.name)}** {plain(_tell_stop(folder))}")
    _draw_choice(folder, "Let it run", STOP)


def _tell_stop(folder: RunFolder) -> str:
    """What a stop will do, and no more than that: a training that hangs may not hear it."""
    record, health = read_record(folder), read_status(folder).health
    is_stalled = health is not None and health.verdict == STALLED
    is_other = bool(record and record.any_command)
    if not (is_stalled or is_other):
        return "finishes the step under way, saves its state and ends. Nothing is lost: Resume goes on from that very step."
    state, limit = best_state(record, find_states(folder, record)), words.duration(GRACE)
    if is_other:
        goes_on = f"goes on from {name_state(state)}, which is whole" if state else "starts it again from its beginning"
        return f"is asked to end, and killed if it has not after {limit}. Resume {goes_on}."
    if state is None:
        return f"may not answer: then it is killed after {limit}. No state was saved yet, so what it learned may be lost."
    return (
        f"may not answer: then it is killed after {limit}. The last whole state is step {state.step:,}; "
        "what it learned after that may be lost."
    )


@st.dialog("Remove it from the queue?", icon=":material/playlist_remove:")
def _ask_to_remove(folder: RunFolder) -> None:
    st.markdown(
        f"**{plain(folder.name)}** loses its place in the line. Its folder stays: Resume puts it at the end of the line again."
    )
    _draw_choice(folder, "Let it wait", REMOVE)


@st.dialog("Not resume by itself?", icon=":material/cancel:")
def _ask_to_stay(folder: RunFolder) -> None:
    record = read_record(folder)
    state = best_state(record, find_states(folder, record))
    goes_on = f"goes on from {name_state(state)}" if state else "begins at the beginning"
    st.markdown(f"**{plain(folder.name)}** stays as it ended. What it saved is kept: Resume {goes_on}.")
    _draw_choice(folder, "Let it resume", STAY)


def _draw_choice(folder: RunFolder, no: str, yes: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(no):
            st.rerun()
        if st.button(yes, type="primary", key="stop-confirmed"):
            _try(folder, stop_run)
