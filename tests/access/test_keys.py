"""The owner's key and cookie: what is wrong, old, changed or ended opens nothing; guessing is slow; nobody is led elsewhere."""

import asyncio
import base64
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest

from fluxgym.access.owner import LASTS, Owner, hash_password
from tests.access import raw
from tests.access.conftest import Guarded
from tests.access.planted import KEY
from tests.browser.conftest import ROOT
from tests.conftest import wait

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def is_let_in(guarded: Guarded, headers: raw.Headers) -> bool:
    return guarded.ask("charts/shown/learns", headers=headers).status == 200


def is_wrong(guarded: Guarded, headers: raw.Headers) -> bool:
    """Not let in by page, route or socket."""
    sockets = raw.upgrade(guarded.port, f"{guarded.base}_stcore/stream", headers)
    return not is_let_in(guarded, headers) and guarded.ask("", headers=headers).status == 401 and sockets == 403


def parts(owner: raw.Headers) -> tuple[str, str]:
    name, _, value = owner["Cookie"].partition("=")
    return name, value


def changed(value: str) -> list[str]:
    """A cookie with each of its parts made otherwise."""
    session, began, signed = value.split(".")
    later, last = str(int(began) + 10**6), signed[:-1] + ("0" if signed[-1] != "0" else "1")
    made = [f"{session}x.{began}.{signed}", f"{session}.{later}.{signed}", f"{session}.{began}.{last}", f"{session}.{began}."]
    made += [f"{session}.{began}", signed, "", ".", "..", f"{value}.{value}", value[:-1], f"{session}..{signed}", "owner"]
    return [*made, f"{session}.x.{signed}", f"{session}.-1.{signed}", f"{session}.{began}.{signed.upper()}", "a" * 4000]


def test_a_changed_cookie_opens_nothing(guarded: Guarded, owner: raw.Headers) -> None:
    name, value = parts(owner)
    assert is_let_in(guarded, {"Cookie": f"{name}={value}"})
    for each in changed(value):
        assert is_wrong(guarded, {"Cookie": f"{name}={each}"}), each
    for other in ("fluxgym", "fluxgym-00000000", name.upper(), "_streamlit_user", "session"):
        assert is_wrong(guarded, {"Cookie": f"{other}={value}"}), other


def test_the_key_is_no_cookie_and_no_cookie_is_the_key(guarded: Guarded, owner: raw.Headers) -> None:
    name, value = parts(owner)
    assert is_wrong(guarded, {"Cookie": f"{name}={KEY}"})
    assert guarded.ask(f"?key={quote(value)}").status in (401, 429)


