"""The Run page: one run, alive? where? any good? what next? The run and the tab are in the address."""

from functools import partial

import streamlit as st

from fluxgym.run.folders import NoSuchRun, find_run
from fluxgym.ui import (
    actions,
    cards,
    checkpoint_list,
    old_logs_view,
    opened_view,
    publish_dialog,
    routes,
    run_settings,
    run_view,
    runs_view,
    share_dialog,
    sweep_view,
)
from fluxgym.ui.header import draw_header
from fluxgym.ui.live import live
from fluxgym.ui.text import plain
from fluxgym.view.order import find_latest
from fluxgym.view.summary import tell_tab

name = routes.run_in_view() or find_latest()
if name is None:
    draw_header("No run yet", "Run - FluxGym")
    st.markdown("Here you will see how a training goes.")
    runs_view.draw_welcome()
    st.stop()
try:
    folder = opened_view.look(find_run(name))
except NoSuchRun as error:
    draw_header("No such run")
    said = str(error)
    st.markdown(plain(f"{said[0].upper()}{said[1:]}"))
    routes.forget_run()
    if st.button("Show all runs", type="primary", icon=":material/view_list:"):
        st.switch_page(routes.RUNS)
    st.stop()

routes.show_run(name)
look = cards.look_at(folder)
beside, right = draw_header(folder.title, tell_tab(folder.title, look.summary))
with beside:
    cards.draw_badge(look.summary)
    actions.draw_granted(folder, look.history)
    sweep_view.draw_way(folder)
with right:
    actions.draw_wishes(folder, look.status, look.history, look.is_learning)
    actions.draw_moves(folder, look.status)
    actions.draw_stop(folder, look.status)
    if look.status.state != "failed":
        actions.draw_again(folder)
        actions.draw_choose_state(folder, look.status)
        actions.draw_resume(folder, look.status, "primary")
    share_dialog.draw_button(folder)
    actions.draw_download(folder, look.status)
actions.answer()
checkpoint_list.answer(folder)
publish_dialog.answer(folder)
old_logs_view.answer(folder)
opened_view.draw_where(folder)
share_dialog.answer(folder)
with_settings = run_view.tab_in_view() == run_view.SETTINGS
live(partial(run_view.draw, folder, cards.find_face(look), with_settings), key="run")
if with_settings:
    run_settings.draw(folder, look.status)
