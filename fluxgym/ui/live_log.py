"""The routes of the log panel: lines as they are written over a WebSocket, lines whenever it asks over HTTP, and the whole log.

    GET /lines/<run>/<log>?lines=100&text=&level=&case=&after=&check=   what is new (fluxgym/view/log_news.py)
    GET /lines/<run>/<log>?near=<number>                                the lines around one
    GET /lines/<run>/<log>?text=&level=&next=<number>                   the next that fits, or `previous=`
    GET /log/<run>/<log>                                                all of it, its parts in one
    WS  /live/<run>/<log>?...                                           as the first, and then each line as it comes

All who want the same of a log share one reader, which runs while somebody is there and reads only what is new.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from fluxgym.log.parts import list_parts, open_part, read_part
from fluxgym.log.search import Wanted
from fluxgym.run.folders import NoSuchRun, find_run
from fluxgym.run.stamp import stamp_of
from fluxgym.view import log_news
from fluxgym.view.log_news import Asked, Seen
from fluxgym.view.logs import find_log

EVERY = 0.1  # s between two looks at a log that somebody follows
PATIENCE = 0.5  # s that one look may take; a log of gigabytes is read in several, with what was found so far in between
BEAT = 15  # s after which a message goes out that says nothing: a browser takes a silent connection for a dead one
BLOCK = 256 * 1024  # bytes


class Feed:
    """One reader of a log for all who want the same of it."""

    def __init__(self, log: Path, wanted: Wanted):
        self.log, self.wanted = log, wanted
        self.viewers = 0
        self.seen: Seen | None = None
        self.changed = asyncio.Event()  # replaced at each change, so that nobody misses one
        self.reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Looks again and again; a log that nobody wrote to is not opened."""
        stamp: object = None
        while True:
            now = await asyncio.to_thread(stamp_of, self.log)
            if now != stamp or self.seen is None or not self.seen.is_whole:
                seen = await asyncio.to_thread(log_news.look, self.log, self.wanted, PATIENCE)
                stamp, self.seen = now, seen
                self.changed.set()
                self.changed = asyncio.Event()
            if self.seen.is_whole:
                await asyncio.sleep(EVERY)


_feeds: dict[tuple[Path, Wanted], Feed] = {}  # those that somebody looks at


@asynccontextmanager
async def join(log: Path, wanted: Wanted) -> AsyncIterator[Feed]:
    """The feed of a log; it reads from when the first joins it until the last has left."""
    key = (log, wanted)
    feed = _feeds.setdefault(key, Feed(log, wanted))
    feed.viewers += 1
    if feed.reading is None:
        feed.reading = asyncio.create_task(feed.read())
    try:
        yield feed
    finally:
        feed.viewers -= 1
        if not feed.viewers:
            feed.reading.cancel()
            _feeds.pop(key, None)


async def send_live(websocket: WebSocket) -> None:
    """One viewer, from the lines that it asks for to its end."""
    log = await run_in_threadpool(_find, websocket.path_params)
    try:
        asked = log_news.parse(websocket.query_params)
    except ValueError:
        log = None
    if log is None:
        await websocket.close(1008)  # before it is accepted: 403
        return
    await websocket.accept()
    async with join(log, asked.wanted) as feed:
        assert feed.reading
        leaving = asyncio.create_task(websocket.receive())  # a viewer has nothing to say but that it goes
        sending = asyncio.create_task(_send(websocket, feed, asked))
        ends = {leaving, sending, feed.reading}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, sending):
            task.cancel()
        results = await asyncio.gather(leaving, sending, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | asyncio.CancelledError):
            raise result


async def _send(websocket: WebSocket, feed: Feed, asked: Asked) -> None:
    """What there is, then what is new, as fast as this viewer takes it: in between the feed goes on without it."""
    sent: Seen | None = None  # the last that was sent
    base: Seen | None = None  # the same once all was read: from there on only what is new is sent
    while True:
        changed, seen = feed.changed, feed.seen
        if seen is None or seen is sent:
            try:
                await asyncio.wait_for(changed.wait(), BEAT)
            except TimeoutError:
                await websocket.send_json({})
            continue
        if base is not None:
            told = log_news.tell_more(seen, base, asked)
        elif sent is None:
            told = await asyncio.to_thread(log_news.tell_early, feed.log, seen, asked)
        else:
            told = log_news.tell(seen, asked)
        await websocket.send_json(told)
        sent, base = seen, seen if base or seen.is_whole else None


async def send_lines(request: Request) -> Response:
    """What is new of a log, the lines around one, or the next that fits."""
    log = await run_in_threadpool(_find, request.path_params)
    if log is None:
        return PlainTextResponse("No such log.", status_code=404)
    try:
        told = await run_in_threadpool(_answer, log, request)
    except ValueError as error:
        return PlainTextResponse(str(error), status_code=400)
    return JSONResponse(told, headers={"cache-control": "no-store"})


async def send_log(request: Request) -> Response:
    """All of a log as one download."""
    log = await run_in_threadpool(_find, request.path_params)
    parts = await run_in_threadpool(list_parts, log) if log else []
    if log is None or not parts:
        return PlainTextResponse("No such log.", status_code=404)
    name = quote(f"{request.path_params['run']}-{log.name.removesuffix('.gz')}", safe="")
    headers = {"content-disposition": f"attachment; filename*=utf-8''{name}", "x-content-type-options": "nosniff"}
    return StreamingResponse(_read(parts), media_type="text/plain; charset=utf-8", headers=headers)


def _find(names: dict[str, str]) -> Path | None:
    try:
        log = find_log(find_run(names["run"]), names["log"])
    except (NoSuchRun, OSError):  # OSError: a folder that may not be read
        return None
    return log.path if log else None


def _answer(log: Path, request: Request) -> dict[str, Any]:
    query = request.query_params
    if "near" in query:
        return log_news.tell_near(log, int(query["near"]))
    asked = log_news.parse(query)
    for step in query.keys() & {"next", "previous"}:
        return log_news.tell_next(log, asked, int(query[step]), is_back=step == "previous")
    return log_news.tell_early(log, log_news.look(log, asked.wanted, PATIENCE), asked)


def _read(parts: list[Path]) -> Iterator[bytes]:
    for part in parts:
        try:
            with open_part(part) as file:
                while block := read_part(file, BLOCK):
                    yield block
        except OSError:  # as everywhere: a part that cannot be read is left out
            continue


ROUTES: list[BaseRoute] = [
    Route("/lines/{run}/{log}", send_lines),
    Route("/log/{run}/{log}", send_log),
    WebSocketRoute("/live/{run}/{log}", send_live),
]
