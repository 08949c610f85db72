"""The numbers of a run as CSV files: /csv/<run>/<table>.csv, sent while they are made, and the menu that offers them."""

from urllib.parse import quote

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fluxgym.log.history import History, get_history
from fluxgym.run.folders import NoSuchRun, find_run, log_of
from fluxgym.ui.cards import Look
from fluxgym.ui.files import as_download
from fluxgym.view.export import TABLES, write_csv
from fluxgym.view.health import Health, get_health

OFFERED = {
    "steps": "Each step",
    "epochs": "Epochs",
    "validation": "Validation",
    "events": "Events: checkpoints, samples, attempts, alerts",
    "monitor": "Monitor: GPU, CPU, memory",
}


def csv_url(run: str, table: str) -> str:
    """The address of a table, from any page."""
    return f"csv/{quote(run, safe='')}/{table}.csv"


def draw_downloads(look: Look) -> None:
    """A menu with every table."""
    with st.popover("CSV", icon=":material/download:", type="tertiary", help="All numbers, none left out", key="csv"):
        links = (f":material/table: [{title}]({csv_url(look.folder.name, table)})" for table, title in OFFERED.items())
        st.markdown("\n\n".join(links))


def _find(run: str) -> tuple[History, Health] | None:
    try:
        folder = find_run(run)
    except NoSuchRun:
        return None
    history = get_history(log_of(folder))
    history.update()
    return history, get_health(folder.monitor_log)


async def send_table(request: Request) -> Response:
    """The answer to one request."""
    run, table = request.path_params["run"], request.path_params["table"]
    found = await run_in_threadpool(_find, run) if table in TABLES else None
    if found is None:
        return PlainTextResponse(f"No such table. Tables: {', '.join(TABLES)}.", status_code=404)
    return StreamingResponse(
        write_csv(table, *found), media_type="text/csv; charset=utf-8", headers=as_download(f"{run}-{table}.csv")
    )


ROUTES: list[BaseRoute] = [Route("/csv/{run}/{table}.csv", send_table)]
