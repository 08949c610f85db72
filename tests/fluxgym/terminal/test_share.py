"""share: a link is told once, listed, ended; wrong use is told before anything is made."""

import json
import time

import pytest

from fluxgym.access.address import note_server
from fluxgym.access.links import digest_of, list_links
from fluxgym.terminal.output import DONE, WRONG_USE
from fluxgym.view.opening import open_folder
from tests.fluxgym.terminal.conftest import run_of


@pytest.fixture
def robot(outputs, monkeypatch):
    monkeypatch.delenv("FLUXGYM_URL", raising=False)
    return run_of(outputs, "robot")


def test_a_link_is_told_once_as_data(robot, say):
    note_server("http://127.0.0.1:8600/gym")
    code, out, err = say("share", "robot", "--json")
    told = json.loads(out)
    assert (code, err, list(told)) == (DONE, "", ["path", "url", "id", "expires"])
    token = told["path"].removeprefix("/gym/s/").removesuffix("/")
    assert told["url"] == f"http://127.0.0.1:8600/gym/s/{token}/"
    [link] = list_links(robot)
    assert (link.id, link.expires, link.digest) == (told["id"], told["expires"], digest_of(token))
    assert abs(link.expires - time.time() - 7 * 86_400) < 60
    assert (link.label, link.parts) == ("", {"log", "samples"})
    assert token not in robot.share.read_text(encoding="utf-8")


def test_the_address_for_others_is_told_and_the_path_stays_the_server_s(robot, say, monkeypatch):
    monkeypatch.setenv("FLUXGYM_URL", "https://gpu.example.org/mine")
    told = json.loads(say("share", "robot", "--days", "never", "--json")[1])
    assert told["url"] == f"https://gpu.example.org/mine{told['path']}"
    assert told["path"].startswith("/s/")
    assert told["expires"] is None


def test_in_words(robot, say, monkeypatch):
    code, out, _ = say("share", "robot", "--days", "0.5", "--label", "for  Ana\n", "--show", "samples, checkpoints")
    url, what, how, reach = out.splitlines()
    assert (code, url.startswith("http://127.0.0.1:8501/s/")) == (DONE, True)
    assert what.startswith("It shows progress, charts, samples and LoRA files of robot, is valid until ")
    [link] = list_links(robot)
    assert how == f"To end it: python -m fluxgym share robot --revoke {link.id}"
    assert "leads to this machine only" in reach
    assert (link.label, link.parts) == ("for Ana", {"samples", "checkpoints"})
    monkeypatch.setenv("FLUXGYM_URL", "https://gpu.example.org")
    assert len(say("share", "robot", "--show", "none")[1].splitlines()) == 3
    assert list_links(robot)[0].parts == set()


def test_the_command_that_ends_a_link_of_a_run_with_an_odd_name_can_be_typed(robot, say):
    robot.path.rename(robot.path.with_name("a b;c"))
    how = say("share", "a b;c")[1].splitlines()[2]
    assert "fluxgym share 'a b;c' --revoke " in how


def test_links_are_listed_and_ended(robot, say):
    assert say("share", "robot", "--list")[1] == "robot: nobody was given a link.\n"
    assert json.loads(say("share", "robot", "--list", "--json")[1]) == []
    first, second, third = (json.loads(say("share", "robot", "--label", name, "--json")[1])["id"] for name in "abc")
    listed = json.loads(say("share", "robot", "--list", "--json")[1])
    assert {each["id"]: each["label"] for each in listed} == {first: "a", second: "b", third: "c"}
    assert listed[0]["show"] == ["log", "samples"]
    rows = say("share", "robot", "--list")[1].splitlines()
    assert any(row.startswith(f"{second}  b  valid until ") and "not opened yet" in row for row in rows)
    assert json.loads(say("share", "robot", "--revoke", second, "--json")[1]) == {"revoked": [second]}
    code, _, err = say("share", "robot", "--revoke", second)
    assert (code, first in err, third in err) == (WRONG_USE, True, True)
    assert say("share", "robot", "--revoke-all")[1] == "robot: 2 links revoked; open pages end within seconds.\n"
    assert say("share", "robot", "--revoke-all")[1] == "robot: it had no link.\n"
    assert list_links(robot) == []


def test_a_damaged_file_is_told_and_can_be_begun_anew(robot, say):
    robot.share.write_text("{", encoding="utf-8")
    for rest in ([], ["--list"], ["--revoke", "x"]):
        code, out, err = say("share", "robot", *rest)
        assert (code, out, "revoke all to begin anew" in err) == (WRONG_USE, "", True)
    assert say("share", "robot", "--revoke-all")[0] == DONE
    assert say("share", "robot")[0] == DONE


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--days", "soon"], "expected a number of days, such as 7, or never"),
        (["--days", "0"], "expected a number of days"),
        (["--days", "nan"], "expected a number of days"),
        (["--show", "log,everything"], "got everything, expected some of log,samples,settings,checkpoints, or none"),
        (["--list", "--label", "x"], "got --label, expected only for a new link"),
        (["--revoke", "x", "--days", "3"], "got --days, expected only for a new link"),
    ],
)
def test_wrong_use_makes_nothing(robot, say, options, told, capsys):
    try:
        code, _, err = say("share", "robot", *options)
    except SystemExit as ended:  # argparse's own
        code, err = ended.code, capsys.readouterr().err
    assert (code, told in err) == (WRONG_USE, True)
    assert not robot.share.exists()


def test_a_wrong_address_or_run_makes_nothing(robot, say, monkeypatch):
    monkeypatch.setenv("FLUXGYM_URL", "gpu.example.org")
    code, _, err = say("share", "robot")
    assert (code, "expected an address such as https://" in err) == (WRONG_USE, True)
    assert not robot.share.exists()
    assert "did you mean robot?" in say("share", "robto")[2]


def test_a_full_disk_is_told_and_no_link_is(robot, say, full_disk):
    with full_disk():
        code, out, err = say("share", "robot")
    assert (code, out, "could not be written" in err) == (WRONG_USE, "", True)
    assert list_links(robot) == []


def test_an_opened_folder_is_shared_without_a_trace_in_it(outputs, tmp_path, say):
    path = tmp_path / "kohya\x1b[2J"
    path.mkdir()
    (path / "train.log").write_text("epoch 1/2\n", encoding="utf-8")
    folder = open_folder(str(path))
    code, out, _ = say("share", folder.name)
    assert (code, "\x1b" in out) == (DONE, False)
    assert [each.name for each in path.iterdir()] == ["train.log"]
    assert len(list_links(folder)) == 1
