"""A run frozen into one HTML file for mail, forum or archive: its charts alive, its samples inside, nothing to be loaded.

    for piece in write_snapshot(folder, {"log", "samples", "settings"}): file.write(piece)

It shows what a visitor would see (visitor_look.py), redacted; what the run says is text in it, never markup. The file's own
policy lets a browser run the scripts that are inside and nothing else, and load nothing at all.
"""

import base64
import hashlib
import importlib.util
import json
import re
import time
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from html import escape
from pathlib import Path

from fluxgym.access import links
from fluxgym.access.redact import redactor_of
from fluxgym.run.folders import PROJECT
from fluxgym.view import charts, visitor_look, words
from fluxgym.view.curves import EPOCH, STEP, TIME
from fluxgym.view.figures import known
from fluxgym.view.frozen_samples import plan_samples, tell_count, write_samples
from fluxgym.view.health import get_health, leave_out_words
from fluxgym.view.visitor_look import Seen
from trainer.folder import RunFolder

PARTS = {part: text for part, text in links.PARTS.items() if part != "checkpoints"}  # of which a file has no room
AXES = {STEP: "Step", EPOCH: "Epoch", TIME: "Time"}
HERE = Path(__file__).parent
MARKER = re.compile(r"\{(\w+)\}")
MOMENT, DATE = "%-d %b %Y, %H:%M UTC", "%-d %B %Y at %H:%M UTC"
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 32"><path d="M4 7c5 0 6 17 12 17S21 13 28 13" fill="none" '
    'stroke="#159a95" stroke-width="4.4" stroke-linecap="round"/><circle cx="28" cy="13" r="3.4" fill="#D55E00"/>{text}</svg>'
)
NAME = '<text x="42" y="22" font-size="18" font-weight="650">FluxGym</text>'
RING = '<circle cx="12" cy="12" r="9"/>'
SIGNS = {  # lines in a square of 24 px, for the icons of the states
    "check_circle": f'{RING}<path d="M8 12.5l2.8 2.8L16 9.5"/>',
    "error": f'{RING}<path d="M12 7.5v5.5M12 16.2v.2"/>',
    "play_circle": f'{RING}<path d="M10 8.5v7l5.5-3.5z" fill="currentColor"/>',
    "stop_circle": f'{RING}<path d="M9.5 9.5h5v5h-5z" fill="currentColor"/>',
    "schedule": f'{RING}<path d="M12 7v5.2l3.4 2"/>',
    "progress_activity": '<path d="M12 3a9 9 0 1 0 9 9"/>',
    "hourglass_top": '<path d="M7 3h10M7 21h10M8 3v4l4 5-4 5v4M16 3v4l-4 5 4 5v4"/>',
    "warning": '<path d="M12 4L2.8 20h18.4zM12 10v4.5M12 17v.2"/>',
    "running_with_errors": '<path d="M12 4L2.8 20h18.4zM12 10v4.5M12 17v.2"/>',
    "power_off": '<path d="M12 3v8M6.5 6.5a8 8 0 1 0 11 0"/>',
    "help": f'{RING}<path d="M9.5 9.5a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.8M12 16.6v.2"/>',
}


def write_snapshot(folder: RunFolder, parts: Collection[str] = tuple(PARTS), now: float | None = None) -> Iterator[bytes]:
    """The file in pieces. `parts`: what is inside beside progress and charts, of PARTS.

    Raises ValueError for other parts and OSError where the log cannot be read, before the first piece."""
    if unknown := sorted(set(parts) - set(PARTS)):
        raise ValueError(f"got the parts {', '.join(unknown)}, expected of {', '.join(PARTS)}")
    fields = _tell(folder, set(parts), time.time() if now is None else now)
    return _fill((HERE / "snapshot.html").read_text(encoding="utf-8"), fields)


