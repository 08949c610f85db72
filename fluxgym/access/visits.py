"""What somebody with a link may ask for, and how often: one run, to look at. Nothing that a visitor sends changes anything."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from starlette.types import Message

from fluxgym.access.links import Link, note_visit

MOST_VISITS, MOST_OF_ONE = 300, 120  # pages that may be open at once: of all links, of one
LONGEST_MESSAGE = 64 * 1024  # bytes
BURST, PER_SECOND = 30.0, 4.0  # messages: so many at once, then so many each second; a page sends one in five seconds
NOTED = 60.0  # s between two notes that a page is still open
HEADERS = {  # of a visitor's request, the others go no further
    *(b"host", b"user-agent", b"accept", b"accept-language", b"accept-encoding", b"range", b"if-range", b"if-none-match"),
    *(b"if-modified-since", b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version"),
}
WHOLE = {b"accept-encoding", b"range", b"if-range", b"if-none-match", b"if-modified-since"}  # hide the page to be dressed
FILES = ("static", "component/streamlit_autorefresh.st_autorefresh")  # Streamlit's, the same for everybody
PLAIN = {"/", "/favicon.png", "/manifest.json", "/_stcore/health", "/_stcore/host-config", "/vendor/plotly.min.js"}


@dataclass
class Visits:
    """All visits of a server. What Streamlit's messages hold is for others to know:

    `let_in` makes of a visitor's message what may be heard of it, `let_out` of ours what may be told; None: nothing.
    `tell_head(link, address)`: what stands in the head of its page, as HTML."""

    let_in: Callable[[bytes], bytes | None]
    let_out: Callable[[bytes], bytes | None]
    tell_head: Callable[[Link, str], str]
    open: Counter[str] = field(default_factory=Counter)  # pages by the digest of their link

    def is_full(self, link: Link) -> bool:
        return self.open.total() >= MOST_VISITS or self.open[link.digest] >= MOST_OF_ONE

    def begin(self, link: Link) -> "Visit":
        self.open[link.digest] += 1
        return Visit(self, link)

    def may_ask(self, link: Link, path: str) -> bool:
        """Whether a link shows what lies at a path, which begins with "/". `path` is decoded."""
        parts = path[1:].split("/")
        if path in PLAIN:
            return True
        if not all(parts) or {".", ".."} & set(parts) or "\\" in path or "\0" in path:
            return False
        return any(path.startswith(f"/{files}/") for files in FILES) or self._is_its_own(link, parts)

    def _is_its_own(self, link: Link, parts: list[str]) -> bool:
        """Whether it is of the link's run, and of a part that the link shows."""
        run = link.folder.name
        match parts:
            case ["code", script]:
                return script.endswith(".js")
            case ["charts", name, _]:
                return name == run
            case ["card", name]:
                return name == f"{run}.jpg" and "samples" in link.parts
            case ["files", name, "grid"]:
                return name == run and "samples" in link.parts
            case ["files", name, "pictures", *place]:
                return name == run and "samples" in link.parts and bool(place)
            case ["files", name, "lora", *place]:
                return name == run and "checkpoints" in link.parts and bool(place)
        return False


@dataclass
class Visit:
    """One open page of a visitor."""

    visits: Visits
    link: Link
    _allowed: float = BURST
    _heard: float = field(default_factory=monotonic)
    _noted: float = 0.0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def hear(self, message: Message) -> Message | None:
        """What Streamlit is told of a message that came; None: nothing."""
        if message["type"] != "websocket.receive":
            return message
        now = monotonic()
        self._allowed = min(BURST, self._allowed + (now - self._heard) * PER_SECOND)
        self._heard = now
        data = message.get("bytes")
        if self._allowed < 1 or not data or len(data) > LONGEST_MESSAGE:
            return None
        self._allowed -= 1
        let_in = self.visits.let_in(data)
        if let_in is not None and now - self._noted > NOTED:
            self._note(is_new=self._noted == 0)
            self._noted = now
        return None if let_in is None else {"type": "websocket.receive", "bytes": let_in}

    def tell(self, message: Message) -> Message | None:
        """What a visitor is told of a message of ours."""
        if message["type"] != "websocket.send":
            return message
        let_out = self.visits.let_out(message.get("bytes") or b"")
        return None if let_out is None else {"type": "websocket.send", "bytes": let_out}

    def end(self) -> None:
        self.visits.open[self.link.digest] -= 1
        self.visits.open += Counter()  # forgets links of which no page is open

    def _note(self, is_new: bool) -> None:
        task = asyncio.create_task(asyncio.to_thread(note_visit, self.link, is_new))
        self._tasks.add(task)  # a task that nobody holds may be collected before it is done
        task.add_done_callback(self._tasks.discard)
