"""Addresses: of the pages, of a run within them, of a run's files. The run and the tab in view are in the address."""

from pathlib import Path
from urllib.parse import quote

import streamlit as st

RUNS, TRAIN, RUN, DATASETS, MODELS, COMPARE, SETTINGS, SHARED = (
    f"pages/{name}.py" for name in ("runs", "train", "run", "datasets", "models", "compare", "settings", "shared")
)
LOGO = str(Path(__file__).parent / "logo.svg")
ICON = str(Path(__file__).parent / "icon.svg")
# Streamlit leaves 90 px empty above each page; the timer of live.py would have a gap around it; the plan stays in view; a title
# is as high without buttons beside it as with them; on a phone the tabs of a run lie in one row, and
# what is said of a link is not squeezed by its buttons.
STYLE = """<style>
.stMainBlockContainer{padding-top:4.5rem;padding-bottom:3rem}
.st-key-timer,.st-key-watch{position:absolute;width:0;height:0;overflow:hidden}
div:has(> .st-key-watch){position:absolute}
@media (min-width:640px){.st-key-header{min-height:2.6rem;justify-content:center}}
@media (max-width:640px){.st-key-tab button{padding-left:0.4rem;padding-right:0.4rem}}
div:has(> .st-key-plan){position:sticky;top:4.5rem}
div:has(> [class*="st-key-link-words"]){min-width:13rem}
</style>"""


def begin_path(base: str) -> str:
    """server.baseUrlPath as the beginning of a path: empty, or "/name"."""
    return f"/{base.strip('/')}".rstrip("/")


def run_in_view() -> str | None:
    """The run that the address names; after a switch of pages, which drops the query, the one that was in view before."""
    return st.query_params.get("run") or st.session_state.get("run_in_view")


def show_run(name: str) -> None:
    """Puts a run into the address, so that a reload and a link show the same."""
    st.session_state.run_in_view = name
    if st.query_params.get("run") != name:
        st.query_params["run"] = name


def forget_run() -> None:
    """After an address that named no run: the Run page may show another one."""
    st.session_state.pop("run_in_view", None)


def leave_run() -> None:
    """Takes the run out of the address of a page that shows none; it is still the one in view on the Run page."""
    if "run" in st.query_params:
        del st.query_params["run"]


def open_run(name: str) -> None:
    """Goes to the Run page of a run."""
    st.session_state.run_in_view = name
    st.switch_page(RUN, query_params={"run": name})


def open_sweep(name: str) -> None:
    """Goes to the Compare page of all runs of a sweep."""
    st.switch_page(COMPARE, query_params={"sweep": name})


def file_url(run: str, kind: str, file: str) -> str:
    """The address of one file of a run, from any page; the kinds are those of files.py."""
    return f"files/{quote(run, safe='')}/{kind}/{quote(file, safe='')}"


def log_url(run: str, log: str) -> str:
    """The address of one log of a run as a whole, all its parts in one; the logs are those of fluxgym/view/logs.py."""
    return f"log/{quote(run, safe='')}/{quote(log, safe='')}"
