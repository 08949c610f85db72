"""Who has access, on the Settings page: the valid links to all runs, each to be revoked, and the way out for this browser."""

import streamlit as st

from fluxgym.access.links import Link, ShareError, list_links, revoke_all
from fluxgym.access.owner import OPEN, is_open
from fluxgym.run.index import list_shared
from fluxgym.ui.share_dialog import draw_words, end, name_link, shown
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from trainer.folder import RunFolder

ASKED, ENDED = "links-asked", "links-ended"
LOG_OUT = """<style>
.fluxgym-log-out{display:inline-block;border:1px solid rgba(128,128,128,.35);border-radius:.5rem;padding:.5rem .8rem;
font-size:.875rem;line-height:1.6;color:inherit!important;text-decoration:none!important}
.fluxgym-log-out:is(:hover,:focus-visible){border-color:var(--st-primary-color,#0B6E6E);color:var(--st-primary-color,#0B6E6E)!important}
</style><a class="fluxgym-log-out" href="logout" target="_self">Log out</a>"""


def draw() -> None:
    """Two boxes: the links, then this browser."""
    links, damaged = find_links()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Links**", width="content")
            if len(links) > 1 and st.button("Revoke all", icon=":material/link_off:", key="revoke-all"):
                st.session_state[ASKED] = True
                st.rerun()
        if ended := st.session_state.pop(ENDED, ""):
            st.markdown(f":small[:green[:material/check_circle: {plain(ended)}]]")
        if not links and not damaged:
            st.caption("Nobody has a link. One is made with Share on the page of a run; it shows that run and nothing else.")
        for folder, problem in damaged:
            _draw_damaged(folder, problem)
        for link in links:
            _draw_link(link)
    _draw_browser()


def answer() -> None:
    """The dialog that a button asked for. Once a page."""
    if st.session_state.pop(ASKED, False):
        _ask_to_revoke_all()


def find_links() -> tuple[list[Link], list[tuple[RunFolder, str]]]:
    """The valid links to all runs, the newest first, and the runs whose share.json cannot be read, with why."""
    links: list[Link] = []
    damaged: list[tuple[RunFolder, str]] = []
    for folder in list_shared():
        try:
            links += [link for link in list_links(folder) if link.is_valid()]
        except ShareError as error:
            damaged.append((folder, shown(str(error))))
    return sorted(links, key=lambda link: (-link.created, link.id)), damaged


def _draw_link(link: Link) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"link:{shown(link.folder.name)}:{link.id}"):
        draw_words(link, f"{shown(link.folder.title)}: {name_link(link)}")
        if st.button("Revoke", icon=":material/link_off:", key=f"revoke:{shown(link.folder.name)}:{link.id}"):
            try:
                st.session_state[ENDED] = end(link)
            except (ShareError, OSError) as error:
                st.session_state.refusal = str(error)
            st.rerun()


def _draw_damaged(folder: RunFolder, problem: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"damaged:{shown(folder.name)}"):
        st.markdown(red(f"{problem[:1].upper()}{problem[1:]}."))
        if st.button("Revoke all of it", icon=":material/link_off:", key=f"mend:{shown(folder.name)}"):
            _revoke([folder])
            st.rerun()


def _draw_browser() -> None:
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", key="this-browser"):
        with st.container(gap=None):
            st.markdown("**This browser**")
            if is_open():
                st.caption(f"No key is asked for, since {OPEN} is set: whoever reaches this server is its owner.")
            else:
                st.caption("It is signed in as the owner. Trainings go on without it, and links stay valid.")
        if not is_open():
            st.html(LOG_OUT, width="content")


@st.dialog("Revoke all links?", icon=":material/link_off:")
def _ask_to_revoke_all() -> None:
    links, damaged = find_links()
    folders = list(dict.fromkeys([*(link.folder for link in links), *(folder for folder, _ in damaged)]))
    told = f"{words.plural(len(links), 'link')} to {words.plural(len(folders), 'run')} end"
    st.markdown(f"{told} for good, and pages that show them within seconds. Whoever is to look again needs a new one.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep them"):
            st.rerun()
        if st.button("Revoke all", type="primary", key="revoke-all-confirmed", on_click=_revoke, args=(folders,)):
            st.rerun()


def _revoke(folders: list[RunFolder]) -> None:
    """As many as can be; what hinders the others is told."""
    ended, hindered = 0, []
    for folder in folders:
        try:
            ended += revoke_all(folder)
        except OSError as error:
            hindered.append(f"the links to {folder.title} are still valid: {error}")
    st.session_state[ENDED] = (
        f"{words.plural(ended, 'link')} revoked. Pages that show them end within seconds." if ended else ""
    )
    if hindered:
        st.session_state.refusal = "; ".join(hindered)
