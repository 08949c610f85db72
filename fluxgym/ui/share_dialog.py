"""Share: the button and the dialog that make a link to a run, tell it once, and list and end those there are.

A link's token is kept nowhere but in the session of the browser that made it, so that it can be told again until that ends.
"""

import time
from functools import partial
from pathlib import Path

import streamlit as st

from fluxgym.access import address
from fluxgym.access.links import DAYS, LONGEST_LABEL, PARTS, Link, ShareError, list_links, make_link, revoke, revoke_all
from fluxgym.run.folders import is_text, outputs_root
from fluxgym.ui import freeze, routes
from fluxgym.ui.link_box import draw_link
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from fluxgym.view.link_words import tell_parts, tell_seen, tell_valid
from trainer.folder import RunFolder

ASKED, DONE = "share-asked", "share-done"  # that it is to be opened; the button that is there as long as it is open
MADE, SHOWN = "share-made", "share-shown"  # tokens by the ids of their links; the id of the link that is told just now
LABEL, VALID, PART = "share-label", "share-valid", "share-part"
REFUSAL, ENDED = "share-refusal", "share-ended"
VALIDITY: dict[str, float | None] = {"1 day": 1, "7 days": DAYS, "30 days": 30, "For ever": None}
USUAL_VALIDITY, USUAL = "7 days", ("log", "samples")
HOLDS = (
    "A LoRA file can draw what it learned, faces too, and may name folders, settings and words of captions in its header. "
    "Once downloaded it cannot be taken back."
)


def draw_button(folder: RunFolder) -> None:
    """The button. `answer` opens the dialog, outside of the refreshing part. What is gone has none."""
    if folder.path.is_dir() and st.button("Share", icon=":material/share:", key=f"share:{folder.name}"):
        st.session_state[ASKED] = True
        st.session_state.pop(SHOWN, None)


def answer(folder: RunFolder) -> None:
    """The dialog, where it was asked for. It stays open while the page around it is drawn anew, and not after another page was
    looked at: the session has forgotten its button then. Once a page."""
    if st.session_state.pop(ASKED, False) or _key(folder) in st.session_state:
        dialog = st.dialog("Share this run", icon=":material/share:", width="medium", on_dismiss=partial(_close, folder))
        dialog(_draw)(folder)


def base_in_view() -> str:
    """The server's address for others: what FLUXGYM_URL says, or as this browser has it. Raises ValueError."""
    if base := address.told_base():
        return base
    url = st.context.url
    return address.base_of_page(url, Path(routes.RUN).stem) if url else address.public_base(outputs_root())


def _key(folder: RunFolder) -> str:
    return f"{DONE}:{folder.name}"


def _close(folder: RunFolder) -> None:
    st.session_state.pop(_key(folder), None)


def _draw(folder: RunFolder) -> None:
    try:
        links = list_links(folder)
    except ShareError as error:
        _draw_damaged(folder, error)
    else:
        _draw_new(folder, links)
        _draw_list(folder, links)
    with st.expander("As one file, without a link", icon=":material/ac_unit:"):
        freeze.draw_freeze(folder)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Done", key=_key(folder)):
            _close(folder)
            st.rerun()


def _draw_damaged(folder: RunFolder, error: ShareError) -> None:
    said = str(error)
    st.markdown(red(f"{said[:1].upper()}{said[1:]}."))
    st.button("Revoke all", icon=":material/link_off:", key="share-mend", on_click=_revoke_all, args=(folder,))
    _draw_refusal()


def _draw_new(folder: RunFolder, links: list[Link]) -> None:
    """The form, or the link that was just made with it."""
    try:
        base = base_in_view()
    except ValueError as error:
        said = str(error)
        st.markdown(red(f"No link can be made: {said}."))
        return
    made = st.session_state.get(MADE, {})
    shown = next((link for link in links if link.id == st.session_state.get(SHOWN) and link.id in made), None)
    if shown:
        draw_link(address.link_url(base, made[shown.id]), folder.title, key=f"link:{shown.id}")
        st.caption(
            f"It is {tell_valid(shown)} and shown only now: nobody can look it up later. Until you close or reload this page "
            "it can be told again from the list below."
        )
        if told := address.tell_reach(base):
            st.caption(f":material/info: {plain(told)}")
        st.button("Make another link", icon=":material/add_link:", on_click=_show, args=(None,))
    else:
        _draw_form(folder, address.tell_reach(base))
    _draw_refusal()