def test_an_expired_cookie_opens_nothing(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXGYM_ACCESS_FILE", str(guarded.outputs.parent / "access.json"))
    monkeypatch.setenv("FLUXGYM_KEY", KEY)
    mine = Owner()
    name = mine.cookie_name
    assert is_let_in(guarded, raw.cookie(**{name: mine.begin()}))
    assert is_wrong(guarded, raw.cookie(**{name: mine.begin(now=time.time() - LASTS - 1)}))


def test_logging_out_ends_the_session_everywhere(guarded: Guarded) -> None:
    mine, other = guarded.sign_in(), guarded.sign_in()

    async def look() -> None:
        async with raw.page(guarded.port, guarded.base, mine) as page, raw.page(guarded.port, guarded.base, other) as kept:
            await page.run()
            await kept.run()
            answer = await asyncio.to_thread(guarded.ask, "logout", "POST", mine)
            assert answer.status == 200
            assert [value.partition(";")[0] for value in answer.cookies.values()] == [""]
            await page.wait_closed(10)
            assert await kept.is_answered()

    asyncio.run(look())
    assert is_wrong(guarded, mine)
    assert is_let_in(guarded, other)


def test_an_address_alone_logs_nobody_out(guarded: Guarded, owner: raw.Headers) -> None:
    assert guarded.ask("logout", headers=owner).status == 200
    answer = guarded.ask("logout", "POST", owner | {"Origin": "http://evil.example"})
    assert answer.status == 403
    assert is_let_in(guarded, owner)


def test_a_new_key_ends_every_session(start_guarded: Callable[..., Guarded]) -> None:
    guarded = start_guarded(FLUXGYM_KEY="")
    environment = guarded.server.environment
    command = [sys.executable, "-m", "fluxgym", "key"]

    def run(*options: str) -> str:
        done = subprocess.run([*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        (key,) = re.findall(r"key=(\S+)", done.stdout)
        return key

    old = run()
    mine = raw.cookie(**guarded.ask(f"?key={old}").cookies)
    assert is_let_in(guarded, mine)
    new = run("--new")
    assert new != old
    wait(lambda: is_wrong(guarded, mine), 10)
    assert guarded.ask(f"?key={old}").status == 401
    assert guarded.ask(f"?key={new}").status == 303


def test_a_cookie_outlives_the_server(start_guarded: Callable[..., Guarded]) -> None:
    guarded = start_guarded()
    mine = guarded.sign_in()
    guarded.server.kill()
    guarded.server.start()
    assert is_let_in(guarded, mine)


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " //evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "%2f%2fevil.example",
    "/%2fevil.example",
    "/%5cevil.example",
    "/\r\nSet-Cookie: a=b",
    "evil.example",
    "@evil.example",
    ".evil.example",
]


@pytest.mark.parametrize("after", ELSEWHERE)
def test_signing_in_leads_nowhere_else(guarded: Guarded, after: str) -> None:
    body = f"key={KEY}&next={quote(after, safe='')}".encode()
    there = guarded.ask("login", "POST", FORM, body)
    assert there.status == 303 and there.cookies
    by_address = raw.ask(guarded.port, f"{after.replace(' ', '').replace(chr(9), '').splitlines()[0]}?key={KEY}")
    for answer in (there, by_address):
        where = answer.header("location")
        assert urlsplit(where).netloc == "" and urlsplit(where).scheme == ""
        assert not re.match(r"[/\\]{2}", where) and "\\" not in where
        assert [name for name, _ in answer.headers if name.lower() == "set-cookie"].count("set-cookie") <= 1


def test_a_form_of_another_site_signs_nobody_in(guarded: Guarded) -> None:
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{guarded.port + 1}", "https://127.0.0.1"):
        answer = guarded.ask("login", "POST", FORM | {"Origin": origin}, f"key={KEY}".encode())
        assert answer.status == 403 and not answer.cookies


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1.evil.example", "file://", ""]
)
def test_a_websocket_of_another_site_is_refused(guarded: Guarded, owner: raw.Headers, origin: str) -> None:
    """With the owner's cookie, and with a link that is valid."""
    for start, given in ((guarded.base, owner), (guarded.link(), {})):
        for path in ("_stcore/stream", "live/shown/training?lines=100"):
            assert raw.upgrade(guarded.port, start + path, given | {"Origin": origin}) == 403
    mine = owner | {"Origin": f"http://127.0.0.1:{guarded.port}"}
    assert raw.upgrade(guarded.port, f"{guarded.base}_stcore/stream", mine) == 101


def test_a_request_of_another_site_changes_nothing(guarded: Guarded, owner: raw.Headers) -> None:
    given = owner | {"Origin": "http://evil.example", "Cookie": f"{owner['Cookie']}; _streamlit_xsrf=x", "X-Xsrftoken": "x"}
    for method in ("PUT", "POST", "DELETE"):
        assert guarded.ask("_stcore/upload_file/a/b", method, given, b"x").status == 403


HOSTS = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1@evil.example"]


@pytest.mark.parametrize("host", HOSTS)
def test_by_a_foreign_name_nobody_is_the_owner(guarded: Guarded, host: str) -> None:
    """A page whose name was made to lead here is another site for a browser, which sends it no cookie of ours."""
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert guarded.ask("", headers={"Host": host}).status in (400, 401, 403)
    assert raw.upgrade(guarded.port, f"{guarded.base}_stcore/stream", origin) == 403


def test_where_no_key_is_asked_for_names_and_origins_still_count(start_guarded: Callable[..., Guarded]) -> None:
    guarded = start_guarded(FLUXGYM_OPEN="1")
    stream = f"{guarded.base}_stcore/stream"
    assert guarded.ask("charts/shown/learns").status == 200
    assert raw.upgrade(guarded.port, stream) == 101
    for host in HOSTS:
        assert guarded.ask("charts/shown/learns", headers={"Host": host}).status in (400, 403)
        assert raw.upgrade(guarded.port, stream, {"Host": host, "Origin": f"http://{host}"}) in (400, 403)
        assert raw.upgrade(guarded.port, stream, {"Origin": f"http://{host}"}) == 403
        assert guarded.ask("_stcore/upload_file/a/b", "PUT", {"Origin": f"http://{host}"}, b"x").status == 403
    link = guarded.link("log", "samples", "settings", "checkpoints")
    assert raw.ask(guarded.port, link).status == 200
    assert raw.ask(guarded.port, f"{link}csv/shown/steps.csv").status == 404, "a visitor is one here, too"


# ---- guessing --------------------------------------------------------------------------------------------------------
GUESSES = 1000


def guess(guarded: Guarded, number: int) -> raw.Answer:
    """With each try another fake address, in the ways that there are."""
    given = {"X-Forwarded-For": f"10.{number % 250}.0.{number // 250}", "X-Real-Ip": f"10.0.0.{number % 250}"}
    match number % 3:
        case 0:
            return guarded.ask(f"?key=guess-{number:08d}", headers=given)
        case 1:
            return guarded.ask("login", "POST", FORM | given, f"key=guess-{number:08d}".encode())
        case _:
            return guarded.ask("charts/shown/learns", headers=given | {"Authorization": f"Bearer guess-{number:08d}"})


def guess_often(guarded: Guarded) -> tuple[int, float]:
    """How many of 1,000 guesses at once were looked at, and how many s they took. None was right."""
    begin = time.monotonic()
    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda number: guess(guarded, number), range(GUESSES)))
    assert {answer.status for answer in answers} <= {401, 429}
    assert not any(answer.cookies for answer in answers)
    return sum(answer.status == 401 for answer in answers), time.monotonic() - begin


