"""Several values on the Train page: which settings, which values of each, the runs that come of them, and their start."""

from dataclasses import replace

import streamlit as st

from fluxgym.form import form
from fluxgym.form.catalogue import SECTIONS, Setting, find_setting
from fluxgym.form.check import Checked
from fluxgym.preflight.checks import preflight
from fluxgym.preflight.report import Report
from fluxgym.sweep.begin import begin_sweep, find_odd
from fluxgym.sweep.grid import Trial
from fluxgym.sweep.look import preflight_sweep
from fluxgym.sweep.tried import Tried, begin_text, check_tried, find_hardest, list_untried, read_texts, write_texts
from fluxgym.ui import fields
from fluxgym.ui.bind import bind
from fluxgym.ui.text import plain, red
from fluxgym.view import words
from fluxgym.view.compare import tell_value
from fluxgym.view.needs_words import Needs
from trainer.config import Config, dump_config
from trainer.folder import RunFolder

ADD, OPEN, PREFIX = "sweep-add", "sweep-open", "sweep:"  # in the session
MOST_TOLD = 5  # warnings
NAME_AND_VALUES = (2, 4.6)  # widths
HINT = "Values with commas between them"


def look(checked: Checked) -> Tried | None:
    """What is tried, and what is wrong with it; None where nothing is."""
    if not read_texts(fields.values()):
        return None
    return check_tried(fields.values(), None if checked.problems else checked.config)


def draw(tried: Tried | None) -> None:
    """The box below the steps."""
    values = fields.values()
    texts = read_texts(values)
    if texts and OPEN not in st.session_state:
        st.session_state[OPEN] = True
    box = st.expander("Try several values", key=OPEN, on_change="rerun", icon=":material/grid_on:")
    if not box.open:
        return
    with box:
        st.caption("One run for each combination, one after another or side by side, compared on one page.")
        for key in texts:
            _draw_axis(key, tried)
        untried = {setting.key: setting for setting in list_untried(texts)}
        st.selectbox(
            "Vary a setting",
            list(untried),
            index=None,
            key=ADD,
            format_func=lambda key: _name(untried[key]) if key in untried else key,
            placeholder="Choose a setting to vary" if not texts else "Vary another setting too",
            label_visibility="collapsed",
            on_change=_add,
        )
        if tried:
            _draw_runs(tried)


def _draw_axis(key: str, tried: Tried | None) -> None:
    """A setting, the values to try, and the way to leave it out."""
    setting = find_setting(key)
    assert setting, key
    name, typed = st.columns(NAME_AND_VALUES, vertical_alignment="center")
    name.markdown(f"**{plain(_name(setting))}**", help=setting.help)
    widget, text = f"{PREFIX}{key}", read_texts(fields.values())[key]
    shown = st.session_state.get(widget) or ""
    bound = bind(widget, shown if shown.strip() == text.strip() else text)
    told = "Do not vary it: it stays as it is set above."
    with typed, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        common = {"label_visibility": "collapsed", "placeholder": HINT, "live": True}
        st.text_input(f"Values of {setting.label}", on_change=_keep, args=(key,), **common, **bound)
        away = {"icon": ":material/close:", "type": "tertiary", "help": told}
        st.button("", key=f"sweep-away:{key}", on_click=_drop, args=(key,), **away)
    if tried and key in tried.wrong:
        below = st.columns(NAME_AND_VALUES)[1]  # in a row of its own, so that the name stays beside its field
        below.markdown(red(_begin(tried.wrong[key])))


def _begin(problem: str) -> str:
    """As a sentence, where it does not begin with the name of a run."""
    return f"G{problem[1:]}" if problem.startswith("got ") else problem


def _name(setting: Setting) -> str:
    """As the form calls it, and what tells it from others of that name: Learning rate, Samples: Guidance."""
    section = SECTIONS[setting.section]
    return f"{section}: {setting.label}"


