"""The access token of the Hugging Face Hub: stored, looked at, forgotten. It is shown nowhere.

What is typed is taken out of the session as soon as it was sent."""

from pathlib import Path

import streamlit as st

from fluxgym.models.token import TOKENS_PAGE, Token, TokenRefused, ask_owner, find_token, forget_token, store_token
from fluxgym.run.folders import shown_path
from fluxgym.ui.text import plain, red

FIELD, PROBLEM, TOLD = "hub-token", "hub-token-problem", "hub-token-told"


def draw_token() -> None:
    """Whether there is one and from where, and the field for another."""
    token = find_token()
    with st.container(border=True):
        st.markdown("**Access token**")
        st.markdown(
            "For models that are given out to those only who accepted their licence, and for publishing. It is kept where the "
            "Hub's own tools keep it, readable by you alone, and never shown again."
        )
        _draw_where(token)
        if token is None or not token.is_variable:
            _draw_field(token)
        if problem := st.session_state.pop(PROBLEM, None):
            st.markdown(red(problem[:1].upper() + problem[1:]))
        if told := st.session_state.pop(TOLD, None):
            st.markdown(f":green[:material/check_circle:] {plain(told)}")


def _draw_where(token: Token | None) -> None:
    if token is None:
        st.caption("None is here.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        stored = f"Stored in {plain(shown_path_of_home(token.origin))}"
        variable = f"From {token.origin}, a variable of this server's; it counts before a stored one"
        st.markdown(f":material/key: {variable if token.is_variable else stored}", width="content")
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("Ask whose it is", key="ask-token", icon=":material/badge:", type="tertiary", on_click=_ask)
            if not token.is_variable:
                st.button("Forget", key="forget-token", icon=":material/delete:", type="tertiary", on_click=_forget)


def _draw_field(token: Token | None) -> None:
    with st.form("store-token", border=False, enter_to_submit=True):
        st.text_input(
            "Token" if token is None else "Another token",
            type="password",
            key=FIELD,
            placeholder="hf_...",
            autocomplete="off",
            help=f"One that can read is enough for models; publishing needs one that can write. Made at {TOKENS_PAGE}",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.form_submit_button("Store", icon=":material/key:", on_click=_store)
            st.caption(f"[Make one on the Hub]({TOKENS_PAGE})")


def shown_path_of_home(path: str) -> str:
    """As people write it: ~/.cache/huggingface/token."""
    home = str(Path.home())
    return path.replace(home, "~", 1) if path.startswith(f"{home}/") else shown_path(Path(path))


def _store() -> None:
    """Keeps what was typed, where the Hub knows it or cannot be asked."""
    secret = st.session_state[FIELD]
    st.session_state[FIELD] = ""
    try:
        store = f"It is stored. {_tell_owner(secret)}" if secret.strip() else ""
        store_token(secret)
        st.session_state[TOLD] = store
    except (TokenRefused, OSError) as error:
        st.session_state[PROBLEM] = f"Nothing was stored: {error}"


def _ask() -> None:
    if token := find_token():
        try:
            st.session_state[TOLD] = _tell_owner(token.secret)
        except TokenRefused as error:
            st.session_state[PROBLEM] = str(error)


def _tell_owner(secret: str) -> str:
    """Raises TokenRefused."""
    try:
        return f"It is {ask_owner(secret.strip())}'s."
    except OSError as error:
        return f"Whose it is was not found out: {error}."


def _forget() -> None:
    try:
        forget_token()
        st.session_state[TOLD] = "It is forgotten here. Where it may have been seen by others, revoke it on the Hub as well."
    except OSError as error:
        st.session_state[PROBLEM] = f"It could not be forgotten: {error}"