def test_guesses_at_the_generated_key_are_slowed_and_it_opens_meanwhile(start_guarded: Callable[..., Guarded]) -> None:
    guarded = start_guarded(FLUXGYM_KEY="")
    key = re.findall(rb"key=([\w-]+)", guarded.server.log.read_bytes())[0].decode()
    with ThreadPoolExecutor(1) as beside:
        guessing = beside.submit(guess_often, guarded)
        statuses = []
        while not guessing.done():
            statuses.append(guarded.ask(f"?key={key}").status)
        looked, took = guessing.result()
    assert set(statuses) == {303}
    assert looked < 100 + 20 * took, f"{looked} guesses were looked at within {took:.1f} s"


@pytest.mark.parametrize("kind", ["FLUXGYM_KEY", "FLUXGYM_PASSWORD_HASH"])
def test_guesses_at_what_a_person_chose_are_few(start_guarded: Callable[..., Guarded], kind: str) -> None:
    given = {"FLUXGYM_KEY": "", kind: KEY if kind == "FLUXGYM_KEY" else hash_password(KEY)}
    guarded = start_guarded(**given)
    mine = guarded.sign_in()
    looked, took = guess_often(guarded)
    assert looked < 100 + 20 * took, f"{looked} guesses were looked at within {took:.1f} s"
    assert is_let_in(guarded, mine), "who is signed in stays so"
    wait(lambda: guarded.ask(f"?key={KEY}").status == 303, 30)


def test_basic_authentication_is_none(guarded: Guarded) -> None:
    for said in (f":{KEY}", f"owner:{KEY}", KEY):
        assert is_wrong(guarded, {"Authorization": f"Basic {base64.b64encode(said.encode()).decode()}"})
