"""Somebody who asks one of our routes by a link, as the gate tells it."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from fluxgym.access.links import make_link
from trainer.folder import RunFolder


def as_visitor(folder: RunFolder, routes: Sequence[BaseRoute], parts: Sequence[str] = ("log", "samples")) -> TestClient:
    """A client whose link shows this run."""
    link, _ = make_link(folder, parts=parts)
    app = Starlette(routes=list(routes))

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "fluxgym.link": link}, receive, send)

    return TestClient(gate)
