"""The preview card of a shared run over HTTP: /card/<run>.jpg is its last sample, where its link shows samples."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from fluxgym.access.gate import link_of
from fluxgym.run.folders import NoSuchRun, find_run
from fluxgym.view.preview import find_card


async def send_card(request: Request) -> Response:
    """The card, 304 where it is known as it is, 404 where there is none."""
    link = link_of(request)
    path = None if link and "samples" not in link.parts else await run_in_threadpool(_find, request.path_params["run"])
    if path is None:
        return PlainTextResponse("No such picture.", status_code=404, headers={"cache-control": "no-store"})
    response = StaticFiles().file_response(path, path.stat(), request.scope)
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["cache-control"] = "private, no-cache"
    return response


def _find(run: str) -> Path | None:
    try:
        return find_card(find_run(run))
    except (NoSuchRun, OSError):
        return None


ROUTES: list[BaseRoute] = [Route("/card/{run}.jpg", send_card)]
