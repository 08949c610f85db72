"""Presets on the Train page: the dialog that offers them, and what the last one changed, with the way back."""

import streamlit as st

from fluxgym.form import preset
from fluxgym.form.preset import MEMORY, OWN, PURPOSE, Preset, PresetError
from fluxgym.ui import fields
from fluxgym.ui.text import plain, red
from fluxgym.view import words

GROUPS = {MEMORY: "By GPU memory", PURPOSE: "By purpose", OWN: "Your own"}
APPLIED, REFUSED, NAME, SAVED = "preset-applied", "preset-refused", "preset-name", "preset-saved"  # in the session
DONE = "preset-done"  # there: the dialog has done its work, and closes
SHOWN = 8  # changes that are told by name


def draw_button() -> None:
    """Opens the dialog."""
    told = "Settings that go together, for a GPU's memory, for a purpose, or your own. Says what each would change."
    if st.button("Presets", icon=":material/bookmarks:", key="presets", help=told):
        for key in (REFUSED, SAVED, DONE):
            st.session_state.pop(key, None)
        _choose()


def draw_applied() -> None:
    """What the last one changed."""
    if APPLIED not in st.session_state:
        return
    label, told, _ = st.session_state[APPLIED]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="applied"):
        st.caption(f":material/bookmarks: **{plain(label)}**: {plain(told)}", width="content")
        st.button("Undo", icon=":material/undo:", key="undo-preset", type="tertiary", on_click=_take_back)


@st.dialog("Presets", width="large", icon=":material/bookmarks:")
def _choose() -> None:
    if st.session_state.pop(DONE, False):
        st.rerun()
    found = preset.list_presets()
    for kind, title in GROUPS.items():
        presets = [each for each in found if each.kind == kind]
        if presets or kind == OWN:
            st.markdown(f"**{title}**")
        with st.grid(4 if kind == MEMORY else 3, min_column_width=190):
            for each in presets:
                with st.container(border=True, gap="small"):
                    _draw(each)
    _draw_save(any(each.is_own for each in found))


def _draw(each: Preset) -> None:
    st.markdown(f"**{plain(each.label)}**")
    if each.why:
        st.caption(each.why)
    if each.problem:
        st.markdown(red(each.problem))
    changes = preset.find_differences(each, fields.values())
    if not each.problem:
        st.markdown(f":small[{plain(_tell(changes)) if changes else 'All as it is already.'}]")
    with st.container(horizontal=True, gap="small"):
        key = each.path.stem
        if not each.problem:
            st.button("Apply", key=f"apply:{key}", disabled=not changes, on_click=_apply, args=(each,))
        if each.is_own:
            with st.popover("Delete", icon=":material/delete:", type="tertiary"):
                st.caption("The preset is deleted; no run and no form changes.")
                if st.button("Delete it", key=f"delete:{key}", on_click=preset.delete_preset, args=(each,)):
                    st.rerun(scope="fragment")


def _draw_save(has_own: bool) -> None:
    """Keeps how the form trains under a name."""
    if not has_own:
        st.caption("None yet. Keep how this form trains under a name, without its images, its prompts and its base model.")
    name, save = st.columns([3, 1], vertical_alignment="bottom")
    name.text_input("Name of a new preset", key=NAME, placeholder="my portraits", max_chars=preset.LONGEST)
    save.button("Save as a preset", key="save-preset", icon=":material/bookmark_add:", on_click=_save, width="stretch")
    if refused := st.session_state.get(REFUSED):
        st.markdown(red(refused))
    elif saved := st.session_state.get(SAVED):
        st.markdown(f":small[:green[:material/check_circle: {plain(saved)}]]")


def _save() -> None:
    st.session_state.pop(REFUSED, None)
    st.session_state.pop(SAVED, None)
    try:
        saved = preset.save_preset(st.session_state[NAME], fields.values())
    except (PresetError, OSError) as error:
        st.session_state[REFUSED] = str(error)
        return
    st.session_state[SAVED] = f"{saved.label} is kept: {words.plural(len(saved.values), 'setting')}."
    st.session_state[NAME] = ""


def _apply(each: Preset) -> None:
    changes = preset.find_differences(each, fields.values())
    before = {change.setting.key: change.before for change in changes}
    fields.change({change.setting.key: change.after for change in changes})
    st.session_state[APPLIED] = (each.label, _tell(changes), before)
    st.session_state[DONE] = True


def _take_back() -> None:
    _, _, before = st.session_state.pop(APPLIED)
    fields.change(before)


def _tell(changes: list[preset.Change]) -> str:
    more = f", and {len(changes) - SHOWN} more" if changes[SHOWN:] else ""
    return ", ".join(map(str, changes[:SHOWN])) + more
