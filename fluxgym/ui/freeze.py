"""Freeze: a run as one HTML file, /freeze/<run>.html?without=log,settings, sent while it is made; the choice of what is inside.

For its owner alone: a visitor's link leads to no such address."""

from collections.abc import Collection, Iterator
from urllib.parse import quote, urlencode

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fluxgym.run.folders import NoSuchRun, find_run
from fluxgym.ui.files import as_download
from fluxgym.ui.text import plain
from fluxgym.view.snapshot import PARTS, file_name, write_snapshot
from trainer.folder import RunFolder

USUAL = ("log", "samples")  # as in a link
SAID = (
    "One file for mail, a forum or an archive: progress, charts that stay alive, and what is ticked here. It opens in any "
    "browser, without a network. It shows this moment, and cannot be taken back. Keys, paths and names of this machine are "
    "taken out of its texts."
)


def freeze_url(run: str, parts: Collection[str]) -> str:
    """The address of the file with these parts of PARTS, from any page."""
    without = {"without": ",".join(part for part in PARTS if part not in parts)}
    return f"freeze/{quote(run, safe='')}.html{f'?{urlencode(without)}' if without['without'] else ''}"


def draw_freeze(folder: RunFolder) -> None:
    """What it is, what is inside, and the file."""
    st.markdown(SAID)
    for part, text in PARTS.items():
        st.checkbox(text, value=part in USUAL, key=f"freeze-{part}:{folder.name}")
    parts = [part for part in PARTS if st.session_state.get(f"freeze-{part}:{folder.name}")]
    url = freeze_url(folder.name, parts)
    st.link_button(f"Download {plain(file_name(folder))}", url, icon=":material/download:")


async def send_frozen(request: Request) -> Response:
    """The answer to one request."""
    run, without = request.path_params["run"], set(filter(None, request.query_params.get("without", "").split(",")))
    if unknown := sorted(without - set(PARTS)):
        return PlainTextResponse(f"Got {', '.join(unknown)!r} to leave out, expected of {', '.join(PARTS)}.", status_code=400)
    try:
        folder, pieces = await run_in_threadpool(_begin, run, set(PARTS) - without)
    except NoSuchRun:
        return PlainTextResponse("No such run.", status_code=404)
    except OSError as error:
        return PlainTextResponse(f"It cannot be frozen: {error.strerror or 'a file cannot be read'}.", status_code=500)
    return StreamingResponse(pieces, media_type="text/html; charset=utf-8", headers=as_download(file_name(folder)))


def _begin(run: str, parts: set[str]) -> tuple[RunFolder, Iterator[bytes]]:
    folder = find_run(run)
    return folder, write_snapshot(folder, parts)


ROUTES: list[BaseRoute] = [Route("/freeze/{run}.html", send_frozen)]
