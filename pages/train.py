"""The Train page: three steps to a training, the plan beside them, Start."""

import streamlit as st

from fluxgym.form import form
from fluxgym.form.check import check_form
from fluxgym.run.launch import RunError, create_run, start_run
from fluxgym.ui import fields, import_view, live, plan_view, preflight_view, routes, settings_view, train_form
from fluxgym.ui.header import draw_header
from fluxgym.ui.text import plain

_, right = draw_header("New training")
with right:
    if st.button("Try the demo", icon=":material/science:", help="Fills in everything: flux-mini learns a small robot."):
        fields.fill(form.demo_values())
    fields.draw_undo()

checked = check_form(fields.values())
st.session_state.problems = checked.problems
with right:
    import_view.draw_buttons(checked)
import_view.draw_report()

steps, beside = st.columns([2.4, 1], gap="medium")
with beside:
    pressed = plan_view.draw_plan(checked)
with steps:
    train_form.draw_about(checked)
    train_form.draw_images(checked)
    settings_view.draw_settings(checked)

fields.send_while_typed()
live.come_back()
if pressed:
    st.session_state.start_pressed = True
    if checked.problems or not checked.config:
        st.rerun()
with beside:
    is_on = checked.config and not checked.problems and preflight_view.look(checked.config, pressed)
if not is_on or not checked.config:
    st.stop()

try:
    folder = create_run(checked.config)
    form.write_values(folder, fields.values())
    start_run(folder, care=form.to_care(fields.values()))
except (RunError, OSError) as error:
    beside.error(f"It was not started: {plain(str(error))}", icon=":material/error:")
    st.stop()
st.session_state.start_pressed = False
fields.fill(form.default_values())
routes.open_run(folder.name)
