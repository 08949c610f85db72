"""A data set over HTTP: /sets/board tells its images and captions, /sets/picture is one of them, /sets/alike which are alike;
POST /sets/do/<deed> and /sets/replace change it. Only the owner comes here (the gate). What is asked for is a place, as
data.folder names it, and the key of an image in it, which is compared with those that are there.

A caption is written only where it still is what the writer believes: who comes second is told what it is now."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from fluxgym.dataset import bulk, captions, incoming, likeness, looks, removal
from fluxgym.dataset.captions import CaptionChanged, Captioned
from fluxgym.dataset.images import is_uploaded
from fluxgym.run.folders import outputs_root
from fluxgym.ui.body import read_object
from fluxgym.ui.pictures import ASK, FOR_EVER, send_version
from fluxgym.view.thumbnails import thumbnail, write_bytes
from trainer.folder import RunFolder

LONGEST = 32 * 2**20  # bytes of a change to all captions at once
LARGEST = 200 * 2**20  # bytes of an image
WHOLE = 1600  # px, the longer side of a picture that is looked at alone
USUAL = 512  # px
Answer = dict[str, Any]


class Wrong(ValueError):
    """What was asked for cannot be done: the request is wrong."""


def board_url(place: Path, resolution: int) -> str:
    return f"sets/board?{urlencode({'place': str(place), 'resolution': resolution})}"


def find_version(place: Path) -> str:
    """Another one whenever what the board tells may be another."""
    return f"{captions.find_version(place)}-{bulk.can_undo(place)}-{removal.find_removed(place)}"


def tell_board(place: Path, resolution: int) -> Answer:
    """A data set as caption_grid.js draws it."""
    version = find_version(place)  # first: what changes meanwhile is told the next time
    found = captions.read_captions(place)
    return {
        "version": version,
        "images": [_tell(place, image, resolution) for image in found.images],
        "lonely": [path.name for path in found.lonely],
        "problems": found.problems,
        "notes": found.notes,
        "is_editable": captions.is_editable(place),
        "is_removable": is_uploaded(place) and place.is_dir(),
        "undo": bulk.can_undo(place),
        "removed": removal.find_removed(place),
    }


def picture_url(place: Path, image: Captioned) -> str:
    """With &small=1 behind it the thumbnail. Another one when the file changes."""
    return f"sets/picture?{urlencode({'place': str(place), 'image': image.key, 'v': _version_of(image.path)})}"


def small_picture(image: Path) -> Path | None:
    """The thumbnail, made once."""
    return thumbnail(RunFolder(outputs_root() / ".datasets"), image)


def _tell(place: Path, image: Captioned, resolution: int) -> Answer:
    size = looks.find_size(image.path)
    return {
        "key": image.key,
        "name": image.name,
        "text": image.text,
        "learned": image.learned,
        "note": image.note,
        "is_locked": image.is_locked,
        "size": size,
        "is_small": bool(size and looks.is_small(size, resolution)),
        "url": picture_url(place, image),
    }


def _version_of(path: Path) -> str:
    try:
        there = path.stat()
    except OSError:
        return "gone"
    return f"{there.st_mtime_ns:x}-{there.st_size:x}"


# ---- GET -------------------------------------------------------------------------------------------------------------
async def send_board(request: Request) -> Response:
    """What there is, 304 where the browser has it as it is."""
    asked = request.query_params
    place = captions.find_place(asked.get("place", ""))
    resolution = int(asked["resolution"]) if asked.get("resolution", "").isdecimal() else USUAL
    if place and request.headers.get("if-none-match") == f'"{await run_in_threadpool(find_version, place)}"':
        return Response(status_code=304, headers={"cache-control": ASK})
    return send_version(request, await run_in_threadpool(tell_board, place, min(resolution, 4096)) if place else None)


async def send_picture(request: Request) -> Response:
    """An image: its thumbnail, or larger; 404 where there is none that can be opened."""
    found = await run_in_threadpool(_find, request.query_params.get("place", ""), request.query_params.get("image", ""))
    if found is None:
        return _no_picture()
    is_same = request.query_params.get("v") == _version_of(found)
    headers = {"cache-control": FOR_EVER if is_same else ASK, "x-content-type-options": "nosniff"}
    if not request.query_params.get("small"):
        data = await run_in_threadpool(write_bytes, found, WHOLE, 88)
        return Response(data, media_type="image/webp", headers=headers) if data else _no_picture()
    small = await run_in_threadpool(small_picture, found)
    if small is None:
        return _no_picture()
    response = StaticFiles().file_response(small, small.stat(), request.scope)
    response.headers.update(headers)
    return response


async def send_alike(request: Request) -> Response:
    """The groups of images that are alike. Takes as long as their thumbnails take, the first time."""
    place = captions.find_place(request.query_params.get("place", ""))
    told = await run_in_threadpool(_tell_alike, place) if place else None
    return JSONResponse(told) if told is not None else _no_picture()


def _find(place: str, key: str) -> Path | None:
    found = captions.find_place(place)
    try:
        return captions.find_image(found, key).path if found else None
    except ValueError:
        return None


def _tell_alike(place: Path) -> list[Answer]:
    images = {image.key: image.path for image in captions.read_captions(place).images}
    pictures = ((key, small_picture(path)) for key, path in images.items())
    prints = {key: found for key, small in pictures if small and (found := likeness.find_print(small))}
    return [{"keys": group.keys, "is_same": group.is_same} for group in likeness.group_alike(prints, images)]


def _no_picture() -> Response:
    return PlainTextResponse("No such picture.", status_code=404, headers={"cache-control": "no-store"})


# ---- POST ------------------------------------------------------------------------------------------------------------
async def send_deed(request: Request) -> Response:
    """Does one of DEEDS with what the body says. 400 with why it cannot be, 409 with what a caption is now."""
    deed = DEEDS.get(request.path_params["deed"])
    if deed is None:
        return JSONResponse({"error": "there is nothing of this name to be done"}, 404)
    try:
        said = await read_object(request, LONGEST)
        place = captions.find_place(_text(said, "place"))
        if place is None:
            raise Wrong("this data set is not there any more")
        return JSONResponse(await run_in_threadpool(deed, place, said), headers={"cache-control": "no-store"})
    except CaptionChanged as error:
        return JSONResponse({"error": str(error), "text": error.text}, 409)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    except OSError as error:
        return JSONResponse({"error": error.strerror or str(error)}, 507)


async def send_replaced(request: Request) -> Response:
    """Puts the image in the body, whose file was called `name`, in the place of another, whose caption it gets."""
    asked = request.query_params
    place = captions.find_place(asked.get("place", ""))
    if place is None or not is_uploaded(place) or not place.is_dir():
        return JSONResponse({"error": "images of this folder are not replaced here"}, 400)
    suffix, length = PurePath(asked.get("name", "")).suffix.lower()[:10], request.headers.get("content-length", "")
    try:
        incoming.check_room(place, int(length) if length.isdecimal() else 0)
        with incoming.arriving(place, suffix) as coming:
            await _write(request, coming)
            key = await run_in_threadpool(removal.replace_image, place, asked.get("image", ""), coming)
        return JSONResponse({"key": key})
    except ClientDisconnect:
        return JSONResponse({"error": "it broke off"}, 400)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    except OSError as error:
        return JSONResponse({"error": error.strerror or str(error)}, 507)


async def _write(request: Request, target: Path) -> None:
    with target.open("wb") as file:
        async for part in request.stream():
            await run_in_threadpool(file.write, part)
            if file.tell() > LARGEST:
                raise Wrong(f"got more than {LARGEST:,} bytes, expected an image of fewer")


def _keep_caption(place: Path, said: Mapping[str, Any]) -> Answer:
    kept = captions.write_caption(place, _text(said, "key"), _text(said, "text"), _text(said, "before"))
    return {"text": kept, "version": find_version(place)}


def _preview(place: Path, said: Mapping[str, Any]) -> Answer:
    edit = bulk.Edit(_text(said, "kind"), _text(said, "text"), _text(said, "put"), said.get("match_case") is not False)
    changes = bulk.preview(captions.read_captions(place), _texts(said, "keys"), edit)
    return {"changes": [[change.key, change.before, change.after] for change in changes]}


def _change(place: Path, said: Mapping[str, Any]) -> Answer:
    rows = said.get("changes")
    if not isinstance(rows, list) or not all(isinstance(row, list) and [*map(type, row)] == [str] * 3 for row in rows):
        raise Wrong("got changes of another kind, expected a key, a text before and one after for each")
    left = bulk.make(place, [bulk.Change(*row) for row in rows])
    return {"changed": len(rows) - len(left), "left": left}


def _undo(place: Path, _said: Mapping[str, Any]) -> Answer:
    count = bulk.can_undo(place)
    left = bulk.undo(place)
    return {"changed": count - len(left), "left": left}


def _remove(place: Path, said: Mapping[str, Any]) -> Answer:
    keys, lonely = _texts(said, "keys"), _texts(said, "lonely")
    if not keys and not lonely:
        raise Wrong("got nothing to remove")
    return {"removed": removal.remove_images(place, keys) if keys else removal.remove_lonely(place, lonely)}


def _bring_back(place: Path, _said: Mapping[str, Any]) -> Answer:
    return {"left": removal.bring_back(place)}


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str):
        raise Wrong(f"got {str(value)[:80]!r} as {name}, expected text")
    return value


def _texts(said: Mapping[str, Any], name: str) -> list[str]:
    values = said.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Wrong(f"got {str(values)[:80]!r} as {name}, expected a list of texts")
    return values


DEEDS: Mapping[str, Callable[[Path, Mapping[str, Any]], Answer]] = {
    "caption": _keep_caption,
    "preview": _preview,
    "change": _change,
    "undo": _undo,
    "remove": _remove,
    "bring-back": _bring_back,
}
ROUTES: list[BaseRoute] = [
    Route("/sets/board", send_board),
    Route("/sets/picture", send_picture),
    Route("/sets/alike", send_alike),
    Route("/sets/do/{deed}", send_deed, methods=["POST"]),
    Route("/sets/replace", send_replaced, methods=["POST"]),
]
