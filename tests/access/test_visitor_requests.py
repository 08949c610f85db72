"""What a link opens over HTTP: the parts that were ticked, of its own run, by GET alone. Nothing else, however one asks."""

import pytest

from tests.access import addresses, raw
from tests.access.conftest import Guarded
from tests.access.planted import LORA_WORD, OTHER, PLACE, SHOWN, never
from tests.small_training import write_lora
from trainer.folder import RunFolder

ALWAYS = {"/favicon.png", "/vendor", "/code/{digest}.js", "/charts/{run}/{group}"}
BY_PART = {
    "samples": {"/files/{run}/grid", "/files/{run}/pictures/{place:path}", "/card/{run}.jpg"},
    "checkpoints": {"/files/{run}/lora/{place:path}"},
    "log": set[str](),
    "settings": set[str](),
}
WITH_RUN = {route: path for route, path in addresses.ours().items() if "{run}" in route}
REFUSED = (400, 401, 403, 404, 405)
SECRET_FILES = ("run.json", "share.json", "config.toml", "training.log", "monitor.log", "board.json", "care.json")


def is_plain(answer: raw.Answer) -> bool:
    """Refused without the page of Streamlit, a redirect or a cookie."""
    return answer.status in REFUSED and b"<script" not in answer.body and not answer.header("location") and not answer.cookies


@pytest.mark.parametrize("part", [None, *BY_PART])
@pytest.mark.parametrize("route", sorted(set(addresses.ours()) - addresses.SOCKETS))
def test_only_what_was_ticked_is_sent(guarded: Guarded, route: str, part: str | None) -> None:
    link = guarded.link(*filter(None, [part]))
    answer = raw.ask(guarded.port, link + addresses.ours()[route])
    if route in ALWAYS or route in BY_PART.get(part or "", ()):
        assert answer.status == 200
    else:
        assert is_plain(answer), f"answered {answer.status}"


def test_what_a_page_fetches_holds_nothing_of_the_owners(guarded: Guarded) -> None:
    link = guarded.link(*BY_PART)
    asked = ["", *(addresses.ours()[route] for route in ALWAYS | BY_PART["samples"])]
    charts = [f"charts/{SHOWN}/learns?axis={axis}&log={log}&clip=1" for axis in ("step", "epoch", "time") for log in (0, 1)]
    for path in asked + charts + [f"charts/{SHOWN}/learns?has={OTHER}", f"charts/{SHOWN}/runs", f"{charts[0]}&smoothing=nan"]:
        answer = raw.ask(guarded.port, link + path)
        assert [name for name, value in never(guarded.outputs).items() if value in answer.all_bytes] == [], path


def test_a_visitor_has_one_view_of_the_charts_made(guarded: Guarded) -> None:
    """Each other one would cost the server its making."""
    start = f"{guarded.link()}charts/{SHOWN}/learns"
    answers = {
        raw.ask(guarded.port, start + view).body for view in ("", "?smoothing=0.5", "?axis=time&log=1", "?axis=nonsense")
    }
    assert len(answers) == 1


@pytest.mark.parametrize("route", sorted(set(WITH_RUN) - addresses.SOCKETS))
def test_no_other_run_is_sent(guarded: Guarded, route: str) -> None:
    answer = raw.ask(guarded.port, guarded.link(*BY_PART) + addresses.ours(OTHER)[route])
    assert is_plain(answer)
    assert OTHER.encode() not in answer.body


@pytest.mark.parametrize("route", sorted(WITH_RUN))
def test_no_websocket_of_ours_is_open_to_a_visitor(guarded: Guarded, route: str) -> None:
    link = guarded.link(*BY_PART)
    for run in (SHOWN, OTHER):
        assert raw.upgrade(guarded.port, link + addresses.ours(run)[route]) in REFUSED


@pytest.mark.parametrize(
    "asked", [each for each in addresses.STREAMLITS if "_stcore" in each or "auth" in each or "media" in each]
)
def test_nothing_of_streamlits_inside_is_sent(guarded: Guarded, asked: str) -> None:
    method, _, path = asked.partition(" ")
    if path == "_stcore/host-config":
        return  # says which hosts may embed the page; the front end asks for it
    assert is_plain(raw.ask(guarded.port, guarded.link(*BY_PART) + path, method))


