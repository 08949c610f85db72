"""A frozen run: one file with all in it, and in it no path, no host, no secret and no markup but our own."""

import base64
import hashlib
import json
import re
import socket

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fluxgym.run.opened import place
from fluxgym.run.record import Verdict
from fluxgym.view import snapshot, visitor_look
from fluxgym.view.charts import View, epoch_figure, loss_figure
from fluxgym.view.snapshot import PARTS, file_name, write_snapshot
from fluxgym.view.visitor_look import look_at

from .runs import NOW, make_run, step_lines, validations

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> {title} <!-- &amp;'
SECRETS = {
    "a token": "hf_" + "aB3" * 12,
    "an old key": "0123456789abcdef" * 2 + "01234567",
    "a password": "planted-password",
    "of the environment": "planted-environment",
    "a path": "/srv/planted-place",
    "the data set": "planted-pictures",
    "a host": "planted-host",
    "a user": "planteduser",
    "a mail address": "planted@example.org",
    "an address": "203.0.113.77",
    "of a picture": "planted-metadata",
    "of the monitor": "planted-alert",
    "the command": "planted-option",
}
COMPLETED = Verdict("completed", "all 40 steps are done", "", ["it is whole"], 40, 40, [])


@pytest.fixture
def folder(outputs, monkeypatch):
    """A completed run full of secrets."""
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    monkeypatch.setenv("PLANTED_TOKEN", SECRETS["of the environment"])
    monkeypatch.setenv("USER", SECRETS["a user"])
    monkeypatch.setattr(socket, "gethostname", lambda: SECRETS["a host"])
    log = "2026-11-24 10:00:00 Epoch 1/1\n" + step_lines(1, 40, 40) + validations(0.5, 0.4)
    said = [f"{name}: {secret} {SECRETS['a path']}/deep/x.png" for name, secret in SECRETS.items() if name != "a password"]
    said += [f"password={SECRETS['a password']}", HOSTILE, f"reading {SECRETS['a path']}/{SECRETS['the data set']}/me.png"]
    log += "".join(f"2026-11-24 11:00:00 {line}\n" for line in said if "planted-metadata" not in line and "option" not in line)
    made = make_run(outputs / "robot", log.replace("planted-alert", "x"), COMPLETED, command=["python", SECRETS["the command"]])
    prompt = f"{HOSTILE} by {SECRETS['a mail address']}"
    data = f"{SECRETS['a path']}/{SECRETS['the data set']}"
    made.config.write_text(
        f"api_key = {json.dumps(SECRETS['a password'])}\n[data]\nfolder = {json.dumps(data)}\n"
        f"[sample]\nprompts = [{json.dumps(prompt)}]\n"
    )
    made.monitor_log.write_text(f"2026-11-24 10:00:00 health stalled, at step 9: {SECRETS['of the monitor']} <b>\n")
    made.samples.mkdir()
    kept = PngInfo()
    kept.add_text("parameters", SECRETS["of a picture"])
    Image.new("RGB", (64, 64), "teal").save(made.samples / "robot_e000001_00_20261124101502_42.png", pnginfo=kept)
    return made


def freeze(folder, parts=tuple(PARTS)):
    return b"".join(write_snapshot(folder, parts, NOW)).decode()


def without_plotly(html):
    return html.replace(snapshot.read_plotly(), "")


def read_figures(html):
    return json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)[1])


def test_everything_is_inside(folder):
    html = freeze(folder)
    for said in ('<h1 dir="auto">robot</h1>', "Completed", "Step 40 of 40", "Loss, epoch mean", '<pre class="log"', "Settings"):
        assert said in html
    assert html.count("data:image/webp") == 1
    assert snapshot.read_plotly() in html
    assert html.count("<dt>") == 6
    assert html.rstrip().endswith("</html>")


def test_nothing_planted_is_in_it(folder):
    html = without_plotly(freeze(folder))
    assert {name: secret for name, secret in SECRETS.items() if secret in html} == {}
    assert str(folder.path.parent) not in html
    assert "[secret]" in html and "[data set]" in html and ".../x.png" in html
    assert "loss=0.5000, avr_loss=0.5000, lr=2e-04]" in html