def file_name(folder: RunFolder) -> str:
    """What the file is called where it is saved."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', folder.title).strip('.-') or 'run'}.html"


@cache
def tell_maker() -> str:
    """FluxGym, and the commit where it is known: "FluxGym 1a2b3c4"."""
    git = PROJECT / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        name = head.removeprefix("ref: ")
        commit = head if name == head else _read_ref(git, name)
    except OSError:
        commit = ""
    return f"FluxGym {commit[:7]}" if re.fullmatch("[0-9a-f]{40,64}", commit) else "FluxGym"


def _read_ref(git: Path, name: str) -> str:
    loose = git / name
    if loose.is_file():
        return loose.read_text(encoding="utf-8").strip()
    packed = (git / "packed-refs").read_text(encoding="utf-8")
    return next((line.split()[0] for line in packed.splitlines() if line.endswith(f" {name}")), "")


def _fill(template: str, fields: dict[str, str | Iterable[str]]) -> Iterator[bytes]:
    """The template with its fields, once: a marker within a field is text."""
    for number, piece in enumerate(MARKER.split(template)):
        value: str | Iterable[str] = fields[piece] if number % 2 else piece
        for text in [value] if isinstance(value, str) else value:
            yield text.encode("utf-8", "replace")


def _tell(folder: RunFolder, parts: set[str], now: float) -> dict[str, str | Iterable[str]]:
    seen, redactor = visitor_look.look_at(folder), redactor_of(folder)
    summary = seen.summary
    icon = base64.b64encode(LOGO.format(width=32, text="").encode()).decode()
    lines = visitor_look.read_lines(folder) if "log" in parts else []
    settings = visitor_look.read_settings(folder) if "settings" in parts else ""
    last = "The end of the log" if len(lines) >= visitor_look.LINES else "Log"
    return {
        "policy": _policy(),
        "maker": tell_maker(),
        "icon": f"data:image/svg+xml;base64,{icon}",
        "styles": _read_styles(),
        "title": escape(redactor.text(folder.title)),
        "label": escape(summary.label),
        "colour": summary.colour,
        "sign": _draw_sign(summary.icon),
        "when": _moment(now),
        "date": time.strftime(DATE, time.gmtime(now)),
        "sentence": escape(redactor.text(summary.sentence)),
        "progress": escape(summary.progress_text),
        "percent": str(round(100 * summary.progress)),
        "numbers": "".join(_number(*each) for each in [*summary.metrics[:4], *_times(seen, now)]),
        "axes": "".join(_choice(axis, axis == STEP) for axis in AXES),
        "samples": _write_samples(folder) if "samples" in parts else "",
        "log": _box(last, "\n".join(lines), "log") if lines else "",
        "settings": _box("Settings", settings, "toml") if settings else "",
        "logo": LOGO.format(width=132, text=NAME),
        "figures": _write_figures(seen),
        "plotly": read_plotly(),
        "scripts": read_scripts(),
    }


# ---- what is inside of every file ------------------------------------------------------------------------------------
@cache
def read_plotly() -> str:
    """plotly.min.js, of the plotly package."""
    found = importlib.util.find_spec("plotly")
    if found is None or not found.origin:
        raise FileNotFoundError("plotly is not installed: pip install -r requirements.txt")
    return _safe((Path(found.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8"))


@cache
def read_scripts() -> str:
    """Our own, as one."""
    names = ("viewer.js", "chart_theme.js", "snapshot.js")
    return _safe("{\n" + "\n".join((HERE / name).read_text(encoding="utf-8") for name in names) + "}\n")


@cache
def _read_styles() -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("snapshot.css", "viewer.css"))


@cache
def _policy() -> str:
    """Only these very scripts run. plotly.js writes styles; a picture is in the file or it is not shown."""
    scripts = " ".join(f"'sha256-{_digest(text)}'" for text in (read_plotly(), read_scripts()))
    rules = ["default-src 'none'", f"script-src {scripts}", "style-src 'unsafe-inline'", "img-src data:"]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _safe(script: str) -> str:
    """No script ends itself, whatever its texts say."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--").replace("\r\n", "\n")


# ---- what is told of the run -----------------------------------------------------------------------------------------
def _moment(when: float) -> str:
    return time.strftime(MOMENT, time.gmtime(when))


def _times(seen: Seen, now: float) -> list[tuple[str, str, str | None]]:
    """In place of ages, which would soon be wrong."""
    age, begun = seen.history.last_line_age_seconds, "Started" if seen.status.attempt <= 1 else "Last start"
    return [_date(begun, seen.status.started), _date("Last line", None if age is None else now - age)]


def _date(name: str, when: float | None) -> tuple[str, str, str | None]:
    day, _, hour = _moment(when).partition(", ") if when else (words.UNKNOWN, "", "")
    return name, day, hour or None


def _number(name: str, value: str, beside: str | None) -> str:
    change = {"-": ' class="falls"', "+": ' class="grows"'}.get((beside or "")[:1], "")
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small{change}>{escape(beside or '')}</small></dd></div>"


def _choice(axis: str, is_chosen: bool) -> str:
    return f'<button type="button" data-axis="{axis}" aria-pressed="{str(is_chosen).lower()}">{AXES[axis]}</button>'


def _draw_sign(icon: str) -> str:
    lines = SIGNS.get(icon, RING)
    return f'<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" aria-hidden="true">{lines}</svg>'


def _box(title: str, text: str, kind: str) -> str:
    return (
        f'<section class="card"><div class="headline"><h2>{title}</h2></div>'
        f'<pre class="{kind}" tabindex="0" aria-label="{title}">{escape(text)}</pre></section>'
    )


def _write_samples(folder: RunFolder) -> Iterator[str]:
    plan = plan_samples(folder)
    if not plan.columns:
        return
    yield '<section class="card"><div class="headline"><h2>Samples</h2>'
    yield f'<span class="count">{escape(tell_count(plan))}</span></div>'
    yield f'<div class="scrolls" tabindex="0"><div class="table" role="table" style="--columns:{len(plan.columns)}">'
    yield from write_samples(folder, plan, redactor_of(folder).text)
    yield "</div></div></section>"


def _write_figures(seen: Seen) -> str:
    """As JSON within a page: no "<" in it begins a tag. The alerts are without their words, which name files and processes."""
    history, health = seen.history, get_health(seen.folder.monitor_log)
    with health.lock:
        shown = leave_out_words(health)
    views = {axis: [charts.View(axis, is_log=is_log) for is_log in (False, True)] for axis in AXES}
    losses = {axis: [charts.loss_figure(history, view, shown) for view in both] for axis, both in views.items()}
    told = known(redactor_of(seen.folder).data({"loss": losses, "epochs": charts.epoch_figure(history)}))
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")
