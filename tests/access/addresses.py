"""An address for each route of the server that there is, ours and Streamlit's, at which an owner gets an answer."""

import json
from urllib.parse import quote

from fluxgym.dataset.captions import read_captions
from fluxgym.ui import chart, component, server
from tests.access.planted import OTHER, SAMPLE, SHOWN
from trainer.mini import DATASET

(CHART,) = (digest for digest, text in component._texts.items() if "window.fluxgymPlotly" in text)
assert chart  # which declares it


def ours(run: str = SHOWN) -> dict[str, str]:
    """By the path of the route. test_stranger.py compares the keys with server.ROUTES."""
    picture = quote(f"sample/{run}{SAMPLE}")
    place = f"place={quote(str(DATASET), safe='')}"
    return {
        "/favicon.png": "favicon.png",
        "/vendor": "vendor/plotly.min.js",
        "/code/{digest}.js": f"code/{CHART}.js",
        "/files/{run}/grid": f"files/{run}/grid",
        "/files/{run}/pictures/{place:path}": f"files/{run}/pictures/{picture}",
        "/files/{run}/board": f"files/{run}/board",
        "/files/{run}/about/{place:path}": f"files/{run}/about/{run}.safetensors",
        "/files/{run}/lora/{place:path}": f"files/{run}/lora/{run}.safetensors",
        "/files/{run}/{kind}/{file}": f"files/{run}/loras/{run}.safetensors",
        "/charts/{run}/{group}": f"charts/{run}/learns",
        "/csv/{run}/{table}.csv": f"csv/{run}/steps.csv",
        "/freeze/{run}.html": f"freeze/{run}.html",
        "/zip/{run}.zip": f"zip/{run}.zip",
        "/lines/{run}/{log}": f"lines/{run}/training?lines=100",
        "/log/{run}/{log}": f"log/{run}/training",
        "/live/{run}/{log}": f"live/{run}/training?lines=100",
        "/together/charts": f"together/charts?runs={run},{OTHER}",
        "/card/{run}.jpg": f"card/{run}.jpg",
        "/together/samples": f"together/samples?runs={run},{OTHER}",
        "/sets/board": f"sets/board?{place}",
        "/sets/picture": f"sets/picture?{place}&image={quote(read_captions(DATASET).images[0].key)}",
        "/sets/alike": f"sets/alike?{place}",
        "/sets/do/{deed}": "sets/do/preview",
        "/sets/plan": "sets/plan",
        "/sets/arrive": "sets/arrive?place=datasets/cat&name=a.png",
        "/sets/replace": f"sets/replace?{place}&image=robot_01.png&name=b.png",
    }


SOCKETS = {"/live/{run}/{log}"}  # of ours
POSTS = {  # those that change something, with what is sent
    "/sets/do/{deed}": json.dumps({"place": str(DATASET), "kind": "prefix", "text": "x"}).encode(),
    "/sets/replace": b"an image",
    "/sets/plan": b"no list",
    "/sets/arrive": b"an image",
}
STREAMLITS = [  # "a method, an address" of each route that Streamlit has; see starlette_routes.py and its neighbours
    "GET ",
    "GET run?run=shown",
    "GET train",
    "GET settings",
    "GET index.html",
    "GET manifest.json",
    "GET static/js/index.js",
    "GET _stcore/host-config",
    "GET _stcore/metrics",
    "GET _stcore/script-health-check",
    "GET _stcore/agent/mcp",
    "POST _stcore/agent/mcp",
    "GET _stcore/message",
    "GET media/0123456789abcdef.png",
    "OPTIONS media/0123456789abcdef.png",
    "PUT _stcore/upload_file/a-session/a-file",
    "DELETE _stcore/upload_file/a-session/a-file",
    "OPTIONS _stcore/upload_file/a-session/a-file",
    "POST _stcore/upload_file/a-session/a-file",
    "GET component/streamlit_autorefresh.st_autorefresh/index.html",
    "GET _stcore/bidi-components/fluxgym_chart/index.js",
    "GET app/static/secret.txt",
    "GET auth/login",
    "GET auth/logout",
    "GET oauth2callback",
]
STREAM = "_stcore/stream"


def route_paths() -> set[str]:
    return {vars(route)["path"] for route in server.ROUTES}
