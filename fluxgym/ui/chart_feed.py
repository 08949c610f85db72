"""The figures of a run over HTTP: /charts/<run>/<group>?axis=...&has=<answer>, sent as what changed since that answer.

A refresh through Streamlit would send every figure whole each time: it does not know what the browser has."""

import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from fluxgym.access.gate import link_of
from fluxgym.log.history import History, get_history
from fluxgym.run.folders import NoSuchRun, find_run, log_of
from fluxgym.view import charts, machine
from fluxgym.view.charts import View
from fluxgym.view.curves import AXES
from fluxgym.view.figures import Figure, known
from fluxgym.view.health import Health, get_health, leave_out_words
from fluxgym.view.patches import Desk

LEARNS, RUNS = "learns", "runs"  # groups of figures that are fetched together
WORTH_PACKING = 4096  # bytes
STRAIGHT = 0.999  # the most that a curve can be smoothed
_desk = Desk()


def make_learning(history: History, health: Health, view: View) -> dict[str, Figure]:
    """How it learns."""
    return {"loss": charts.loss_figure(history, view, health), "epochs": charts.epoch_figure(history)}


def make_running(history: History, health: Health, view: View) -> dict[str, Figure]:
    """How it runs."""
    return {
        "pace": machine.pace_figure(history, view),
        "rate": machine.rate_figure(history, view),
        "machine": machine.machine_figure(history, health, view),
    }


GROUPS: dict[str, Callable[[History, Health, View], dict[str, Figure]]] = {LEARNS: make_learning, RUNS: make_running}


def chart_url(run: str, group: str, view: View) -> str:
    """The address of a group of figures, from any page."""
    asked = {"axis": view.axis, "smoothing": f"{view.smoothing:g}", "log": int(view.is_log), "clip": int(view.clips)}
    return f"charts/{quote(run, safe='')}/{group}?{urlencode(asked)}"


def read_view(asked: Any) -> View | None:
    """The view that an address asks for; None where it asks for nonsense."""
    try:
        smoothing = float(asked.get("smoothing", View.smoothing))
    except ValueError:
        return None
    axis = asked.get("axis", View.axis)
    if axis not in AXES or not 0 <= smoothing <= STRAIGHT:
        return None
    return View(axis, smoothing, asked.get("log") == "1", asked.get("clip") == "1")


def answer(run: str, group: str, view: View, has: str, is_visitor: bool = False) -> bytes | None:
    """What a browser needs that has the answer `has`; None where there is no such run or group.

    A visitor is shown how it learns; how the machine does, and what is said of it, is the owner's to know."""
    try:
        folder = find_run(run)
        make = GROUPS[group]
    except (NoSuchRun, KeyError):
        return None
    if is_visitor and group != LEARNS:
        return None
    history, health = get_history(log_of(folder)), get_health(folder.monitor_log)
    history.update()
    asked = (history.path, id(history), history.version, health.version, group, view, is_visitor)
    shown, whose = (leave_out_words(health), history.path) if is_visitor else (health, None)
    return write_known(_desk.answer(asked, lambda: make(history, shown, view), has, whose))


def write_known(said: Any) -> bytes:
    """JSON, without numbers that are none."""
    try:
        return write(said)
    except ValueError:  # a loss of 1e+300, say, of which no mean can be made
        return write(known(said))


def write(said: Any) -> bytes:
    """JSON as browsers read it: without NaN and Infinity. Raises ValueError where there are such."""
    return json.dumps(said, separators=(",", ":"), allow_nan=False).encode()


async def send_figures(request: Request) -> Response:
    """The answer to one request."""
    is_visitor = link_of(request) is not None  # whose page has the one view: others would each be made, and take time
    view = View() if is_visitor else read_view(request.query_params)
    if view is None:
        return refuse(request)
    run, group = request.path_params["run"], request.path_params["group"]
    has = request.query_params.get("has", "")
    said = await run_in_threadpool(answer, run, group, view, has, is_visitor)
    return PlainTextResponse("No such chart.", status_code=404) if said is None else send(request, said)


def refuse(request: Request) -> Response:
    """To an address that asks for nonsense."""
    expected = f"an axis of {', '.join(AXES)} and a smoothing from 0 to {STRAIGHT}"
    return PlainTextResponse(f"Got {request.url.query!r}, expected {expected}.", status_code=400)


def send(request: Request, said: bytes) -> Response:
    """Figures, packed where that is worth it."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if len(said) > WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        said, headers["content-encoding"] = gzip.compress(said, 1), "gzip"
    return Response(said, media_type="application/json", headers=headers)


ROUTES: list[BaseRoute] = [Route("/charts/{run}/{group}", send_figures)]