@pytest.mark.parametrize("page", ["run", "runs", "train", "settings", "models", "compare", "shared", "run/", "train/x"])
def test_no_page_has_a_name_below_a_link(guarded: Guarded, page: str) -> None:
    assert is_plain(raw.ask(guarded.port, f"{guarded.link()}{page}?run={OTHER}"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["", "charts/shown/learns", "files/shown/lora/shown.safetensors", "alive", "_stcore/upload_file/a/b"]
)
def test_no_other_method_gets_past(guarded: Guarded, method: str, path: str) -> None:
    assert raw.ask(guarded.port, guarded.link(*BY_PART) + path, method, body=b"x").status in (*REFUSED, 501)


def test_an_upload_of_a_visitor_writes_nothing(guarded: Guarded) -> None:
    boundary = b"--x\r\nContent-Disposition: form-data; name=f; filename=a.txt\r\n\r\nplanted\r\n--x--\r\n"
    given = {"Content-Type": "multipart/form-data; boundary=x", "X-Xsrftoken": "a", "Cookie": "_streamlit_xsrf=a"}
    for method in ("PUT", "POST"):
        answer = raw.ask(guarded.port, f"{guarded.link()}_stcore/upload_file/a/b", method, given, boundary)
        assert is_plain(answer)


def tricks(link: str, outside: str) -> list[str]:
    """Ways to write the address of what is not this link's."""
    token = link.strip("/").rpartition("/")[2]
    return [
        f"{link}../{outside}",
        f"{link}..%2f{outside}",
        f"{link}%2e%2e/{outside}",
        f"{link}%2e%2e%2f{outside}",
        f"{link}..%5c{outside}",
        f"{link}..;/{outside}",
        f"{link}../../{outside}",
        f"{link}x/../../../{outside}",
        f"{link}charts/../{outside}",
        f"{link}charts/{SHOWN}/../../{outside}",
        f"{link}vendor/..%2f..%2f{outside}",
        f"{link}vendor/../{outside}",
        f"{link}/{outside}",
        f"{link}./{outside}",
        f"{link}%2f{outside}",
        f"{link}{outside}%00",
        f"{link}{outside}%00.js",
        f"{link}{outside}.",
        f"{link}{outside}/",
        f"{link}{outside}%20",
        f"{link}{outside}%3fx=.js",
        f"{link}{outside}#.js",
        f"{link}{outside};.js",
        f"{link}{outside.upper()}",
        f"{link}static/../{outside}",
        f"{link}static/..%2f{outside}",
        f"{link}_stcore/../{outside}",
        f"/S/{token}/{outside}",
        f"//s/{token}/{outside}",
        f"/s//{token}/{outside}",
        f"/s/{token}//{outside}",
        f"/s/{token}/s/{token}/{outside}",
        f"/s/{token}%2f{outside}",
        f"/%73/{token}/{outside}",
        f"/./s/{token}/{outside}",
        f"/x/../s/{token}/{outside}",
        f"/s/{token}/../../{outside}",
        f"http://127.0.0.1{link}{outside}",
        f"http://evil.example/{outside}",
        f"{link}{outside}?" + "a" * 20_000,
        f"{link}{'a/' * 2000}{outside}",
    ]


OUTSIDE = [f"files/{OTHER}/grid", f"log/{SHOWN}/training", f"csv/{SHOWN}/steps.csv", "_stcore/metrics", f"files/{SHOWN}/board"]


@pytest.mark.parametrize("number", range(len(tricks("", ""))))
@pytest.mark.parametrize("outside", OUTSIDE)
def test_no_way_of_writing_an_address_leads_out_of_a_link(guarded: Guarded, outside: str, number: int) -> None:
    before = guarded.runs()
    answer = raw.ask(guarded.port, tricks(guarded.link(*BY_PART), outside)[number])
    known = never(guarded.outputs) | {"a log": b"Training: 20 steps", "a table": b"step,", "figures": b"# TYPE"}
    assert [name for name, value in known.items() if value in answer.all_bytes] == []
    assert answer.status != 200 or b"<title>" in answer.body, "it is the page itself, or nothing"
    assert guarded.runs() == before


@pytest.mark.parametrize(
    "name", [*SECRET_FILES, "../the-vaulted-run/the-vaulted-run.safetensors", "../shown/run.json", "..%2frun.json"]
)
def test_a_download_is_one_of_the_files_that_are_listed(guarded: Guarded, name: str) -> None:
    link = guarded.link("samples", "checkpoints")
    for kind in ("lora", "pictures", "loras", "samples", "logs", "thumbnails", "about"):
        assert is_plain(raw.ask(guarded.port, f"{link}files/{SHOWN}/{kind}/{name}"))


def test_a_link_out_of_the_run_is_not_followed(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("linked")
    folder.epoch_lora(1).symlink_to(guarded.outputs / OTHER / f"{OTHER}.safetensors")
    (folder.samples / "linked_e000001_01_20261124101502_43.png").symlink_to(folder.record)
    link = guarded.link("samples", "checkpoints", run="linked")
    assert is_plain(raw.ask(guarded.port, f"{link}files/linked/lora/{folder.epoch_lora(1).name}"))
    assert is_plain(raw.ask(guarded.port, f"{link}files/linked/pictures/sample/linked_e000001_01_20261124101502_43.png"))


def test_a_picture_comes_without_its_metadata(guarded: Guarded) -> None:
    answer = raw.ask(guarded.port, guarded.link("samples") + addresses.ours()["/files/{run}/pictures/{place:path}"])
    assert answer.status == 200 and answer.header("content-type").startswith("image/")
    assert PLACE.encode() not in answer.body and b"planted" not in answer.body


def test_a_ticked_file_comes_as_it_is(guarded: Guarded, copy_run) -> None:
    folder: RunFolder = copy_run("whole")
    write_lora(folder.lora, metadata={"said": LORA_WORD})
    answer = raw.ask(guarded.port, f"{guarded.link('checkpoints', run='whole')}files/whole/lora/whole.safetensors")
    assert answer.status in (200, 404), "its name follows the run's"
    if answer.status == 200:
        assert answer.header("content-disposition").startswith("attachment")
