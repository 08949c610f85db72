"""What stays behind of a key or a link: nothing in the server's log, in a Referer, in a cookie that scripts can read."""

import asyncio

import pytest

from tests.access import addresses, raw
from tests.access.conftest import Guarded
from tests.access.planted import KEY, SHOWN

NOSNIFF = ("x-content-type-options", "nosniff")
FRAME = ("x-frame-options", "SAMEORIGIN")


def answers(guarded: Guarded, owner: raw.Headers) -> dict[str, raw.Answer]:
    """One of every kind."""
    link = guarded.link("samples", "checkpoints", "log", "settings")
    dead = f"{guarded.base}s/none/"
    routes = {
        path: guarded.ask(path, headers=owner) for each, path in addresses.ours().items() if each not in addresses.SOCKETS
    }
    shown = {path: raw.ask(guarded.port, link + path) for path in ["", "alive", "charts/shown/learns", "run", "favicon.png"]}
    return {
        **routes,
        **{f"link: {path}": answer for path, answer in shown.items()},
        "a dead link": raw.ask(guarded.port, dead),
        "sign in": guarded.ask("login"),
        "sent to sign in": guarded.ask("run", headers={"Accept": "text/html"}),
        "refused": guarded.ask("charts/shown/learns"),
        "signed in": guarded.ask(f"?key={KEY}"),
        "a wrong key": guarded.ask("?key=wrong"),
        "the page": guarded.ask("", headers=owner),
        "not there": guarded.ask("files/none/grid", headers=owner),
        "by another name": guarded.ask("", headers={"Host": "evil.example"}),
        "health": guarded.ask("_stcore/health"),
    }


def test_every_answer_has_the_security_headers(guarded: Guarded, owner: raw.Headers) -> None:
    for what, answer in answers(guarded, owner).items():
        for name, value in (NOSNIFF, FRAME):
            assert answer.header(name) == value, f"{what}: {name} is {answer.header(name)!r}"
        assert answer.header("referrer-policy") == ("no-referrer" if "link" in what else "same-origin"), what
        assert not answer.header("access-control-allow-origin"), what
        if answer.header("content-type").startswith("text/html"):
            assert "object-src 'none'" in answer.header("content-security-policy"), what
            assert "frame-ancestors" in answer.header("content-security-policy"), what


def test_what_is_the_owners_alone_is_kept_by_no_proxy(guarded: Guarded, owner: raw.Headers) -> None:
    for what in (
        "charts/shown/learns",
        "files/shown/grid",
        "files/shown/lora/shown.safetensors",
        "csv/shown/steps.csv",
        "lines/shown/training",
    ):
        said = guarded.ask(what, headers=owner).header("cache-control")
        assert "private" in said or "no-store" in said or "no-cache" in said, f"{what}: {said!r}"
    for answer in (guarded.ask(f"?key={KEY}"), guarded.ask("login"), raw.ask(guarded.port, f"{guarded.base}s/none/")):
        assert answer.header("cache-control") == "no-store"


def test_pages_of_links_are_found_by_no_search_engine(guarded: Guarded) -> None:
    assert "noindex" in raw.ask(guarded.port, guarded.link()).header("x-robots-tag")


def test_key_and_links_are_in_no_line_of_the_log(guarded: Guarded, owner: raw.Headers) -> None:
    """Though it tells all that Streamlit can tell."""
    link = guarded.link("samples")
    token = link.strip("/").rpartition("/")[2]

    async def visit() -> None:
        async with raw.page(guarded.port, link) as page:
            await page.run()
            await page.send(b"\xff\xff junk")
            await page.silence(0.2)

    asyncio.run(visit())
    for path in ("", "run", "charts/shown/learns", "files/../x", "alive", "%ff", "_stcore/upload_file/a/b"):
        raw.ask(guarded.port, link + path)
        raw.ask(guarded.port, link + path, "POST", body=b"x")
    raw.upgrade(guarded.port, f"{link}_stcore/stream", {"Origin": "http://evil.example"})
    raw.upgrade(guarded.port, f"{link}live/{SHOWN}/training")
    guarded.ask(f"run?key={KEY}&x=1")
    guarded.ask("login", "POST", body=f"key={KEY}".encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    guarded.ask("charts/shown/learns", headers={"Authorization": f"Bearer {KEY}"})
    raw.ask(guarded.port, f"{guarded.base}?key={KEY}\x01")
    log = guarded.server.log.read_bytes()
    assert b"Running script" in log, "it tells much"
    session = owner["Cookie"].partition("=")[2]
    for what, secret in {"token": token, "half a token": token[:20], "key": KEY, "cookie": session}.items():
        lines = [line for line in log.splitlines() if secret.encode() in line]
        assert lines == [], f"the {what} is in the log"


def test_the_key_leaves_the_address_and_scripts_cannot_read_the_cookie(guarded: Guarded) -> None:
    answer = guarded.ask(f"run?run={SHOWN}&key={KEY}&tab=Log")
    assert answer.status == 303
    assert answer.header("location") == f"{guarded.base}run?run={SHOWN}&tab=Log"
    (said,) = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    attributes = {part.strip().lower() for part in said.split(";")[1:]}
    assert {"httponly", "samesite=lax"} <= attributes
    assert KEY not in said and "secure" not in attributes
    behind_https = guarded.ask(f"?key={KEY}", headers={"X-Forwarded-Proto": "https"})
    assert "secure" in behind_https.header("set-cookie").lower()


@pytest.mark.parametrize("path", ["", "charts/shown/learns", "run"])
def test_a_page_of_another_site_reads_nothing(guarded: Guarded, owner: raw.Headers, path: str) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        answer = guarded.ask(path, headers=owner | {"Origin": origin})
        assert not answer.header("access-control-allow-origin")
        assert answer.header("cross-origin-resource-policy") == "same-origin"