def _draw_runs(tried: Tried) -> None:
    """What would be begun, or what stands against it."""
    for problem in tried.problems:
        st.markdown(red(_begin(problem)))
    if not tried.trials:
        if not tried.problems and not tried.wrong:
            st.caption("The runs are listed here once nothing is wrong above.")
        return
    is_begun = len(tried.missing) < len(tried.trials)
    rows = [
        {
            "Run": trial.name,
            **{axis.setting.label: tell_value(axis.key, trial.chosen[axis.key]) for axis in tried.axes},
            "Steps": words.steps(trial.plan.total_steps if trial.plan else None),
            **({"": "" if trial in tried.missing else "there already"} if is_begun else {}),
        }
        for trial in tried.trials
    ]
    st.dataframe(rows, hide_index=True)
    for told in find_odd(tried.trials)[:MOST_TOLD]:
        st.markdown(f":small[:orange[:material/warning:] {plain(told)}]")
    runs, steps = words.plural(len(tried.missing), "run"), words.plural(tried.total_steps, "step")
    st.caption(f"{runs} to begin, {steps} in all.")


# ---- what is kept ----------------------------------------------------------------------------------------------------
def _keep(key: str) -> None:
    texts = read_texts(fields.values())
    fields.change(write_texts(texts | {key: st.session_state[f"{PREFIX}{key}"] or ""}))


def _add() -> None:
    if key := st.session_state[ADD]:
        setting = find_setting(key)
        assert setting, key
        texts = read_texts(fields.values())
        fields.change(write_texts(texts | {key: begin_text(setting, fields.values())}))
    st.session_state[ADD] = None


def _drop(key: str) -> None:
    texts = read_texts(fields.values())
    texts.pop(key, None)
    fields.change(write_texts(texts))


# ---- the plan and the start ------------------------------------------------------------------------------------------
def name_start(tried: Tried | None) -> str:
    """What the button says."""
    if tried is None or not tried.missing:
        return "Start"
    count = len(tried.missing)
    return "Start 1 run" if count == 1 else f"Start all {count:,}"


def pick_hardest(checked: Checked, tried: Tried | None) -> Checked:
    """The form as that one of several runs has it which needs most: by it memory, disk and time are told."""
    if tried is None or not tried.missing:
        return checked
    hardest, sizes = find_hardest(tried.missing)
    return replace(checked, config=hardest.config, plan=hardest.plan, sizes=sizes)


def draw_sum(tried: Tried | None, needs: Needs | None = None) -> None:
    """What several runs come to, below the plan of one. `needs`: of the one that needs most."""
    if tried is None:
        return
    if tried.problems or tried.wrong:
        st.markdown(red("There is something to set right below Try several values."))
    if not tried.missing:
        return
    count = len(tried.missing)
    sums = [words.plural(count, "run"), f"{words.plural(tried.total_steps, 'step')} in all"]
    if needs and needs.expected:
        sums.append(f"at most about {words.duration(needs.expected.step_seconds * tried.total_steps)} for the steps alone")
    st.caption(f"**{', '.join(sums)}.** " + "Memory, disk and time above are of the one that needs most." * (count > 1))
    if needs and needs.disk.outputs * count > needs.disk.free:
        disk = f"up to {words.size(needs.disk.outputs * count)} of the {words.size(needs.disk.free)} that are free"
        st.markdown(red(f"All of them together may fill the disk: {disk}."))


def can_begin(checked: Checked, tried: Tried | None) -> bool:
    """Whether nothing is wrong, with the form or with what is tried."""
    return not checked.problems and (tried is None or tried.can_begin)


def tell_all(config: Config, tried: Tried | None, place: str) -> str:
    """All that would begin, as text: the settings, and the runs by their names, which say what is varied."""
    names = [trial.name for trial in tried.missing] if tried else []
    return "\n".join([f"# {place}", dump_config(config), *names])


def look_before(config: Config, tried: Tried | None, place: str) -> Report:
    """The look before the start, at all runs. `config`: of one run. `place`: as Care.place has it."""
    if not tried:
        return preflight(config, place=place)
    return preflight_sweep(tried.missing, find_hardest(tried.missing)[0].config, place)


def begin(sweep: str, tried: Tried) -> None:
    """Begins all that are missing. Raises as begin_sweep does; Start goes on with the others then."""
    values = dict(fields.values())

    def prepare(folder: RunFolder, trial: Trial) -> None:
        form.write_values(folder, values | trial.chosen | {"name": trial.name, form.TRIED: ""})

    with st.spinner(f"Starting {words.plural(len(tried.missing), 'run')} ..."):
        for _ in begin_sweep(sweep, tried.trials, form.to_care(values), prepare):
            continue
