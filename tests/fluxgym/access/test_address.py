"""Under which address a link is told: by the person, by the server, by the page; and who can open it."""

import json
from pathlib import Path

import pytest

from fluxgym.access import address
from fluxgym.access.address import base_of_page, link_path, link_url, note_server, public_base, reach_of, tell_reach


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(address.VARIABLE, raising=False)


def test_the_person_s_word_goes_before_the_server_s_and_that_before_the_usual(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert public_base(outputs) == address.USUAL
    note_server("http://127.0.0.1:8600/gym")
    assert json.loads((outputs / ".server.json").read_bytes()) == {"url": "http://127.0.0.1:8600/gym"}
    assert public_base(outputs) == "http://127.0.0.1:8600/gym"
    monkeypatch.setenv(address.VARIABLE, " https://gpu.example.org/fluxgym/ ")
    assert public_base(outputs) == "https://gpu.example.org/fluxgym"
    note_server("http://127.0.0.1:8600/gym")
    monkeypatch.delenv(address.VARIABLE)  # another terminal than the server's
    assert public_base(outputs) == "https://gpu.example.org/fluxgym"
    assert address.noted_base(outputs) == "http://127.0.0.1:8600/gym"
    note_server("http://127.0.0.1:8600/gym")
    assert public_base(outputs) == "http://127.0.0.1:8600/gym"


@pytest.mark.parametrize(
    "said",
    [
        "gpu.example.org",
        "https://",
        "ftp://gpu.example.org",
        "javascript:alert(1)",
        "https://me:secret@gpu.example.org",
        "https://gpu.example.org/?token=x",
        "https://gpu.example.org/#x",
        "https://gpu.example.org:0",
        "https://gpu.example.org:x",
        "https://[x/",
        "https://a b",
        "https://a\nb",
    ],
)
def test_a_word_that_is_no_address_is_told(outputs: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(address.VARIABLE, said)
    with pytest.raises(ValueError, match="expected an address such as https://"):
        public_base(outputs)


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"url": 7}', '{"url": "javascript:alert(1)"}', "[" * 100_000])
def test_a_damaged_note_is_as_none(outputs: Path, note: str) -> None:
    (outputs / address.NOTE).write_text(note, encoding="utf-8")
    assert public_base(outputs) == address.USUAL


def test_a_full_disk_keeps_no_server_from_its_start(
    outputs: Path, full_disk: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with full_disk():  # type: ignore[operator]
        note_server("http://127.0.0.1:8600")
    assert "links from the terminal may name another address than http://127.0.0.1:8600" in capsys.readouterr().err
    assert list(outputs.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://localhost:8501/run", "http://localhost:8501"),
        ("http://localhost:8501//run", "http://localhost:8501"),  # as Streamlit gives it
        ("http://localhost:8501/", "http://localhost:8501"),
        ("https://gpu.example.org/a/b/run", "https://gpu.example.org/a/b"),
        ("https://gpu.example.org/run/run", "https://gpu.example.org/run"),
        ("https://gpu.example.org/prun", "https://gpu.example.org/prun"),
        ("https://[2001:db8::1]:8501/gym//run", "https://[2001:db8::1]:8501/gym"),
    ],
)
def test_a_page_s_own_address_leads_to_the_server_s(url: str, base: str) -> None:
    assert base_of_page(url, "run") == base


def test_a_link_lies_below_the_server_s_path() -> None:
    assert link_path("http://127.0.0.1:8501", "t") == "/s/t/"
    assert link_path("https://gpu.example.org/a/b", "t") == "/a/b/s/t/"
    assert link_url("https://gpu.example.org/a/b", "t") == "https://gpu.example.org/a/b/s/t/"


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("localhost:8501", "machine"),
        ("gym.localhost", "machine"),
        ("127.0.0.1:8501", "machine"),
        ("127.8.8.8", "machine"),
        ("0.0.0.0:8501", "machine"),
        ("[::1]:8501", "machine"),
        ("192.168.1.5", "network"),
        ("10.0.0.1", "network"),
        ("100.100.1.1", "network"),
        ("[fd00::1]", "network"),
        ("gpu-box:8501", "network"),
        ("gpu.local", "network"),
        ("8.8.8.8:8501", "anywhere"),
        ("[2606:4700::1]", "anywhere"),
        ("gpu.example.org", "anywhere"),
        ("abc-8501.proxy.runpod.net", "anywhere"),
    ],
)
def test_who_can_open_it(host: str, reach: str) -> None:
    assert reach_of(f"http://{host}/x") == reach
    told = tell_reach(f"http://{host}/x")
    assert bool(told) == (reach != "anywhere")
    assert not told or ("a friend" in told and "FLUXGYM_URL" in told and "docs/access.md" in told)
