"""The Run page below its title: the answer in five seconds on top, then one of five tabs. Drawn anew every few seconds."""

import streamlit as st

from fluxgym.ui import actions, cards, checkpoint_list, log_panel, sample_grid
from fluxgym.ui.chart import draw_chart
from fluxgym.ui.log_box import draw_log
from fluxgym.ui.text import plain
from fluxgym.view import charts
from fluxgym.view.summary import cause
from trainer.folder import RunFolder

TABS = ["Progress", "Samples", "Checkpoints", "Log", "Settings"]
CHART, QUOTE = 320, 190  # px
RECENT = 6  # columns of samples below the charts; their own tab has all


def draw(folder: RunFolder, label: str) -> None:
    """`label` is the state that the title shows; when it changes the whole page is drawn anew."""
    look = cards.look_at(folder)
    if look.summary.label != label:
        st.rerun()
    if look.status.state == "failed":
        _draw_failure(look)
    else:
        st.markdown(plain(look.summary.sentence))
    st.progress(look.summary.progress, text=plain(look.summary.progress_text))
    with st.grid(6, min_column_width=130, gap=("xxsmall", "small"), key="numbers"):
        for name, value, delta in look.summary.metrics:
            st.metric(name, value, delta, delta_color="inverse", height=88)
    tab = st.segmented_control(
        "Tab", TABS, default=TABS[0], required=True, key="tab", bind="query-params", label_visibility="collapsed"
    )
    with st.container(key=f"tab:{tab}"):
        {
            "Progress": _draw_progress,
            "Samples": sample_grid.draw_all,
            "Checkpoints": checkpoint_list.draw,
            "Log": log_panel.draw_both,
            "Settings": _draw_settings,
        }[tab or TABS[0]](look)


def _draw_progress(look: cards.Look) -> None:
    folder, history = look.folder, look.history
    loss, epochs = st.columns([2, 1])
    with loss.container(border=True, height="stretch"):
        st.markdown("**Loss**")
        alt = f"Loss of {folder.name} by step, from {history.points:,} steps."
        draw_chart(charts.loss_figure(history), f"loss:{folder.name}", CHART, alt)
    with epochs.container(border=True, height="stretch"):
        st.markdown("**Mean loss by epoch**")
        draw_chart(charts.epoch_figure(history), f"epochs:{folder.name}", CHART, f"Mean loss of {folder.name} by epoch.")
    sample_grid.draw_recent(look, RECENT)
    log_panel.draw_closed(look)


def _draw_failure(look: cards.Look) -> None:
    """What happened, why, what is kept, the way on; beside it the last lines."""
    status, log = look.status, look.folder.training_log.name
    with st.container(border=True, key="failure"):
        told, quoted = st.columns([3, 2], gap="medium")
        with told:
            st.markdown(f"**{plain(look.summary.sentence)}**")
            st.markdown(plain(cause(status, look.history)))
            st.markdown(plain(look.summary.next_step))
            with st.container(horizontal=True):
                actions.draw_resume(look.folder, status, is_primary=True)
                actions.draw_again(look.folder, status, is_primary=not (status.resumable or status.can_restart))
        with quoted:
            st.caption(f"Last lines of {log}")
            draw_log(status.last_lines, f"quoted:{look.folder.name}", f"Last lines of {log}", QUOTE, "It is empty.")


def _draw_settings(look: cards.Look) -> None:
    config = look.folder.config
    if not config.is_file():
        st.caption(f"There is no {config.name} in this folder.")
        return
    st.caption(f"{config}: written once, at the start.")
    st.code(config.read_text(encoding="utf-8", errors="replace"), language="toml")
