"""A run as a zip over HTTP: /zip/<run>.zip?parts=loras,samples, sent while it is made. For its owner alone."""

from collections.abc import Collection, Iterator
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fluxgym.publish.parcel import PARTS, USUAL, file_name, list_parcel, write_parcel
from fluxgym.run.folders import NoSuchRun, find_run
from fluxgym.ui.files import as_download
from trainer.folder import RunFolder


def zip_url(run: str, parts: Collection[str]) -> str:
    """The address of the zip with these parts of PARTS, from any page."""
    return f"zip/{quote(run, safe='')}.zip?{urlencode({'parts': ','.join(part for part in PARTS if part in parts)})}"


async def send_zip(request: Request) -> Response:
    """The answer to one request."""
    run, asked = request.path_params["run"], request.query_params.get("parts", ",".join(USUAL))
    parts = tuple(filter(None, asked.split(",")))
    if unknown := sorted({*parts} - set(PARTS)):
        return PlainTextResponse(f"Got {', '.join(unknown)!r}, expected of {', '.join(PARTS)}.", status_code=400)
    try:
        folder, pieces = await run_in_threadpool(_begin, run, parts)
    except NoSuchRun:
        return PlainTextResponse("No such run.", status_code=404)
    return StreamingResponse(pieces, media_type="application/zip", headers=as_download(file_name(folder)))


def _begin(run: str, parts: tuple[str, ...]) -> tuple[RunFolder, Iterator[bytes]]:
    folder = find_run(run)
    return folder, write_parcel(folder, list_parcel(folder, parts))


ROUTES: list[BaseRoute] = [Route("/zip/{run}.zip", send_zip)]