def test_what_the_run_says_is_text(folder):
    html = without_plotly(freeze(folder))
    assert html.count("<script") == 3 and html.count("</script") == 3
    assert not re.search(r"<img src=x|<b>|<!-- &amp;", html)
    assert html.count("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;") >= 3  # log, prompt, settings
    assert "{title}" in html  # a marker in what the run says is not filled


def test_a_browser_may_run_its_scripts_alone_and_load_nothing(folder):
    html = freeze(folder)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "img-src data:;" in policy and "unsafe-eval" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert not re.search(r'(?:src|href)="(?!data:)', without_plotly(html))
    assert not re.search(r"url\((?!#)", without_plotly(html))
    assert "http" not in re.sub(r"http-equiv|xmlns=\"http://www.w3.org/2000/svg\"", "", without_plotly(html))


def test_the_figures_are_those_of_the_pages(folder):
    figures = read_figures(freeze(folder))
    history = look_at(folder).history
    assert figures["epochs"] == json.loads(json.dumps(epoch_figure(history)))
    plain = json.loads(json.dumps(loss_figure(history, View())))
    assert [trace for trace in figures["loss"]["step"][0]["data"] if trace["name"] != "alerts"] == plain["data"]
    assert figures["loss"]["time"][1]["layout"]["yaxis"]["type"] == "log"
    assert [trace["text"] for trace in figures["loss"]["epoch"][0]["data"] if trace["name"] == "alerts"] == [
        ["stalled at step 9"]
    ]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_left_out(folder, part):
    html = without_plotly(freeze(folder, set(PARTS) - {part}))
    signs = {"log": '<pre class="log"', "samples": "data:image/webp", "settings": "<h2>Settings"}
    assert {name: sign in html for name, sign in signs.items()} == {name: name != part for name in PARTS}


def test_progress_and_charts_are_always_there(folder):
    html = without_plotly(freeze(folder, ()))
    assert "Step 40 of 40" in html and read_figures(html)["loss"]
    assert "alert(1)" not in html and "Saving" not in html


def test_unknown_parts_are_refused_at_once(folder):
    with pytest.raises(ValueError, match="got the parts checkpoints, expected of log, samples, settings"):
        write_snapshot(folder, ["checkpoints"])


def test_it_tells_when_and_by_what_it_was_frozen(folder):
    html = freeze(folder)
    assert re.search(r"Frozen by FluxGym( [0-9a-f]{7})? on 24 November 2026 at \d\d:\d\d UTC", html)
    assert "ago" not in re.sub(r"<script.*?</script>", "", without_plotly(html), flags=re.DOTALL)


def test_a_run_that_has_hardly_begun(outputs, monkeypatch):
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    folder = make_run(outputs / "new", "", state="queued")
    html = freeze(folder)
    assert "No step so far" in json.dumps(read_figures(html))
    assert "<pre" not in without_plotly(html) and "<h2>Samples" not in html


def test_a_folder_of_any_name(outputs, monkeypatch):
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    path = outputs / "else" / "<img src=x onerror=alert(1)> \u202e \udcff"
    path.mkdir(parents=True)
    (path / "training.log").write_text(step_lines(1, 5, 40))
    folder = place(outputs / ".opened", path, None)
    html = freeze(folder)
    assert '<h1 dir="auto">&lt;img src=x onerror=alert(1)&gt;' in html
    assert file_name(folder) == "img-src-x-onerror-alert-1.html"


def test_no_number_of_the_log_breaks_it(outputs, monkeypatch):
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    folder = make_run(outputs / "nan", step_lines(1, 5, 40, loss=float("nan")) + step_lines(6, 9, 40, loss=1e300))
    assert read_figures(freeze(folder))


def test_a_script_that_names_its_own_end_goes_on() -> None:
    assert snapshot._safe('x = "</script>"; y = "<!--"') == 'x = "<\\/script>"; y = "<\\!--"'
