"""Runs side by side over HTTP: /together/charts?runs=a,b is their losses, sent as what changed since the answer that a browser
has; /together/samples?runs=a,b is what each draws of the same prompts and seeds, as sample_grid.js shows it."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from fluxgym.log.history import History, get_history
from fluxgym.run.folders import NoSuchRun, find_run, log_of
from fluxgym.ui import chart_feed
from fluxgym.ui.pictures import picture_url, send_version
from fluxgym.view import compare, overlay, samples
from fluxgym.view.charts import View
from fluxgym.view.figures import Figure
from fluxgym.view.patches import Desk
from fluxgym.view.sample_names import Column
from trainer.folder import RunFolder

_desk = Desk()


# ---- addresses -------------------------------------------------------------------------------------------------------
def charts_url(names: Sequence[str], view: View) -> str:
    """The address of both charts of these runs."""
    asked = {"runs": join(names), "axis": view.axis, "smoothing": f"{view.smoothing:g}", "log": int(view.is_log)}
    return f"together/charts?{urlencode(asked)}"


def samples_url(names: Sequence[str], moment: Column | None) -> str:
    """The address of their samples of one moment; None is the latest of each."""
    return f"together/samples?{urlencode({'runs': join(names), 'moment': moment.label if moment else ''})}"


def join(names: Sequence[str]) -> str:
    """As the page's own address has them; a name may hold a comma."""
    return ",".join(quote(name, safe="") for name in names)


def _find(joined: str) -> dict[int, RunFolder]:
    """The runs of an address by their place in it; without those that are gone."""
    found = {}
    for place, name in enumerate(joined.split(",")[: compare.MOST]):
        try:
            found[place] = find_run(unquote(name))
        except NoSuchRun:
            continue
    return found


# ---- charts ----------------------------------------------------------------------------------------------------------
def answer_charts(joined: str, view: View, has: str) -> bytes | None:
    """What a browser needs that has the answer `has`; None where none of the runs is there."""
    runs = _find(joined)
    histories = [get_history(log_of(folder)) for folder in runs.values()]
    for history in histories:
        history.update()
    if not runs:
        return None
    titles = [folder.title for folder in runs.values()]
    known = tuple((place, title, id(each), each.version) for place, title, each in zip(runs, titles, histories, strict=True))
    said = _desk.answer(
        (known, view), lambda: make_charts(dict(zip(runs, zip(titles, histories, strict=True), strict=True)), view), has
    )
    return chart_feed.write_known(said)


def make_charts(runs: dict[int, tuple[str, History]], view: View) -> dict[str, Figure]:
    """The losses of runs by their place, which is that of their colour."""
    lines = overlay.read_lines(list(runs.values()), view.axis, view.smoothing)
    lines = [replace(line, place=place) for line, place in zip(lines, runs, strict=True)]
    return {
        "loss": overlay.loss_overlay(lines, view.axis, view.is_log),
        "validation": overlay.validation_overlay(lines, view.axis, view.is_log),
    }


async def send_charts(request: Request) -> Response:
    """The answer to one request."""
    view = chart_feed.read_view(request.query_params)
    if view is None:
        return chart_feed.refuse(request)
    joined, has = (request.query_params.get(name, "") for name in ("runs", "has"))
    said = await run_in_threadpool(answer_charts, joined, view, has)
    return PlainTextResponse("No such run.", status_code=404) if said is None else chart_feed.send(request, said)


# ---- samples ---------------------------------------------------------------------------------------------------------
def tell_samples(runs: dict[int, RunFolder], moment: Column | None) -> dict[str, Any]:
    """A column for each run, a row for each prompt and seed that at least two of them draw."""
    grids = [samples.grid(folder) for folder in runs.values()]
    rows, _ = compare.match_samples(grids, moment)
    folders = list(runs.values())
    return {
        "version": find_version(folders, moment),
        "each": "run",
        "columns": [folder.title for folder in folders],
        "colours": [overlay.COLOURS[place] for place in runs],
        "rows": [
            {
                "prompt": row.prompt,
                "seed": row.seed,
                "cells": [picture and picture_url(folders[n], picture) for n, picture in enumerate(row.pictures)],
                "captions": [picture.column.label if picture else "" for picture in row.pictures],
            }
            for row in rows
        ],
    }


def find_version(folders: Sequence[RunFolder], moment: Column | None) -> str:
    """Other when anything of what is shown is."""
    seen = [(folder.name, samples.grid(folder).version) for folder in folders], moment
    return hashlib.blake2b(repr(seen).encode("utf-8", "replace"), digest_size=8).hexdigest()


async def send_samples(request: Request) -> Response:
    """The samples, 304 where the browser has them as they are."""
    told = await run_in_threadpool(_look, *(request.query_params.get(name, "") for name in ("runs", "moment")))
    return send_version(request, told)


def _look(joined: str, label: str) -> dict[str, Any] | None:
    runs = _find(joined)
    moments = compare.list_moments([samples.grid(folder) for folder in runs.values()])
    return tell_samples(runs, next((each for each in moments if each.label == label), None)) if runs else None


ROUTES: list[BaseRoute] = [
    Route("/together/charts", send_charts),
    Route("/together/samples", send_samples),
]
