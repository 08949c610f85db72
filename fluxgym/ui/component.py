"""Components whose scripts and styles a browser fetches once, from /code/<digest>.js, and keeps.

Streamlit sends them whole with every refresh of a page, 6 to 35 KB for each component that is drawn."""

import hashlib
import json
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

FOR_EVER = "private, max-age=31536000, immutable"  # another text has another address
# Streamlit calls a component again when its data change, after it called what the last call gave back.
LOADER = """
const url = new URL("code/DIGEST.js", document.baseURI);
export default function (component) {
  const box = component.parentElement;
  let leave, isGone = false;
  const begin = () =>
    import(url).then(
      (code) => {
        if (isGone) return;
        box.querySelector(".not-loaded")?.remove();
        leave = code.default(component);
      },
      () => {
        if (isGone) return;
        const said = '<small class="not-loaded">This part of the page cannot be loaded. It is tried again.</small>';
        if (!box.querySelector(".not-loaded")) box.insertAdjacentHTML("afterbegin", said);
        url.search = Date.now(); // a browser remembers of an address that it failed
        setTimeout(begin, 3000);
      },
    );
  begin();
  return () => ((isGone = true), leave?.());
}
"""
STYLES = "document.head.append(Object.assign(document.createElement('style'), { textContent: CSS }));\n"
_texts: dict[str, str] = {}


def declare(name: str, html: str, js: str, css: str = "") -> Any:
    """A component of Streamlit's second kind, to be called with `key`, `data` and `height`. Its styles are the whole page's.

    `js` has a default export as Streamlit wants it."""
    text = (STYLES.replace("CSS", json.dumps(css)) if css else "") + js
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    _texts[digest] = text
    return st.components.v2.component(name, html=html, js=LOADER.replace("DIGEST", digest), isolate_styles=False)


async def send_code(request: Request) -> Response:
    """The answer to one request."""
    text = _texts.get(request.path_params["digest"])
    if text is None:
        return PlainTextResponse("No such script.", status_code=404, headers={"cache-control": "no-store"})
    headers = {"cache-control": FOR_EVER, "x-content-type-options": "nosniff"}
    return Response(text, media_type="text/javascript; charset=utf-8", headers=headers)


ROUTES: list[BaseRoute] = [Route("/code/{digest}.js", send_code)]
