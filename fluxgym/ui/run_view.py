"""The Run page below its title: the answer in five seconds on top, then one of five tabs. Drawn anew every few seconds."""

import streamlit as st

from fluxgym.ui import actions, cards, checkpoint_list, log_panel, progress_tab, sample_grid
from fluxgym.ui.header import name_tab
from fluxgym.ui.log_box import draw_log
from fluxgym.ui.text import plain
from fluxgym.view.ended import tell_cause, tell_fix, tell_kept
from fluxgym.view.summary import tell_tab
from fluxgym.view.way_on import find_way_on
from trainer.folder import RunFolder

SETTINGS = "Settings"
TABS = ["Progress", "Samples", "Checkpoints", "Log", SETTINGS]
QUOTE = 190  # px


def tab_in_view() -> str:
    """The tab that was chosen, or that the address names."""
    tab = st.session_state.get("tab") or st.query_params.get("tab")
    return tab if tab in TABS else TABS[0]


def draw(folder: RunFolder, face: tuple[object, ...], with_settings: bool) -> None:
    """`face` and `with_settings`: what lies outside of this part. When that must change the whole page is drawn anew."""
    look = cards.look_at(folder)
    if cards.find_face(look) != face or (tab_in_view() == SETTINGS) != with_settings:
        st.rerun()
    name_tab(tell_tab(folder.title, look.summary))
    if look.status.state == "failed":
        _draw_failure(look)
    else:
        st.markdown(plain(look.summary.sentence))
    st.progress(look.summary.progress, text=plain(look.summary.progress_text))
    cards.draw_numbers(look.summary)
    tab = st.segmented_control(
        "Tab", TABS, default=TABS[0], required=True, key="tab", bind="query-params", label_visibility="collapsed"
    )
    if tab == SETTINGS:  # what can be changed lies outside of this part: run_settings.py
        return
    with st.container(key=f"tab:{tab}"):
        {
            "Progress": progress_tab.draw,
            "Samples": sample_grid.draw_all,
            "Checkpoints": checkpoint_list.draw,
            "Log": log_panel.draw_both,
        }[tab or TABS[0]](look)


def _draw_failure(look: cards.Look) -> None:
    """What happened, why, what is kept, the way on; beside it the last lines."""
    status, log = look.status, look.folder.training_log.name
    way = find_way_on(look.folder, status)
    kept = tell_kept(status, look.history, way.label) if way else tell_kept(status, look.history)
    with st.container(border=True, key="failure"):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            st.markdown(f"**{plain(look.summary.sentence)}**")
            for told in (tell_cause(status, look.history), tell_fix(status), kept):
                if told:
                    st.markdown(plain(told))
            with st.container(horizontal=True):
                way = actions.draw_way_on(look.folder, way)
                if way and way.told:
                    actions.draw_resume(look.folder, status)
                actions.draw_choose_state(look.folder, status)
                if way:
                    actions.draw_again(look.folder)
            if way and way.told:
                st.caption(plain(way.told))
        with right:
            st.caption(f"Last lines of {log}")
            draw_log(status.last_lines, f"quoted:{look.folder.name}", f"Last lines of {log}", QUOTE, "It is empty.", wrap=True)