def _draw_form(folder: RunFolder, reach: str) -> None:
    st.markdown(
        "A link shows this run to whoever has it, and nothing else; nothing can be pressed there. Keys, paths and names of "
        "this machine are taken out of its texts."
    )
    with st.form("share-form", border=False):
        st.text_input("For whom", key=LABEL, max_chars=LONGEST_LABEL, placeholder="Ana, or the forum; only you see this")
        st.segmented_control("Valid for", list(VALIDITY), default=USUAL_VALIDITY, required=True, key=VALID)
        st.markdown("It shows progress and charts, and")
        for part, text in PARTS.items():
            st.checkbox(text, part in USUAL, key=f"{PART}:{part}")
        st.caption(HOLDS)
        if reach:
            st.caption(f":material/info: {plain(reach)}")
        st.form_submit_button("Make a link", type="primary", icon=":material/add_link:", on_click=_make, args=(folder,))


def _draw_list(folder: RunFolder, links: list[Link]) -> None:
    if ended := st.session_state.pop(ENDED, ""):
        st.markdown(f":small[:green[:material/check_circle: {plain(ended)}]]")
    if not links:
        return
    st.markdown("**Links to this run**")
    for link in links:
        with st.container(horizontal=True, vertical_alignment="center", key=f"share-row:{link.id}"):
            draw_words(link, name_link(link))
            with st.container(horizontal=True, width="content"):
                if link.is_valid() and link.id in st.session_state.get(MADE, {}) and link.id != st.session_state.get(SHOWN):
                    st.button("Show", icon=":material/qr_code:", key=f"share-show:{link.id}", on_click=_show, args=(link.id,))
                label, icon = ("Revoke", "link_off") if link.is_valid() else ("Remove", "close")
                st.button(label, icon=f":material/{icon}:", key=f"revoke:{link.id}", on_click=_revoke, args=(link,))


def name_link(link: Link) -> str:
    """By what a person knows it."""
    return shown(link.label) or f"Link {link.id}"


def shown(name: str) -> str:
    """A name that can be sent to a browser: one typed in a terminal, or of a folder, may be of any bytes."""
    return name if is_text(name) else ascii(name)


def draw_words(link: Link, name: str) -> None:
    """What is known of a link. On a phone it has a row of its own, above the buttons."""
    made = words.age(time.time() - link.created)
    with st.container(gap=None, key=f"link-words:{shown(link.folder.name)}:{link.id}"):
        st.markdown(f"**{plain(name)}**")
        st.caption(plain(f"Made {made}, {tell_valid(link)}; {tell_seen(link)}. Shows {tell_parts(link.parts)}."))


def end(link: Link) -> str:
    """Ends a link; says so. Raises ShareError, OSError."""
    revoke(link.folder, link.id)
    st.session_state.get(MADE, {}).pop(link.id, None)
    return f"Revoked: {name_link(link)}. Pages that show it end within seconds." if link.is_valid() else ""


def _make(folder: RunFolder) -> None:
    """A callback: what it makes, or what hinders it, is drawn after it."""
    parts = [part for part in PARTS if st.session_state.get(f"{PART}:{part}")]
    days = VALIDITY[st.session_state.get(VALID) or USUAL_VALIDITY]
    try:
        link, token = make_link(folder, days, st.session_state.get(LABEL) or "", parts)
    except (ShareError, OSError) as error:
        st.session_state[REFUSAL] = f"no link was made: {error}"
    else:
        st.session_state.setdefault(MADE, {})[link.id] = token
        st.session_state[SHOWN] = link.id


def _show(link_id: str | None) -> None:
    st.session_state[SHOWN] = link_id


def _revoke(link: Link) -> None:
    try:
        st.session_state[ENDED] = end(link)
    except (ShareError, OSError) as error:
        st.session_state[REFUSAL] = str(error)


def _revoke_all(folder: RunFolder) -> None:
    try:
        revoke_all(folder)
    except OSError as error:
        st.session_state[REFUSAL] = str(error)


def _draw_refusal() -> None:
    if refusal := st.session_state.pop(REFUSAL, None):
        st.markdown(red(f"{refusal[:1].upper()}{refusal[1:]}"))
