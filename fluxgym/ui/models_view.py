"""The Models page: base models known by name, those found on this machine, the places where they are looked for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from fluxgym.job.folder import DONE, FAILED, JobStatus, list_jobs
from fluxgym.models import checksum
from fluxgym.models.download import start_download
from fluxgym.models.known import KNOWN, Known
from fluxgym.models.shelf import HUB, Shelved, add_place, count_pieces, list_places, remove_place
from fluxgym.models.token import find_token_problem
from fluxgym.ui import base_view, routes
from fluxgym.ui.job_view import draw_job
from fluxgym.ui.text import plain, red
from fluxgym.view import model_words, words
from fluxgym.view.model_words import ABSENT, COMING, DAMAGED, HERE, PARTLY, STATES, Stock

PATH, NAME, REFUSAL = "models-path", "models-name", "models-refusal"
COUNTED = {"model": "model", "transformer": "transformer", "vae": "VAE", "clip": "CLIP", "t5": "T5", "qwen": "Qwen3"}


def draw_known(stock: Stock) -> None:
    """Those that FluxGym knows by name, here or not."""
    checks = _list_checks()
    for known in KNOWN:
        state = stock.find_state(known.base)
        with st.container(border=True, key=f"model:{known.label}"):
            told, pressed = st.columns([5, 2], vertical_alignment="center")
            with told:
                _draw_title(known.label, state)
                size = model_words.tell_size(stock, known.base)
                parts = (plain(known.note), f"{size[:1].upper()}{size[1:]}." if size else "", model_words.tell_terms(known))
                st.caption(" ".join(filter(None, parts)))
            is_barred = state in (ABSENT, PARTLY) and bool(find_token_problem(known.base))
            with pressed.container(horizontal=True, horizontal_alignment="right"):
                _draw_known_buttons(known, state, is_barred, _has_open_job(stock, known.base))
            if is_barred:
                st.caption(f":material/key: {model_words.NEEDS_TOKEN}")
            _draw_trouble(_find_trouble(stock, known.base))
            _draw_jobs(known.base, stock, checks)


def draw_others(stock: Stock) -> None:
    """Those that lie on this machine, and downloads of others."""
    checks, others = _list_checks(), stock.others
    known = {each.base for each in KNOWN} | {model.base for model in others}
    coming = [status for base, status in stock.jobs.items() if base not in known and status.state != DONE]
    for model in others:
        state = stock.find_state(model.base)
        with st.container(border=True, key=f"model:{model.base}"):
            told, pressed = st.columns([5, 2], vertical_alignment="center")
            with told:
                _draw_title(model.title, state)
                facts = f"{model.family}, {model.kind}, {words.size(model.size)}. {model_words.tell_parts(model)}"
                st.caption(plain(facts) + ("" if model.kind == HUB else f"  \n{plain(model.base)}"))
            with pressed.container(horizontal=True, horizontal_alignment="right"):
                _draw_other_buttons(model, state)
            _draw_trouble(_find_trouble(stock, model.base))
            _draw_jobs(model.base, stock, checks)
    for status in coming:
        with st.container(border=True):
            draw_job(status, f"download:{status.about.subject}", again=partial(start_download, status.about.subject))
    if not others and not coming:
        st.caption("None but those above. Add the folder of ComfyUI, or of another tool: its files are used where they are.")


def draw_places() -> None:
    """Where models are looked for, and the field for another place; a model of the Hub by its name."""
    with st.container(border=True):
        st.markdown("**Files that are here already**")
        st.markdown("A folder of ComfyUI, Forge or another tool, or one file. Nothing in it is moved, copied or changed.")
        for place in list_places():
            _draw_place(place)
        with st.form("add-place", border=False, enter_to_submit=True):
            st.text_input("Path on the machine where FluxGym runs", key=PATH, placeholder="/workspace/ComfyUI/models")
            st.form_submit_button("Add", icon=":material/add:", on_click=_try, args=(PATH, add_place))
        _draw_refusal(PATH)
    with st.container(border=True):
        st.markdown("**Another model of the Hub**")
        st.markdown("FLUX.1 or FLUX.2 klein in diffusers format. Only the files that a training needs are downloaded.")
        with st.form("download-other", border=False, enter_to_submit=True):
            st.text_input("Name on the Hub", key=NAME, placeholder="owner/model")
            st.form_submit_button("Download", icon=":material/download:", on_click=_try, args=(NAME, start_download))
        _draw_refusal(NAME)


def _draw_title(title: str, state: str) -> None:
    icon, colour, word = STATES[state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(title)}**", width="content")
        st.badge(word, icon=f":material/{icon}:", color=colour)


def _draw_known_buttons(known: Known, state: str, is_barred: bool, has_job: bool) -> None:
    if state in (ABSENT, PARTLY) and not has_job:  # an ended one is tried again where it says why it ended
        label = "Go on" if state == PARTLY else "Download"
        _draw_action(label, "download", known.base, partial(start_download, known.base), is_barred)
    if state == DAMAGED:
        _draw_action("Repair", "build", known.base, partial(start_download, known.base, repair=True))
    if state == HERE and not known.is_here:
        _draw_action("Check", "fact_check", known.base, partial(checksum.start_check, known.base))
    if state != COMING:
        _draw_use(known.base)


def _has_open_job(stock: Stock, base: str) -> bool:
    job = stock.jobs.get(base)
    return job is not None and job.state != DONE


def _draw_other_buttons(model: Shelved, state: str) -> None:
    if model.kind == HUB and state == DAMAGED:
        _draw_action("Repair", "build", model.base, partial(start_download, model.base, repair=True))
    if state == HERE:
        _draw_action("Check", "fact_check", model.base, partial(checksum.start_check, model.base))
        _draw_use(model.base)


def _draw_action(label: str, icon: str, base: str, begin: Callable[[], Any], is_barred: bool = False) -> None:
    """A button that begins a job; what stands in its way is told in the model's row."""
    key = f"{label}:{base}"
    st.button(label, icon=f":material/{icon}:", key=key, disabled=is_barred, on_click=_begin, args=(base, begin))


