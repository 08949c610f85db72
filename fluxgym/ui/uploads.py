"""Files into a data set over HTTP, each straight to disk: the server's memory does not grow with what arrives.

POST /sets/plan says how the files that somebody drops will be called, which seem to be there already, and what the text of a
metadata.jsonl among them (`described`) says of the others; POST /sets/arrive
takes one of them, as its body. With `digest` (SHA-256) in place of a body it only says whether it is there. Only the owner
comes here (the gate)."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, NoReturn, TypeGuard

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from fluxgym.dataset import incoming, naming
from fluxgym.dataset.described import is_description, list_captions
from fluxgym.dataset.incoming import Refused, Taken
from fluxgym.dataset.unpack import unpack
from fluxgym.ui.body import read_object

MOST_PATHS = 50_000  # of one plan
LONGEST_PLAN = 64 * 2**20  # bytes
BLOCK = 2**20  # bytes that are written at once
LOOK = 16 * BLOCK  # bytes between two looks at the room on the disk
Answer = dict[str, Any]


# ---- the plan ----------------------------------------------------------------------------------------------------------
async def send_plan(request: Request) -> JSONResponse:
    """A name for each file, or why it is not taken; 400 where nothing can be taken."""
    try:
        said = await read_object(request, LONGEST_PLAN)
        return JSONResponse(await run_in_threadpool(_plan, said), headers={"cache-control": "no-store"})
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)


def _plan(said: Mapping[str, Any]) -> Answer:
    given, files, described = said.get("place"), said.get("files"), said.get("described", [])
    if not isinstance(given, str) or not _is_rows(files, [str, int]) or not _is_rows(described, [str, str]):
        _refuse_plan()
    place, paths = incoming.find_target(given), {path for path, _ in files}
    captions = {name: text for path, told in described for name, text in list_captions(path, told, paths).items()}
    reasons = ["" if is_description(path) else naming.find_reason(path) for path, _ in files]
    wanted = [path for (path, _), why in zip(files, reasons, strict=True) if why is None]
    taken = naming.list_stems(place) if said.get("beside") is True else ()
    names = iter(naming.name_all([*wanted, *captions], taken, naming.is_flat(place)))
    rows = zip(files, reasons, strict=True)
    told = [_tell(place, next(names), size) if why is None else {"why": why} for (_, size), why in rows]
    return {
        "files": told,
        "captions": [{"name": next(names).as_posix(), "path": path, "text": captions[path]} for path in captions],
    }


def _is_rows(rows: object, kinds: list[type]) -> TypeGuard[list[list[Any]]]:
    return (
        isinstance(rows, list)
        and len(rows) <= MOST_PATHS
        and all(isinstance(row, list) and [*map(type, row)] == kinds for row in rows)
    )


def _tell(place: Path, name: PurePath, size: int) -> Answer:
    return {"name": name.as_posix(), "is_there": incoming.is_there(place, name, size)}


def _refuse_plan() -> NoReturn:
    raise Refused("got another kind of list, expected a place, and a path and a size for each file")


# ---- a file ------------------------------------------------------------------------------------------------------------
async def take_file(request: Request) -> JSONResponse:
    """What became of it; 400 with why it is not taken, 507 where it could not be written."""
    try:
        return JSONResponse(await _take(request), headers={"cache-control": "no-store"})
    except ClientDisconnect:
        return JSONResponse({"error": "it broke off"}, 400)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    except OSError as error:
        return JSONResponse({"error": error.strerror or str(error)}, 507)


async def _take(request: Request) -> Answer:
    asked = request.query_params
    place, name = incoming.find_target(asked.get("place", "")), naming.check(asked.get("name", ""))
    path, digest = asked.get("path") or name.name, asked.get("digest", "")
    if digest:
        size = int(asked["size"]) if asked.get("size", "").isdecimal() else -1
        is_there = await run_in_threadpool(incoming.is_there, place, name, size, digest)
        return _tell_taken(Taken(path, name.as_posix(), incoming.SAME if is_there else "wanted"))
    length = request.headers.get("content-length", "")
    incoming.check_room(place, int(length) if length.isdecimal() else 0)
    with incoming.arriving(place, name.suffix) as arrived:
        await _write(request, arrived)
        replaces, is_beside = asked.get("replace") == "1", asked.get("beside") == "1"
        if name.suffix == naming.ZIP:
            return await run_in_threadpool(_unpack, place, arrived, replaces, is_beside)
        return _tell_taken(await run_in_threadpool(incoming.take, place, name, arrived, path, replaces))


async def _write(request: Request, target: Path) -> None:
    """What arrives, a block at a time, as long as the disk has room for more: not every request says how long it is."""
    block, since = bytearray(), 0
    with target.open("wb") as file:
        async for part in request.stream():
            block += part
            since += len(part)
            if since >= LOOK:
                incoming.check_room(target.parent, since)
                since = 0
            if len(block) >= BLOCK:
                await run_in_threadpool(file.write, block)
                block = bytearray()
        file.write(block)


def _unpack(place: Path, archive: Path, replaces: bool, is_beside: bool) -> Answer:
    done = unpack(place, archive, replaces, is_beside)
    return {"files": [_tell_taken(each) for each in done.taken], "refused": done.refused}


def _tell_taken(taken: Taken) -> Answer:
    return {"path": taken.path, "name": taken.name, "outcome": taken.outcome, "note": taken.note}


ROUTES: list[BaseRoute] = [
    Route("/sets/plan", send_plan, methods=["POST"]),
    Route("/sets/arrive", take_file, methods=["POST"]),
]
