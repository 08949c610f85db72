"""Stands before everything that the server answers (ASGI): the owner by a cookie, a visitor by /s/<token>/, nobody else.

A visitor's path is rewritten to the one behind its token, and only an allow-list of paths and messages goes through. Scripts
are told who asks by the header USER, which is taken out of every request first; routes by link_of().
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fluxgym.access import doors
from fluxgym.access.answers import add_cookie, add_headers, dress
from fluxgym.access.links import Book, Link
from fluxgym.access.owner import LASTS, AccessError, Owner, is_open
from fluxgym.access.throttle import Full, Throttle
from fluxgym.access.visits import HEADERS, WHOLE, Visits
from fluxgym.access.watched import Watched

USER = "x-fluxgym-user"  # the header by which a script knows who asks: OWNER, or VISITOR and the link's digest
OWNER, VISITOR = "owner", "visitor "
OURS = b"x-fluxgym-"  # begins the headers that nobody else may send
RENEWED = 24 * 60 * 60  # s after which a cookie is given out anew
LONGEST_FORM = 8192  # bytes
HEALTH = "/_stcore/health"
ALIVE = "/alive"  # a page asks whether it may still be seen


@dataclass
class Door:
    """One connection on its way in."""

    scope: Scope
    receive: Receive
    send: Send
    headers: Headers = field(init=False)

    def __post_init__(self) -> None:
        self.headers = Headers(scope=self.scope)

    @property
    def is_socket(self) -> bool:
        return bool(self.scope["type"] == "websocket")

    @property
    def is_page(self) -> bool:
        """Whether a person would read the answer."""
        return self.scope.get("method") == "GET" and "text/html" in self.headers.get("accept", "")

    @property
    def scheme(self) -> str:
        """As the browser has it: the first of the proxies on the way says it first."""
        return str(self.headers.get("x-forwarded-proto") or self.scope["scheme"]).split(",")[0].strip()

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What stands behind the question mark."""
        return parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    async def answer(self, response: Response) -> None:
        if self.is_socket:
            await self.send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            await response(self.scope, self.receive, self.send)


