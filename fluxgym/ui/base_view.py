"""The choice of the base model on the Train page: those known by name, those on this machine, or whatever else is typed."""

from functools import partial

import streamlit as st

from fluxgym.form import form
from fluxgym.models.download import start_download
from fluxgym.models.known import find_known
from fluxgym.models.token import find_token_problem
from fluxgym.ui import fields, routes
from fluxgym.ui.bind import bind_choice
from fluxgym.ui.job_view import draw_job
from fluxgym.ui.text import plain, red
from fluxgym.view import model_words
from fluxgym.view.model_words import ABSENT, COMING, DAMAGED, PARTLY, Stock, take_stock

REFUSAL = "base-refusal"


def draw_base() -> None:
    """What there is to choose, what the chosen one costs, and whether it can be had."""
    stock, held = take_stock(), fields.values()["model.base"]
    choices = model_words.list_choices(stock)
    chosen = st.session_state.get("base")
    if chosen not in choices or st.session_state.base_of != held:
        chosen = held if held in choices else ""
    st.session_state.base_of = held
    st.selectbox(
        "Base model",
        choices,
        **bind_choice("base", chosen, choices),
        format_func=partial(model_words.name_choice, stock),
        on_change=_choose_base,
        help=form.explain("model.base"),
    )
    if st.session_state.base == "":
        fields.text("model.base", "Folder, file, or name on the Hub", placeholder="models/my-flux, or owner/name")
        st.caption("FLUX.1 or FLUX.2 klein in diffusers format, or a .safetensors file with the transformer.")
    else:
        fields.show_problem("model.base")
        _draw_chosen(stock, held)


def use(base: str) -> None:
    """Puts a base model into the form, with what suits it and the parts that a single file lacks."""
    stock, values = take_stock(), form.default_values()
    parts = {key: values[key] for key in form.PARTS}  # those of another model do not fit
    if model := stock.shelved.get(base):
        parts |= {f"model.{name}": path for name, path in model.parts.items()}
    fields.change(form.follow(fields.values(), {**parts, "model.base": base}))


def _choose_base() -> None:
    use(st.session_state.base)


def _draw_chosen(stock: Stock, base: str) -> None:
    known, model, state = find_known(base), stock.shelved.get(base), stock.find_state(base)
    if known:
        st.caption(" ".join(filter(None, (plain(known.note), model_words.tell_terms(known)))))
    elif model:
        st.caption(plain(" ".join(filter(None, (f"{model.family}, {base}.", model_words.tell_parts(model))))))
        if find_token_problem(model.parts.get("tokenizers", "")):
            st.caption(f":material/key: {model_words.NEEDS_TOKEN}")
            _draw_way("Store a token")
    if state == DAMAGED and model:
        st.markdown(red(model.problems[0][:1].upper() + model.problems[0][1:]))
        _draw_way("Look at the models")
    if known and state in (ABSENT, PARTLY):
        _draw_download(known.base)
    job = stock.jobs.get(base)
    if job and (state == COMING or job.state != "done"):
        draw_job(job, "base", again=partial(start_download, base))


def _draw_download(base: str) -> None:
    if find_token_problem(base):
        st.caption(f":material/key: {model_words.NEEDS_TOKEN}")
        _draw_way("Store a token")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Download now", key="download-base", icon=":material/download:", on_click=_download, args=(base,))
        st.caption("Or it is downloaded when the training starts.", width="content")
    if refusal := st.session_state.pop(REFUSAL, None):
        st.markdown(red(refusal))


def _draw_way(label: str) -> None:
    """To the Models page."""
    if st.button(label, key=f"to-models:{label}", icon=":material/deployed_code:", type="tertiary"):
        st.switch_page(routes.MODELS)


def _download(base: str) -> None:
    try:
        start_download(base)
    except (ValueError, OSError) as error:
        st.session_state[REFUSAL] = str(error)
