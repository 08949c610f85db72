"""The samples of a run over HTTP: /files/<run>/grid says which there are, /files/<run>/pictures/<place> is one of them.

Only what `samples.grid` lists is sent, so no address can name anything else. With `small=1` it is the thumbnail, made when
it is first asked for. The address of a picture holds its version: a browser keeps it for ever, and a changed one has another.
A visitor gets pictures without what their maker wrote into them, and prompts without what is not for others.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from fluxgym.access.gate import link_of
from fluxgym.access.redact import redactor_of
from fluxgym.run.folders import NoSuchRun, find_run
from fluxgym.view import samples
from fluxgym.view.sample_names import Picture
from fluxgym.view.samples import Grid
from fluxgym.view.thumbnails import thumbnail, whole
from trainer.folder import RunFolder

FOR_EVER = "private, max-age=31536000, immutable"
ASK = "private, no-cache"


def grid_url(run: str) -> str:
    return f"files/{quote(run, safe='')}/grid"


def picture_url(folder: RunFolder, picture: Picture) -> str:
    """The whole picture; with &small=1 behind it its thumbnail."""
    place = quote(samples.place_of(folder, picture))
    return f"files/{quote(folder.name, safe='')}/pictures/{place}?v={picture.version}"


def tell_grid(folder: RunFolder, grid: Grid, redact: Callable[[str], str] = str) -> dict[str, Any]:
    """A grid as sample_grid.js draws it: cells are addresses, None where there is no picture. Prompts go through `redact`."""
    return {
        "version": grid.version,
        "columns": [column.label for column in grid.columns],
        "rows": [
            {
                "prompt": redact(row.prompt),
                "seed": row.seed,
                "cells": [picture_url(folder, row.pictures[c]) if c in row.pictures else None for c in grid.columns],
            }
            for row in grid.rows
        ],
    }


async def send_grid(request: Request) -> Response:
    """The grid of a run, 304 where the browser has it as it is."""
    told = await run_in_threadpool(_look, request.path_params["run"], link_of(request) is not None)
    return send_version(request, told)


def send_version(request: Request, told: dict[str, Any] | None) -> Response:
    """What has a `version`: 304 where the browser has that one, 404 where there is none."""
    if told is None:
        return PlainTextResponse("No such run.", status_code=404)
    headers = {"etag": f'"{told["version"]}"', "cache-control": ASK}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return JSONResponse(told, headers=headers)


async def send_picture(request: Request) -> Response:
    """A sample or its thumbnail, 304 where the browser has it, 404 where it is none or not whole yet."""
    run, place, asked = request.path_params["run"], request.path_params["place"], request.query_params
    found = await run_in_threadpool(_find, run, place)
    if found is None:
        return PlainTextResponse("No such picture.", status_code=404, headers={"cache-control": "no-store"})
    folder, picture = found
    path = await run_in_threadpool(_choose, folder, picture.path, bool(asked.get("small")), link_of(request) is not None)
    if path is None or not path.is_file():
        return PlainTextResponse("Not whole yet.", status_code=404, headers={"cache-control": "no-store"})
    response = StaticFiles().file_response(path, path.stat(), request.scope)
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["cache-control"] = FOR_EVER if asked.get("v") == picture.version else ASK
    return response


def _look(run: str, is_visitor: bool) -> dict[str, Any] | None:
    try:
        folder = find_run(run)
    except NoSuchRun:
        return None
    return tell_grid(folder, samples.grid(folder), redactor_of(folder).text if is_visitor else str)


def _choose(folder: RunFolder, picture: Path, is_small: bool, is_visitor: bool) -> Path | None:
    if is_small:
        return thumbnail(folder, picture)
    return whole(folder, picture) if is_visitor else picture


def _find(run: str, place: str) -> tuple[RunFolder, Picture] | None:
    try:
        folder = find_run(run)
        picture = samples.grid(folder).places.get(place)
        is_inside = picture and picture.path.resolve().is_relative_to(folder.path.resolve())  # no link leads out of the run
    except (NoSuchRun, OSError):
        return None
    return (folder, picture) if picture and is_inside else None


ROUTES: list[BaseRoute] = [
    Route("/files/{run}/grid", send_grid),
    Route("/files/{run}/pictures/{place:path}", send_picture),
]