class Gate:
    """The middleware. `base`: server.baseUrlPath, as "" or "/name"; `owner` is None where everybody is the owner."""

    def __init__(self, app: ASGIApp, base: str, owner: Callable[[], Owner], book: Book, visits: Visits):
        self.app, self.base, self.book, self.visits = app, base, book, visits
        self.owner = None if is_open() else owner()
        self.keys = Throttle(free=10, longest=5.0, room=20)
        self.links = Throttle(free=100, longest=2.0, room=200)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope = {**scope, "headers": [each for each in scope["headers"] if not each[0].lower().startswith(OURS)]}
        path = scope["path"].removeprefix(self.base) if scope["path"].startswith(f"{self.base}/") else ""
        is_visitor = path.startswith("/s/")
        door = Door(scope, receive, add_headers(send, is_visitor))
        if is_visitor:
            await self._let_visitor(door, *path.removeprefix("/s/").partition("/"))
        else:
            await self._let_owner(door, path)

    # ---- the owner ---------------------------------------------------------------------------------------------------
    async def _let_owner(self, door: Door, path: str) -> None:
        if path == HEALTH and not door.is_socket:
            await self.app(door.scope, door.receive, door.send)
            return
        is_asking = not door.is_socket and door.scope["method"] in ("GET", "HEAD")
        if not is_asking and not is_same_site(door.headers):
            await door.answer(PlainTextResponse("Got a request from a page of another site.", 403))
            return
        if self.owner is None:
            await self._pass_owner(door, lambda: True)
        elif path == "/login" and not door.is_socket:
            await self._sign_in(door, self.owner)
        elif is_asking and any(name == "key" for name, _ in door.asked):
            await self._take_key(door, self.owner)
        elif cookie := self._find_cookie(door, self.owner):
            await self._let_session(door, self.owner, path, cookie)
        elif (bearer := door.headers.get("authorization", "")).startswith("Bearer "):
            await self._let_bearer(door, self.owner, bearer.removeprefix("Bearer ").strip())
        else:
            await self._refuse(door, self.owner)

    async def _let_session(self, door: Door, owner: Owner, path: str, cookie: str) -> None:
        session = owner.session_of(cookie)
        if path == "/logout" and not door.is_socket:
            await self._log_out(door, owner, session)
            return
        if door.is_page and owner.age_of(cookie) > RENEWED:
            door.send = add_cookie(door.send, self._cookie(door, owner, owner.begin(session)))
        await self._pass_owner(door, lambda: owner.session_of(cookie) != "")

    async def _let_bearer(self, door: Door, owner: Owner, key: str) -> None:
        """For scripts: the key with each request."""
        if trouble := await self._try(owner, key):
            await door.answer(PlainTextResponse(trouble, 429 if trouble == doors.SLOWED else 401))
        else:
            await self._pass_owner(door, lambda: owner.has_chosen or owner.is_key(key))

    async def _pass_owner(self, door: Door, is_allowed: Callable[[], bool]) -> None:
        scope = {**door.scope, "headers": [*_without(door.scope, b"origin"), (USER.encode(), OWNER.encode())]}
        if scope["path"] == self.base + ALIVE and not door.is_socket:
            await door.answer(_nothing())
        elif not door.is_socket:
            await self.app(scope, door.receive, door.send)
        else:
            watched = Watched(door.receive, door.send, is_allowed)
            await self.app(scope, watched.receive, watched.send)

    async def _sign_in(self, door: Door, owner: Owner) -> None:
        request = Request(door.scope, door.receive)
        after = f"{self.base}/"
        if request.method != "POST":
            known = request.method in ("GET", "HEAD")
            await door.answer(self._ask(owner, after, status=200) if known else PlainTextResponse("Sign in by POST.", 405))
            return
        form = dict(parse_qsl((await _read_form(request)).decode("utf-8", "replace")))
        after = doors.local(form.get("next", ""), self.base)
        if trouble := await self._try(owner, form.get("key", "")):
            await door.answer(self._ask(owner, after, trouble))
        else:
            await self._let_in(door, owner, after)

    async def _take_key(self, door: Door, owner: Owner) -> None:
        """An address with the key in it: it becomes a cookie, and leaves the address."""
        key = next(value for name, value in door.asked if name == "key")
        rest = urlencode([(name, value) for name, value in door.asked if name != "key"])
        after = self._come_back(door, rest)
        if not (trouble := await self._try(owner, key)):
            await self._let_in(door, owner, after)
        elif self._find_cookie(door, owner):  # an old address in a browser that is signed in
            await door.answer(RedirectResponse(after, 303, {"cache-control": "no-store"}))
        else:
            await door.answer(self._ask(owner, after, trouble))

    async def _try(self, owner: Owner, key: str) -> str:
        """Nothing where it is the key, or what is wrong. The generated key is always looked at, what a person chose only while
        few are wrong: it can be guessed."""
        if owner.is_key(key.strip()):
            return ""
        try:
            async with self.keys.enter():
                if owner.has_chosen and await run_in_threadpool(owner.is_chosen, key):
                    return ""
                await self.keys.slow()
        except Full:
            return doors.SLOWED
        return doors.WRONG

    async def _let_in(self, door: Door, owner: Owner, after: str) -> None:
        response = RedirectResponse(after, 303, {"cache-control": "no-store"})
        response.headers["set-cookie"] = self._cookie(door, owner, owner.begin())
        await door.answer(response)

    async def _log_out(self, door: Door, owner: Owner, session: str) -> None:
        if door.scope["method"] != "POST":
            await door.answer(doors.ask_log_out(self.base))
            return
        try:
            await run_in_threadpool(owner.end, session)
        except (AccessError, OSError) as error:
            await door.answer(PlainTextResponse(f"You are still signed in: {error}", 500))
            return
        response = doors.logged_out(self.base)
        response.headers["set-cookie"] = self._cookie(door, owner, "", lasts=0)
        await door.answer(response)

    async def _refuse(self, door: Door, owner: Owner) -> None:
        if door.is_page:
            await door.answer(self._ask(owner, self._come_back(door, door.scope["query_string"].decode("latin-1"))))
        else:
            await door.answer(PlainTextResponse("Sign in first.", 401, {"www-authenticate": "Bearer"}))

    def _come_back(self, door: Door, query: str) -> str:
        """Where to go once the key is known: the path that was asked for."""
        return doors.local(quote(door.scope["path"]) + (f"?{query}" if query else ""), self.base)

    def _ask(self, owner: Owner, after: str, trouble: str = "", status: int = 401) -> Response:
        status = 429 if trouble == doors.SLOWED else status
        return doors.sign_in(self.base, after, trouble, status, has_password=bool(owner.password))

    def _find_cookie(self, door: Door, owner: Owner) -> str:
        """The cookie of a session that goes on, or nothing."""
        cookie = HTTPConnection(door.scope).cookies.get(owner.cookie_name, "")
        return cookie if cookie and owner.session_of(cookie) else ""

    def _cookie(self, door: Door, owner: Owner, value: str, lasts: float = LASTS) -> str:
        secure = "; Secure" if door.scheme == "https" else ""
        path = self.base or "/"
        return f"{owner.cookie_name}={value}; Max-Age={int(lasts)}; Path={path}; HttpOnly; SameSite=Lax{secure}"

    # ---- a visitor ---------------------------------------------------------------------------------------------------
    async def _let_visitor(self, door: Door, token: str, slash: str, rest: str) -> None:
        link = await self.book.find(token)
        if link is None:
            await self._refuse_visitor(door, token)
            return
        if door.is_socket:
            await self._let_socket(door, link, f"/{rest}")
            return
        if door.scope["method"] not in ("GET", "HEAD"):
            await door.answer(PlainTextResponse("A link shows a run and takes nothing.", 405))
        elif not slash:
            await door.answer(RedirectResponse(f"{self.base}/s/{quote(token)}/", 307))
        elif rest == ALIVE[1:]:
            await door.answer(_nothing())
        elif self.visits.may_ask(link, f"/{rest}"):
            send = door.send
            if not rest:  # beside the server's loop: the first look at a long log takes a while
                address = _address(door, f"{self.base}/s/{token}/")
                send = dress(send, await run_in_threadpool(self.visits.tell_head, link, address))
            await self.app(self._rewrite(door, link, f"/{rest}"), door.receive, send)
        else:
            await door.answer(PlainTextResponse("This link does not show that.", 404))

    async def _refuse_visitor(self, door: Door, token: str) -> None:
        try:
            async with self.links.enter():
                if token != "_stcore":  # Streamlit's own page asks below /s/, too
                    await self.links.slow()
        except Full:
            await door.answer(PlainTextResponse(doors.SLOWED, 429))
        else:
            await door.answer(doors.dead_link())

    async def _let_socket(self, door: Door, link: Link, path: str) -> None:
        if path != "/_stcore/stream" or not is_same_site(door.headers) or self.visits.is_full(link):
            await door.answer(Response(status_code=403))
            return
        visit = self.visits.begin(link)
        watched = Watched(door.receive, door.send, lambda: self.book.get(link.digest) is not None, visit.hear, visit.tell)
        try:
            await self.app(self._rewrite(door, link, path), watched.receive, watched.send)
        finally:
            visit.end()

    def _rewrite(self, door: Door, link: Link, path: str) -> Scope:
        """The request as if it had been made without the token, by somebody of whom nothing is known but the link."""
        kept = HEADERS if path != "/" else HEADERS - WHOLE
        headers = [each for each in door.scope["headers"] if each[0].lower() in kept]
        if door.is_socket:  # behind the first stands the id of a session that is to go on: it could be another's
            headers = [*headers, (b"sec-websocket-protocol", b"streamlit")]
        path = self.base + path
        return {
            **door.scope,
            "path": path,
            "raw_path": quote(path).encode(),
            "headers": [*headers, (USER.encode(), f"{VISITOR}{link.digest}".encode())],
            "subprotocols": ["streamlit"],
            "fluxgym.link": link,
        }


def link_of(connection: HTTPConnection) -> Link | None:
    """The link through which somebody asks one of our routes; None for the owner."""
    link = connection.scope.get("fluxgym.link")
    return link if isinstance(link, Link) else None


def is_same_site(headers: Headers) -> bool:
    """Whether our own page asks. A browser lets any page open a WebSocket to us, and always says which one that was."""
    origin = headers.get("origin")
    hosts = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
    return origin is None or urlsplit(origin).netloc.lower() in hosts - {""}


def _without(scope: Scope, name: bytes) -> list[tuple[bytes, bytes]]:
    """The headers but one: what it says was looked at here, where a proxy's own name is known."""
    return [each for each in scope["headers"] if each[0].lower() != name]


async def _read_form(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            return b""
    return body


def _nothing() -> Response:
    return Response(status_code=204, headers={"cache-control": "no-store"})


def _address(door: Door, path: str) -> str:
    """The whole address of a path, as the one who asks sees this server."""
    host = door.headers.get("x-forwarded-host") or door.headers.get("host", "")
    return f"{door.scheme}://{host}{path}"
