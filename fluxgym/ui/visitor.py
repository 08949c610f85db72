"""Who asks: the owner, or somebody with a link. The gate knows it and tells scripts by a header that nobody else can send."""

from functools import cache
from html import escape
from urllib.parse import quote

import streamlit as st
from starlette.middleware import Middleware

from fluxgym.access.gate import OWNER, USER, VISITOR, Gate
from fluxgym.access.links import Book, Link
from fluxgym.access.owner import Owner
from fluxgym.access.visits import Visits
from fluxgym.ui.routes import begin_path
from fluxgym.ui.visitor_messages import let_in, let_out
from fluxgym.view.preview import tell_card

BOOK = Book()
NAME = "name"  # under which st.user tells what the header says
TRUSTED = {USER: NAME}  # for server.trustedUserHeaders


@cache
def get_owner() -> Owner:
    """Of this server. Raises AccessError where the settings of the access cannot be used."""
    return Owner()


def guard(base: str) -> Middleware:
    """What stands before everything. `base`: server.baseUrlPath."""
    return Middleware(Gate, base=begin_path(base), owner=get_owner, book=BOOK, visits=Visits(let_in, let_out, tell_head))


def who_asks() -> str:
    """OWNER, VISITOR and a digest, or nothing where no gate has told it."""
    return str(st.user.get(NAME) or "")


def is_owner() -> bool:
    """Whether this script runs for the owner. Never where that is not known."""
    return who_asks() == OWNER


def link_in_view() -> Link | None:
    """The link by which this script's visitor came, as long as it is valid."""
    said = who_asks()
    return BOOK.get(said.removeprefix(VISITOR)) if said.startswith(VISITOR) else None


def tell_head(link: Link, address: str) -> str:
    """What a messenger shows of a link, and a browser as the title of its tab. `address`: that of the page."""
    title, description = tell_card(link.folder)
    told = {
        "og:title": title,
        "og:description": description,
        "og:type": "website",
        "og:site_name": "FluxGym",
        "og:url": address,
    }
    if "samples" in link.parts:
        told["og:image"] = f"{address}card/{quote(link.folder.name, safe='')}.jpg"
    card = "summary_large_image" if "og:image" in told else "summary"
    tags = "".join(f'<meta property="{name}" content="{escape(said)}">' for name, said in told.items())
    return (
        f'<title>{escape(title)}</title><meta name="twitter:card" content="{card}"><meta name="robots" content="noindex">{tags}'
    )
