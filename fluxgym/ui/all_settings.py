"""All settings, on the Train page's third step: by section, or those that a search finds, or those that were changed."""

from collections.abc import Iterable, Sequence

import streamlit as st

from fluxgym.form import form
from fluxgym.form.catalogue import SECTIONS, Setting, list_settings, search
from fluxgym.ui import care_fields, fields
from fluxgym.ui.text import plain, red
from fluxgym.view import words

OPEN, SEARCH, CHANGED, SECTION = "all-settings", "settings-search", "settings-changed", "settings-section"  # in the session
PLACE = "all"  # what is also among the form's first steps has a widget of its own here
CLUSTER = "slurm"  # the section that says nothing where there is no cluster
LONGEST = 28  # characters of a default on its button


def draw_all(head: Sequence[str]) -> None:
    """The settings that are not asked of everybody; what is wrong with one is told even while it is out of sight.

    `head`: those that are to be seen above."""
    changes = form.find_changes(fields.values())
    box = st.expander("All settings", key=OPEN, on_change="rerun", icon=":material/tune:")
    shown: list[Setting] = []
    if box.open:
        with box:
            shown = _choose(changes)
            _draw_groups(shown, changes)
    elif changes:
        st.caption(f"Other than usual for the base model: {words.plural(len(changes), 'setting')}.")
    _tell_hidden({setting.key for setting in shown} | {*form.ASKED, *head})


def list_sections() -> dict[str, list[Setting]]:
    """The settings by section, without those that the form's first steps ask for."""
    settings = [setting for setting in list_settings() if setting.key not in form.ASKED]
    return {name: found for name in SECTIONS if (found := [each for each in settings if each.section == name])}


def _choose(changes: form.Values) -> list[Setting]:
    """What is to be seen: a search looks at all of them."""
    looked, toggle = st.columns([3, 1], vertical_alignment="bottom")
    with looked:
        text = st.text_input(
            "Search",
            key=SEARCH,
            live=True,
            type="search",
            placeholder="Search by name or meaning: warm-up, memory, tags",
            label_visibility="collapsed",
            icon=":material/search:",
        )
    with toggle:
        only_changed = st.toggle("Changed only", key=CHANGED, disabled=not changes and not st.session_state.get(CHANGED))
    sections = list_sections()
    counts = {name: sum(each.key in changes for each in found) for name, found in sections.items()}
    if text or only_changed:
        found = search(text or "")
        return [each for each in found if each.key not in form.ASKED and (each.key in changes or not only_changed)]
    if not counts[CLUSTER] and not care_fields.offers_slurm(str(fields.values()[f"{form.CARE}place"])):
        del sections[CLUSTER]
        if st.session_state.get(SECTION) == CLUSTER:
            del st.session_state[SECTION]
    section = st.pills(
        "Section",
        list(sections),
        default=next(iter(sections)),
        required=True,
        key=SECTION,
        format_func=lambda name: SECTIONS[name] + (f" ({counts[name]})" if counts[name] else ""),
        label_visibility="collapsed",
    )
    return sections[section or next(iter(sections))]


def _draw_groups(shown: Iterable[Setting], changes: form.Values) -> None:
    """Below the name of each section, where there are several."""
    groups: dict[str, list[Setting]] = {}
    for setting in shown:
        groups.setdefault(setting.section, []).append(setting)
    if not groups:
        st.caption("Nothing is called so.")
    for section, settings in groups.items():
        if len(groups) > 1:
            st.markdown(f"**{SECTIONS[section]}**")
        with st.grid(3, min_column_width=190):
            for setting in settings:
                _draw_cell(setting, changes)


def _draw_cell(setting: Setting, changes: form.Values) -> None:
    with st.container(gap="xsmall"):
        fields.draw(setting.key, PLACE)
        if setting.key in changes:
            _draw_way_back(setting, changes)


def _draw_way_back(setting: Setting, changes: form.Values) -> None:
    usual = setting.show(changes[setting.key])
    shown = usual if len(usual) <= LONGEST else f"{usual[:LONGEST]} ..."
    st.button(
        f"Back to {plain(shown)}",
        key=f"back:{setting.key}",
        type="tertiary",
        icon=":material/undo:",
        help=f"It was changed; {plain(usual)} is usual for the base model.",
        on_click=fields.change,
        args=({setting.key: changes[setting.key]},),
    )


def _tell_hidden(seen: set[str]) -> None:
    """What is wrong with settings that are not to be seen, each with a way to it."""
    for setting in list_settings():
        if setting.key in seen or not fields.is_told(setting.key):
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(red(f"{setting.label}: {st.session_state.problems[setting.key]}"), width="content")
            st.button("Show", key=f"show:{setting.key}", type="tertiary", on_click=_show, args=(setting.key,))


def _show(key: str) -> None:
    st.session_state[OPEN], st.session_state[SEARCH], st.session_state[CHANGED] = True, key, False
