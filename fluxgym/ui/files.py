"""The files of a run over HTTP: /files/<run>/<kind>/<file>, with ETags and ranges, read in pieces.

Only the kinds below are served, each from its own place in the run's folder. A run is looked up by comparing names, a file
must be named as its kind is, and its real path must lie inside the run's real folder: a link out of it is not followed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from fluxgym.run.folders import OTHER_LOGS, NoSuchRun, find_run, roots_of
from trainer.folder import RunFolder

DAY = 24 * 60 * 60  # s


@dataclass(frozen=True)
class Kind:
    """One sort of file that is served. `place` says in which folder of a run it lies."""

    place: Callable[[RunFolder], Path]
    suffixes: tuple[str, ...]
    is_download: bool = False  # saved by the browser, never shown in the page's origin
    max_age: int = 0  # s that a browser may keep it without asking; a thumbnail's name changes with its content


KINDS = {
    "thumbnails": Kind(lambda folder: folder.thumbnails, (".webp",), max_age=DAY),
    "samples": Kind(lambda folder: folder.samples, (".png", ".jpg", ".jpeg", ".webp")),
    "loras": Kind(lambda folder: folder.path, (".safetensors",), is_download=True),
    "logs": Kind(lambda folder: folder.path, (".log", *OTHER_LOGS), is_download=True),
}


def find_file(run: str, kind: str, file: str) -> Path | None:
    """The file that an address names, None where there is none to be served."""
    if kind not in KINDS or not file.endswith(KINDS[kind].suffixes) or "/" in file or "\0" in file:
        return None
    try:
        folder = find_run(run)
        path = (KINDS[kind].place(folder) / file).resolve()
        return path if path.is_file() and any(map(path.is_relative_to, roots_of(folder))) else None
    except (NoSuchRun, OSError):  # OSError: a name that is too long, a folder that may not be read
        return None


def as_download(name: str) -> dict[str, str]:
    """The headers of what is made while it is sent: the browser saves it under a name, and keeps no copy."""
    return {
        "content-disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }


async def send_file(request: Request) -> Response:
    """The answer to one request: the file, 304 where the browser has it already, or 404."""
    run, kind, file = (request.path_params[name] for name in ("run", "kind", "file"))
    path = await run_in_threadpool(find_file, run, kind, file)
    if path is None:
        return PlainTextResponse("No such file.", status_code=404)
    response = StaticFiles().file_response(path, path.stat(), request.scope)
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["cache-control"] = f"private, max-age={KINDS[kind].max_age}"
    if KINDS[kind].is_download:
        response.headers["content-disposition"] = "attachment"
    return response


ROUTES: list[BaseRoute] = [Route("/files/{run}/{kind}/{file}", send_file)]
