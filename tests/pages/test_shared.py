"""The page of a visitor: what the link ticks and nothing else, in each state a run can be in, with nothing to press."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from fluxgym.access.links import PARTS, Link, digest_of, make_link, revoke
from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.record import read_record
from fluxgym.ui import shared_view, visitor
from fluxgym.view import visitor_look
from fluxgym.view.opening import open_folder
from tests.pages.opened import DASHBOARD, told
from tests.small_training import write_lora
from trainer.folder import RunFolder

TOKEN = "hf_" + "aB3" * 12
SECRETS = (TOKEN, "/home/alice", "cats-of-alice", "another-run")
PRESSED = ["button", "text_input", "text_area", "checkbox", "toggle", "radio", "slider", "select_slider", "selectbox"]
PRESSED += ["multiselect", "number_input", "button_group", "tabs", "expander", "link_button", "download_button", "chat_input"]


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)  # as fluxgym/ui/server.py sets it


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """visit(folder, *parts): what somebody sees who comes by such a link."""

    def open_link(folder: RunFolder, *parts: str, days: float | None = 7) -> AppTest:
        link, token = make_link(folder, days, parts=parts)
        monkeypatch.setattr(visitor.BOOK, "_links", {digest_of(token): link})
        monkeypatch.setattr(visitor.BOOK, "_stamps", {folder.share: visitor_stamp(folder)})
        monkeypatch.setattr(visitor, "who_asks", lambda: visitor.VISITOR + digest_of(token))
        return look(AppTest.from_file(DASHBOARD, default_timeout=60))

    return open_link


def visitor_stamp(folder: RunFolder) -> tuple[int, int, int]:
    there = folder.share.stat()
    return there.st_ino, there.st_size, there.st_mtime_ns


def look(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception, page.exception
    return page


def sent(page: AppTest) -> list[dict]:
    return [json.loads(part.proto.json) for part in page.get("bidi_component") if part.proto.json]


def said(page: AppTest) -> str:
    """All that is sent of the page."""
    parts = [*told(page).split("\n"), *(f"{number.label} {number.value} {number.delta}" for number in page.metric)]
    parts += [part.proto.body for part in page.get("html")] + [part.value for part in page.code]
    return "\n".join(map(str, [*parts, *sent(page)]))


@pytest.fixture
def robot(outputs: Path) -> RunFolder:
    """A folder with all that can be shown, and secrets in all of it."""
    folder = RunFolder(outputs / "robot")
    folder.samples.mkdir(parents=True)
    (outputs / "another-run").mkdir()
    (outputs / "another-run" / "config.toml").touch()
    config = f'name = "robot"\ntoken = "{TOKEN}"\n[data]\nfolder = "/home/alice/cats-of-alice"\n[sample]\nprompts = ["a cat"]\n'
    folder.config.write_text(config, encoding="utf-8")
    bar = "steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, loss=0.5000, avr_loss=0.5000, lr=1e-04]\n"
    folder.training_log.write_text(f"loading /home/alice/x.safetensors with {TOKEN}\n{bar}", encoding="utf-8")
    folder.monitor_log.write_text("2026-11-24 10:00:00 health stalled, at step 20: another-run fills it\n", encoding="utf-8")
    Image.new("RGB", (64, 64)).save(folder.samples / "robot_e000000_00_20261124101500_42.png")
    write_lora(folder.epoch_lora(2))
    return folder


def test_how_it_goes_is_always_shown(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    page = visit(robot)
    assert [title.value for title in page.title] == ["robot"]
    assert "It was seen last at step 20 of 40." in told(page)
    assert [number.label for number in page.metric][:2] == ["Time left", "Loss, epoch mean"]
    assert len(page.metric) == 6
    assert [data["chart"] for data in sent(page) if "chart" in data] == ["loss", "epochs"]
    assert "Shown by FluxGym" in told(page)
    assert "It is valid until" in told(page)


def test_without_ticks_there_is_no_more(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    text = said(visit(robot))
    assert not any(secret in text for secret in (*SECRETS, "a cat", "steps:", ".safetensors", "prompts", "files/robot"))


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ("log", "20/40 [01:00<01:00"),
        ("samples", "files/robot/grid"),
        ("settings", 'name = "robot"'),
        ("checkpoints", "files/robot/lora/robot-000002.safetensors"),
    ],
)
def test_each_part_where_it_is_ticked_and_redacted(
    robot: RunFolder, visit: Callable[..., AppTest], part: str, shown: str
) -> None:
    assert set(PARTS) == {"log", "samples", "settings", "checkpoints"}, "each is asked for here"
    text = said(visit(robot, part))
    assert shown in text
    assert not any(secret in text for secret in SECRETS)
    assert shown not in said(visit(robot, *(set(PARTS) - {part})))


def test_nothing_can_be_pressed(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    page = visit(robot, *PARTS)
    assert [kind for kind in PRESSED if page.get(kind)] == []


def test_a_file_that_is_half_written_is_no_download(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    robot.epoch_lora(4).write_bytes(b"half")
    robot.epoch_lora(2).unlink()
    page = visit(robot, "checkpoints")
    assert ".safetensors" not in said(page)
    assert "None so far." in told(page)


def test_names_are_never_markup(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    write_lora(robot.path / '<b>&".safetensors')
    markup = "".join(part.proto.body for part in visit(robot, "checkpoints").get("html"))
    assert "&lt;b&gt;&amp;&quot;.safetensors" in markup
    assert 'href="files/robot/lora/%3Cb%3E%26%22.safetensors"' in markup
    assert "<b>" not in markup


def test_a_visitor_sees_a_run_from_its_start_to_its_end(
    start_small: Callable[..., RunFolder], wait_until: Callable[..., object], visit: Callable[..., AppTest]
) -> None:
    folder = start_small("--steps", "100000", "--pause", "0.02", name="small")
    wait_until(lambda: folder.training_log.exists() and b"30/100000" in folder.training_log.read_bytes())
    page = visit(folder, "log")
    assert ":material/play_circle: Running" in told(page)
    stop_run(folder, wait=30)
    text = told(look(page))
    assert ":material/stop_circle: Stopped" in text
    assert "by you" not in text
    assert "Resume" not in text
    record = read_record(folder)
    look(page)
    assert read_record(folder) == record, "looking changes nothing"


def test_a_failed_run_says_what_happened_and_gives_no_advice(
    start_small: Callable[..., RunFolder], visit: Callable[..., AppTest]
) -> None:
    folder = start_small("--end-at", "3", "--code", "1", name="small")
    wait_for_end(folder, 30)
    text = told(visit(folder))
    assert ":material/error: Failed" in text
    assert "at step 3 of 5" in text
    assert "Resume" not in text
    assert "Exit code" not in text


def test_before_anything_is_there(outputs: Path, visit: Callable[..., AppTest]) -> None:
    folder = RunFolder(outputs / "fresh")
    folder.path.mkdir()
    folder.config.touch()
    text = told(visit(folder, *PARTS))
    assert "It has not begun so far." in text
    assert text.count("None so far.") == 2


def test_a_folder_of_another_tool(outputs: Path, tmp_path: Path, visit: Callable[..., AppTest]) -> None:
    path = tmp_path / "theirs"
    path.mkdir()
    (path / "train.log").write_text("steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.12]\n", encoding="utf-8")
    page = visit(open_folder(str(path)), *PARTS)
    assert page.title[0].value == "theirs"
    assert "It was seen last at step 20 of 40." in told(page)
    assert str(tmp_path) not in said(page)


def test_a_run_that_is_deleted_while_its_page_is_open(
    robot: RunFolder, visit: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(robot, *PARTS)
    monkeypatch.setattr(visitor.BOOK, "get", lambda digest: Link(robot, "1", digest, "", 0.0, None, frozenset(PARTS)))
    robot.path.rename(robot.path.with_name("elsewhere"))
    text = said(look(page))
    assert "This run is not there any more." in text
    assert "20/40" not in text


def test_what_cannot_be_read_is_told_without_saying_where_it_lies(
    robot: RunFolder, visit: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(f"cannot read {robot.path}")

    monkeypatch.setattr(shared_view.visitor_look, "read_lines", fail)
    text = said(visit(robot, "log"))
    assert "It cannot be shown at the moment." in text
    assert str(robot.path) not in text


def test_after_its_end_a_link_shows_nothing(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    page = visit(robot, *PARTS)
    (link,) = visitor.BOOK._links.values()
    revoke(robot, link.id)
    text = said(look(page))
    assert "This link shows nothing" in text
    assert "robot" not in text
    assert len(page.metric) == 0


def test_a_visitor_has_no_other_page(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    page = visit(robot)
    page.query_params["run"] = "another-run"
    with pytest.raises(ValueError, match=r"Known pages: \['[^']*pages/shared\.py'\]"):
        page.switch_page("pages/settings.py")
    assert look(page).title[0].value == "robot"
    assert "another-run" not in said(page)


def test_a_link_for_ever_says_so(robot: RunFolder, visit: Callable[..., AppTest]) -> None:
    assert "It is valid until its owner takes it back." in told(visit(robot, days=None))
    until = time.strftime("%B %Y", time.gmtime(time.time() + 7 * 86400))
    assert until in told(visit(robot))
