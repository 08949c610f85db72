"""What a run's job asks Slurm for: on the Train page with the script that follows from it, and in the dialog of a resume."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from fluxgym.form.catalogue import WHOLE, Setting, find_setting
from fluxgym.run.care import SLURM, read_care
from fluxgym.run.folders import outputs_root
from fluxgym.run.settings import SettingsError, read_settings
from fluxgym.run.slurm_script import Wish, make_script, read_wish
from fluxgym.ui import fields
from fluxgym.ui.text import plain, red
from fluxgym.view.partitions import Partition, find_partition, list_partitions
from fluxgym.view.slurm_words import tell_wish
from trainer.folder import RunFolder, check_name

SECTION = "slurm."
FIRST = ("partition", "time_limit", "gpus", "nodes", "cpus", "memory")
MORE = ("account", "qos")
LINES = "lines"
USUAL = "The default"
KEYS = tuple(SECTION + name for name in (*FIRST, *MORE, LINES))
LINES_HEIGHT = 104  # px, for three lines
LINES_LIKE = "#SBATCH --constraint=a100\nmodule load cuda\nsource ~/venv/bin/activate"


def draw(values: Mapping[str, Any]) -> None:
    """The fields of the Train page, and the script before it is submitted."""
    partitions = list_partitions()
    with st.container(border=True, key="slurm"):
        st.markdown("**Job on Slurm**")
        with st.grid(4, min_column_width=130):
            for name in (*FIRST, *MORE):
                with st.container():
                    _draw_field(name, [each.name for each in partitions])
        fields.lines(SECTION + LINES, height=LINES_HEIGHT, placeholder=LINES_LIKE)
        wish = find_wish(values)
        chosen = find_partition(partitions, wish.partition)
        st.caption(plain(f"{tell_wish(wish)} {_tell_partition(chosen, partitions)}".rstrip()))
        if told := _tell_unknown(wish.partition, partitions):
            st.markdown(red(told))
        with st.expander("The job's script", icon=":material/description:"):
            st.code(_make_script(values, wish), language="bash")


def _tell_partition(chosen: Partition | None, partitions: list[Partition]) -> str:
    if chosen:
        return f"Partition {chosen}."
    return "" if partitions else "Slurm does not tell its partitions at the moment."


def _tell_unknown(given: str, partitions: list[Partition]) -> str:
    """Before Start is pressed; several are given with commas between them. Empty where all are there, or nobody knows."""
    there = [each.name for each in partitions]
    unknown = [name for name in given.split(",") if name and name not in there]
    if not there or not unknown or fields.is_told(f"{SECTION}partition"):
        return ""
    return f"Got the partition {' and '.join(unknown)}, Slurm tells of {', '.join(there)}"


def _draw_field(name: str, partitions: list[str]) -> None:
    if name == "partition":
        fields.offered(SECTION + name, partitions, USUAL)
    else:
        fields.draw(SECTION + name, **_hint(name))


def find_wish(values: Mapping[str, Any]) -> Wish:
    """What the form's values ask for; one that is wrong or missing is the usual."""
    said = {key.removeprefix(SECTION): value for key, value in values.items() if key.startswith(SECTION)}
    return read_wish({"slurm": said})


def asks_slurm(folder: RunFolder) -> bool:
    """Whether the next attempt of a run is a job whose wishes can be changed."""
    return read_care(folder).place == SLURM and folder.config.is_file()


def draw_changes(folder: RunFolder) -> dict[str, Any]:
    """The same for a run that is there, in a dialog; those that differ from before, by dotted name. None: left empty."""
    wish = _read_wish(folder)
    changed: dict[str, Any] = {}
    with st.grid(3, min_column_width=130):
        for name in FIRST:
            changed |= _draw_change(name, getattr(wish, name))
    with st.expander("More of its job"):
        with st.grid(2, min_column_width=130):
            for name in MORE:
                changed |= _draw_change(name, getattr(wish, name))
        setting = _find(LINES)
        given = st.text_area(
            setting.label, "\n".join(wish.lines), key=f"resume-{LINES}", help=setting.help, height=LINES_HEIGHT
        )
        lines = fields.split_lines(given)
        changed |= {SECTION + LINES: lines} if lines != wish.lines else {}
    return changed


def _draw_change(name: str, before: Any) -> dict[str, Any]:
    setting, key = _find(name), f"resume-{name}"
    given: Any
    with st.container():
        if setting.kind == WHOLE:
            given = st.number_input(setting.label, 0 if name == "gpus" else 1, 1024, before, key=key, help=setting.help)
        else:
            given = st.text_input(setting.label, before, key=key, help=setting.help, **_hint(name)).strip()
    return {setting.key: given} if given != before else {}


def _hint(name: str) -> dict[str, Any]:
    hints = {"partition": USUAL, "account": USUAL, "qos": USUAL, "time_limit": "such as 2:00:00", "memory": "such as 64G"}
    return {"placeholder": hints[name]} if name in hints else {}


def _find(name: str) -> Setting:
    setting = find_setting(SECTION + name)
    assert setting, name
    return setting


def _read_wish(folder: RunFolder) -> Wish:
    try:
        return read_wish(read_settings(folder))
    except SettingsError:  # Resume tells
        return Wish()


def _make_script(values: Mapping[str, Any], wish: Wish) -> str:
    try:
        name = check_name(values["name"])
    except ValueError:  # it is yet to be given
        name = "NAME"
    return make_script(RunFolder(outputs_root() / name), wish)
