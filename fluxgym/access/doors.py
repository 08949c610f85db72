"""The pages that stand before all others: sign in, log out, a link that is not valid. They need no script and load nothing."""

import re
from html import escape

from starlette.responses import HTMLResponse

LOGO = (
    '<svg viewBox="0 0 32 32" width="40" height="40" aria-hidden="true"><path d="M4 7c5 0 6 17 12 17S21 13 28 13" fill="none" '
    'stroke="#159a95" stroke-width="4.4" stroke-linecap="round"/><circle cx="28" cy="13" r="3.4" fill="#D55E00"/></svg>'
)
STYLE = """
:root{color-scheme:light dark;--back:#fff;--card:#f6f7f7;--text:#1c2526;--faint:#5b6768;--line:#e1e5e5;--press:#0b6e6e;
--on:#fff;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--back:#121617;--card:#1a2021;--text:#e6eaea;--faint:#9aa6a7;--line:#2b3436;
--press:#35b8b0;--on:#0b1516;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--text);
font:15px/1.5 Inter,'Source Sans',system-ui,sans-serif}
main{width:100%;max-width:25rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
h1{margin:1rem 0 .5rem;font-size:1.35rem;font-weight:600}
p{margin:0 0 1rem;color:var(--faint)}
label{display:block;margin:0 0 .35rem;font-weight:600}
input{width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--back);border:1px solid var(--line);
border-radius:.5rem}
button{margin-top:1rem;width:100%;padding:.65rem;font:inherit;font-weight:600;color:var(--on);background:var(--press);border:0;
border-radius:.5rem;cursor:pointer}
input:focus-visible,button:focus-visible,a:focus-visible{outline:2px solid var(--press);outline-offset:2px}
code{font:.85em 'JetBrains Mono',ui-monospace,monospace;overflow-wrap:anywhere}
.bad{color:var(--bad)}
a{color:var(--press)}
"""
WRONG = "That is not the key."
SLOWED = "Too many wrong tries. Wait a minute, then try again."
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


def sign_in(base: str, after: str, trouble: str = "", status: int = 401, has_password: bool = False) -> HTMLResponse:
    """Asks for the key. `base`: the path of the server; `after`: the path to go to then."""
    what = "Password" if has_password else "Key"
    where = (
        "Type the password of this server."
        if has_password
        else "The address with the key is where the server was started. "
        "<code>python -m fluxgym key</code> prints it again, on the machine that it runs on."
    )
    bad = f'<p class="bad" role="alert">{escape(trouble)}</p>' if trouble else ""
    return _page(
        "Sign in to FluxGym",
        f"""<p>{where}</p>{bad}<form method="post" action="{escape(base)}/login">
<input type="hidden" name="next" value="{escape(after)}">
<label for="key">{what}</label>
<input id="key" name="key" type="password" autocomplete="current-password" autofocus required>
<button>Sign in</button></form>""",
        status,
    )


def ask_log_out(base: str) -> HTMLResponse:
    """Before a session is ended: an address alone must not end it."""
    return _page(
        "Log out",
        f"""<p>All pages that this browser has open here are signed out. Trainings go on, and links stay valid.</p>
<form method="post" action="{escape(base)}/logout"><button>Log out</button></form>
<p style="margin:1rem 0 0"><a href="{escape(base)}/">Back to the runs</a></p>""",
        200,
    )


def logged_out(base: str) -> HTMLResponse:
    return _page(
        "You are logged out", f'<p>Trainings go on. <a href="{escape(base)}/">Sign in again</a> with the key.</p>', 200
    )


def dead_link() -> HTMLResponse:
    """One and the same for links that never were, that have expired and that were revoked."""
    return _page(
        "This link is not valid",
        '<p style="margin:0">It may have expired, or its owner has revoked it. Ask whoever sent it to you for another one.</p>',
        404,
    )


def local(path: str, base: str) -> str:
    """A path of this server to go to; the start page in place of anything that could lead elsewhere."""
    return path if _LOCAL.fullmatch(path) else f"{base}/"


def _page(title: str, body: str, status: int) -> HTMLResponse:
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="robots" content="noindex"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><main>{LOGO}<h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(text, status, {"cache-control": "no-store"})
