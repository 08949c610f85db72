"""The Train page: three steps to a training, the plan beside them, Start."""

from functools import partial

import streamlit as st

from fluxgym.form import form
from fluxgym.form.check import check_form
from fluxgym.run.create import create_run
from fluxgym.run.launch import start_run
from fluxgym.ui import fields, import_view, live, plan_view, preflight_view, routes, settings_view, sweep_form, train_form
from fluxgym.ui.header import draw_header
from fluxgym.ui.text import plain

_, right = draw_header("New training")
with right:
    if st.button("Try the demo", icon=":material/science:", help="Fills in everything: flux-mini learns a small robot."):
        fields.fill(form.demo_values())
    fields.draw_undo()

checked = check_form(fields.values())
st.session_state.problems = checked.problems
tried = sweep_form.look(checked)
with right:
    import_view.draw_buttons(checked)
import_view.draw_report()

steps, beside = st.columns([2.4, 1], gap="medium")
with beside:
    pressed = plan_view.draw_plan(checked, tried)
with steps:
    train_form.draw_about(checked)
    train_form.draw_images(checked)
    settings_view.draw_settings(checked)
    sweep_form.draw(tried)

fields.send_while_typed()
live.come_back()
can_begin = sweep_form.can_begin(checked, tried)
if pressed:
    st.session_state.start_pressed = True
    if not can_begin:
        st.rerun()
if not can_begin or not checked.config:
    st.stop()
place = form.to_care(fields.values()).place
with beside:
    said = sweep_form.tell_all(checked.config, tried, place)
    is_on = preflight_view.look(said, partial(sweep_form.look_before, checked.config, tried, place), pressed)
if not is_on:
    st.stop()

name = checked.config.name
try:
    if tried:
        sweep_form.begin(name, tried)
    else:
        folder = create_run(checked.config)
        form.write_values(folder, fields.values())
        start_run(folder, care=form.to_care(fields.values()))
except (ValueError, OSError) as error:  # a RunError or SweepError: the message says what can be done
    beside.error(f"{'Not all were' if tried else 'It was not'} started: {plain(str(error))}", icon=":material/error:")
    st.stop()
st.session_state.start_pressed = False
fields.fill(form.default_values())
if tried:
    routes.open_sweep(name)
routes.open_run(name)
