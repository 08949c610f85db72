"""Captions by a model, in the editor of a data set: which images, which model, what it is asked, and how far it is."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from fluxgym.dataset.captioners import CHAT, FLORENCE, KNOWN, find_kind, is_here
from fluxgym.dataset.captioning import (
    AUTO,
    DEVICES,
    ON_CPU,
    Count,
    Order,
    count_captions,
    find_captioning,
    find_device,
    last_order,
    read_order,
    start_captioning,
)
from fluxgym.dataset.captions import is_editable
from fluxgym.job.folder import DONE, JobStatus
from fluxgym.ui.job_view import draw_job
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from trainer.listing import DatasetError

OTHER = "Another model"
DETAILS = {"short": "One sentence", "detailed": "Detailed", "long": "A paragraph"}
PLACES = {AUTO: "A free GPU, else the CPU", ON_CPU: "The CPU"}


def draw_captioning(place: Path, trigger: str) -> None:
    """`place`: a folder of images or a dataset.toml. Draws nothing where there is nothing to caption."""
    count = _count(place)
    if count is None or not is_editable(place):
        return
    status = find_captioning(place)
    with st.expander("Captions by a model", icon=":material/edit_note:", expanded=status is not None):
        if status is not None:
            _draw_status(place, status)
        if status is None or not status.is_active:
            _draw_order(place, trigger, count)


def _count(place: Path) -> Count | None:
    try:
        count = count_captions(place)
    except (DatasetError, OSError):  # what is wrong with it is said where its images are shown
        return None
    return count if any((count.without, count.by_model, count.by_person)) else None


def _draw_status(place: Path, status: JobStatus) -> None:
    draw_job(status, f"captions:{place}", again=lambda: start_captioning(place, read_order(status.about.details)))
    if status.state == DONE and status.said and (told := status.said.result.get("told")):
        st.caption(f"{plain(str(told))}. Those that you change are yours: no model writes over them.")


# ---- the order -------------------------------------------------------------------------------------------------------
def _draw_order(place: Path, trigger: str, count: Count) -> None:
    """What was asked for the last time is filled in: as what widgets begin with, because a run of the page that is broken off
    may have set a widget's state and never have told the browser."""
    st.markdown(_tell(count))
    before = last_order()
    left, right = st.columns(2)
    with left:
        model = _draw_model(place, before)
    with right:
        detail, prompt = _draw_asked(place, find_kind(model), before)
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        help_trigger = "Each caption then begins with it, unless it says it already." if trigger else "There is none yet."
        wants_trigger = st.toggle(
            f"Begin with {plain(trigger)}" if trigger else "Begin with the trigger word",
            value=True,
            key=_key(place, "trigger"),
            disabled=not trigger,
            help=help_trigger,
        )
        again = False
        if count.by_model:
            again = st.toggle(f"Also rewrite the {count.by_model:,} that a model wrote", key=_key(place, "again"))
    order = Order(model, detail, prompt, trigger if trigger and wants_trigger else "", again, before.device)
    _draw_start(place, order, count.without + (count.by_model if again else 0))


def _draw_model(place: Path, before: Order) -> str:
    known = {each.label: each for each in KNOWN}
    usual = next((each.label for each in KNOWN if each.model == before.model), OTHER)
    labels = [*known, OTHER]
    label = st.selectbox("Model", labels, index=labels.index(usual), key=_key(place, "label"))
    if label in known:
        model, note = known[label].model, known[label].note
    else:
        help_model = "Any that transformers calls image-text-to-text, with .safetensors. Code that a model brings is not run."
        model = st.text_input(
            "Name on the Hub, or a folder",
            value=before.model if usual == OTHER else "",
            key=_key(place, "model"),
            placeholder="owner/model",
            help=help_model,
        ).strip()
        note = "" if model else "Qwen2.5-VL, LLaVA, SmolVLM and others that look at images and answer."
    where = "On this machine." if is_here(model) else "It is downloaded first."
    st.caption(" ".join(filter(None, (note, where if model else ""))))
    return model


def _draw_asked(place: Path, kind: str, before: Order) -> tuple[str, str]:
    """How much it is to say, and the prompt of one's own."""
    detail, prompt = before.detail, ""
    if kind in (FLORENCE, CHAT):
        chosen = st.segmented_control(
            "How much it says",
            list(DETAILS),
            default=before.detail,
            key=_key(place, "detail"),
            format_func=DETAILS.__getitem__,
            required=True,
        )
        detail = str(chosen)
    if kind != FLORENCE:
        help_plain = "Left empty, it says what it sees; else it goes on from here."
        prompt = st.text_area(
            "Prompt of your own" if kind == CHAT else "Beginning of each caption",
            value=before.prompt if find_kind(before.model) == kind else "",
            key=_key(place, f"prompt-{kind}"),
            height=90,
            placeholder="Describe the clothes and the place, not the person." if kind == CHAT else "a photograph of",
            help="It is asked this in place of what the choice above stands for." if kind == CHAT else help_plain,
        )
    return detail, prompt.strip()


def _draw_start(place: Path, order: Order, images: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            f"Write {words.plural(images, 'caption')}" if images else "Write captions",
            key=_key(place, "start"),
            icon=":material/edit_note:",
            disabled=not images or not order.model,
        )
        device = _draw_device(place, order)
    if pressed:
        try:
            start_captioning(place, replace(order, device=device))
        except (ValueError, OSError) as error:
            st.markdown(red(str(error)))
            return
        st.rerun()


def _draw_device(place: Path, order: Order) -> str:
    there = find_device(AUTO)
    if not there.is_gpu:
        slow = " Models that answer to a prompt may take minutes for an image there." if find_kind(order.model) == CHAT else ""
        st.caption(plain(there.words + slow), width="content")
        return AUTO
    chosen = st.selectbox(
        "Where",
        DEVICES,
        index=DEVICES.index(order.device) if order.device in DEVICES else 0,
        key=_key(place, "device"),
        format_func=PLACES.__getitem__,
        label_visibility="collapsed",
        width=230,
    )
    return str(chosen)


def _tell(count: Count) -> str:
    parts = [f"**{count.without:,}** without a caption"]
    if count.by_model:
        parts.append(f"{count.by_model:,} written by a model")
    if count.by_person:
        parts.append(f"{count.by_person:,} by you, which stay as they are")
    return f"{words.plural(count.without + count.by_model + count.by_person, 'image')}: {', '.join(parts)}."


def _key(place: Path, name: str) -> str:
    return f"captioner-{name}:{place}"