def _draw_use(base: str) -> None:
    if st.button("Train on it", icon=":material/add_circle:", key=f"use:{base}"):
        base_view.use(base)
        st.switch_page(routes.TRAIN)


def _draw_trouble(problem: str) -> None:
    if problem:
        st.markdown(red(problem[:1].upper() + problem[1:]))


def _find_trouble(stock: Stock, base: str) -> str:
    model = stock.shelved.get(base)
    problems = model.problems if model else ()
    more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
    return st.session_state.pop(f"{REFUSAL}:{base}", "") or (problems[0] + more if problems else "")


def _list_checks() -> dict[str, JobStatus]:
    return {status.about.subject: status for status in list_jobs(checksum.KIND)}


def _draw_jobs(base: str, stock: Stock, checks: dict[str, JobStatus]) -> None:
    if download := stock.jobs.get(base):
        draw_job(download, f"download:{base}", again=partial(start_download, base))
    if (check := checks.get(base)) is None:
        return
    draw_job(check, f"check:{base}", again=partial(checksum.start_check, base))
    if check.state == DONE and check.said and {"known", "unknown"} <= check.said.result.keys():
        st.caption(checksum.tell_result(checksum.Hashed([], check.said.result["known"], check.said.result["unknown"])))
    elif check.state == FAILED and stock.find_state(base) == HERE and base in stock.shelved and stock.shelved[base].kind == HUB:
        _draw_action("Repair", "build", base, partial(start_download, base, repair=True))


def _draw_place(place: Path) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"place:{place}"):
        if place.exists():
            counted = count_pieces(place)
            told = ", ".join(words.plural(counted[key], title) for key, title in COUNTED.items() if counted[key])
            st.markdown(f"{plain(str(place))}  \n:small[{told or 'nothing that belongs to FLUX'}]", width="content")
        else:
            st.markdown(f"{plain(str(place))}  \n:small[:red[is not there any more]]", width="content")
        with st.container(horizontal=True, horizontal_alignment="right"):
            label = "Remove"
            st.button(
                label, key=f"remove:{place}", icon=":material/close:", type="tertiary", on_click=remove_place, args=(place,)
            )


def _draw_refusal(key: str) -> None:
    if refusal := st.session_state.pop(f"{REFUSAL}:{key}", ""):
        st.markdown(red(refusal[:1].upper() + refusal[1:]))


def _try(key: str, act: Callable[[str], Any]) -> None:
    """A form's answer: what is typed stays where it is refused."""
    try:
        act(st.session_state[key].strip())
        st.session_state[key] = ""
    except (ValueError, OSError) as error:
        st.session_state[f"{REFUSAL}:{key}"] = str(error)


def _begin(base: str, begin: Callable[[], Any]) -> None:
    try:
        begin()
    except (ValueError, OSError) as error:
        st.session_state[f"{REFUSAL}:{base}"] = str(error)
