"""The board of a run over HTTP: /files/<run>/board says what is on it, /files/<run>/about/<place> what one file says of itself,
/files/<run>/lora/<place> is that file. Only what the board lists is sent, so no address can name anything else."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from fluxgym.log.history import History, get_history
from fluxgym.run.folders import NoSuchRun, find_run, log_of
from fluxgym.ui.pictures import ASK, send_version
from fluxgym.view import board
from fluxgym.view.board import Entry
from trainer.folder import RunFolder

Answer = TypeVar("Answer")


def board_url(run: str) -> str:
    return f"files/{quote(run, safe='')}/board"


async def send_board(request: Request) -> Response:
    """The board, 304 where the browser has it as it is."""
    told = await _ask(request, board.tell_board)
    return send_version(request, told)


async def send_about(request: Request) -> Response:
    """What one file says of itself."""
    told = await _ask(request, lambda folder, history: _about(folder, history, request.path_params["place"]))
    return JSONResponse(told, headers={"cache-control": ASK}) if told else PlainTextResponse("No such file.", status_code=404)


async def send_lora(request: Request) -> Response:
    """One file, saved by the browser."""
    path = await _ask(request, lambda folder, history: _path(folder, history, request.path_params["place"]))
    if path is None:
        return PlainTextResponse("No such file.", status_code=404)
    response = StaticFiles().file_response(path, path.stat(), request.scope)
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["cache-control"] = ASK
    response.headers["content-disposition"] = "attachment"
    return response


async def _ask(request: Request, tell: Callable[[RunFolder, History], Answer]) -> Answer | None:
    """What `tell` says of the run that the address names, found out beside the server's loop; None where there is no run."""

    def look() -> Answer | None:
        try:
            folder = find_run(request.path_params["run"])
            history = get_history(log_of(folder))
            history.update()
            return tell(folder, history)
        except (NoSuchRun, OSError):
            return None

    return await run_in_threadpool(look)


def _find(folder: RunFolder, history: History, place: str) -> Entry | None:
    return next((entry for entry in board.list_entries(folder, history) if entry.place == place), None)


def _about(folder: RunFolder, history: History, place: str) -> dict[str, object] | None:
    entry = _find(folder, history, place)
    return board.tell_file(folder, entry) if entry else None


def _path(folder: RunFolder, history: History, place: str) -> Path | None:
    entry = _find(folder, history, place)
    path = entry.lora.path.resolve() if entry else None
    return path if path and path.is_relative_to(folder.path.resolve()) else None  # no link leads out of the run


ROUTES: list[BaseRoute] = [
    Route("/files/{run}/board", send_board),
    Route("/files/{run}/about/{place:path}", send_about),
    Route("/files/{run}/lora/{place:path}", send_lora),
]
