"""What a machine knows of itself is found, and what is said anyway is not."""

import os
import socket
from pathlib import Path

import pytest

from fluxgym.access import own_names
from fluxgym.access.redact import redactor_of
from fluxgym.run.folders import PROJECT
from fluxgym.run.record import begin_attempt, write_record
from tests.fluxgym.run.hosts import there
from trainer.folder import RunFolder


def test_secrets_are_those_that_the_environment_calls_so() -> None:
    environment = {
        "HF_TOKEN": "abc-def",
        "aws_secret_access_key": "xyz/123+",
        "DB_PASS": "hunter2",
        "HTTP_PROXY": "http://bob:pr0xypw@proxy:3128",
        "FLUXGYM_NOTIFY": "ntfy://topic1 json://h/k",
        "PWD": "/srv/bob",
        "TOKENIZERS_PARALLELISM": "false",
        "API_KEY": "true",
        "PORT_KEY": "85010",
        "PATH": "/usr/bin",
        "KEY_FILE": os.devnull,
        "EDITOR": "secret-editor",
    }
    found = own_names.find_secrets(environment)
    assert {"abc-def", "xyz/123+", "hunter2", "pr0xypw", "ntfy://topic1", "json://h/k"} <= set(found)
    assert not {"/srv/bob", "false", "true", "85010", "/usr/bin", os.devnull, "secret-editor"} & set(found)
    assert found == sorted(found, key=len, reverse=True)


def test_a_secret_is_known_in_json_in_an_address_and_in_a_page() -> None:
    assert own_names.write_forms('a"b&c') >= {'a"b&c', 'a\\"b&c', "a%22b%26c", "a&quot;b&amp;c"}


def test_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "bobs-tower.example.org")
    monkeypatch.setenv("HOSTNAME", "localhost")
    monkeypatch.setenv("RUNPOD_POD_ID", "k3j2h1g0")
    assert own_names.find_hosts() == ["bobs-tower.example.org", "bobs-tower", "k3j2h1g0"]
    assert "k3j2h1g0" not in own_names.find_hosts(["my-k3j2h1g0-lora"])


@pytest.mark.parametrize(
    ("said", "nodes"),
    [
        ("gpu[01-03,7],cpu1", ["gpu01", "gpu02", "gpu03", "gpu7", "cpu1"]),
        ("n1", ["n1"]),
        ("", []),
        ("a[", ["a"]),
    ],
)
def test_nodes(said: str, nodes: list[str]) -> None:
    assert own_names.list_nodes(said) == nodes
    assert len(own_names.list_nodes("x[1-99999999]")) == own_names.MOST


def test_machines(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert own_names.find_machines(folder) == []
    begun = begin_attempt(folder, None, ["x"]).to("running", training=there("login.lab.example", 7), nodes="carol-gpu[1-2]")
    write_record(folder, begun)
    assert own_names.find_machines(folder) == ["login.lab.example", "carol-gpu1", "carol-gpu2", "login"]
    assert (
        redactor_of(folder).text("ERROR Rank 1 of 2, on carol-gpu2, was killed") == "ERROR Rank 1 of 2, on [host], was killed"
    )
    write_record(folder, begun.to("running", nodes="dave-gpu1"))
    assert "dave" not in redactor_of(folder).text("Rank 0 of 1, on dave-gpu1"), "it goes on elsewhere"


def test_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "alicew")
    monkeypatch.setenv("HOME", "/home/alice-at-home")
    assert {"alicew", "alice-at-home"} <= set(own_names.find_users())
    assert "alicew" not in own_names.find_users(["alicew"])  # the run is called so: it is read anyway
    monkeypatch.setenv("USER", "root")
    assert "root" not in own_names.find_users()


def test_roots_have_two_parts_or_more(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "my runs" / "robot")
    found = own_names.find_roots(folder)
    assert {str(folder.path), str(tmp_path / "my runs"), str(PROJECT)} <= set(found)
    assert all(path.count("/") > 1 for path in found)


def test_the_data_set_is_found_as_the_settings_name_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "robot")
    folder.path.mkdir()
    assert own_names.find_data(folder) == []
    folder.config.write_text('[data]\nfolder = "datasets/alice"\nregularisation = "/srv/people"\n', encoding="utf-8")
    assert set(own_names.find_data(folder)) == {"datasets/alice", str(PROJECT / "datasets/alice"), "/srv/people"}
    folder.config.write_text(f'[data]\nfolder = "{tmp_path}"\n', encoding="utf-8")
    assert own_names.find_data(folder) == []  # the run itself lies in it
    folder.config.write_text("no toml", encoding="utf-8")
    (folder.path / "config.yaml").write_text("datasets:\n  - folder_path: '/srv/cats'\n    repeats: 3\n", encoding="utf-8")
    assert own_names.find_data(folder) == ["/srv/cats"]


def test_the_name_of_a_data_set_that_is_no_ordinary_word(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "robot-2")
    folder.path.mkdir()
    for place, names in (("/srv/alice-at-home", ["alice-at-home"]), ("/srv/photographs", []), ("datasets/robot-2", [])):
        folder.config.write_text(f'[data]\nfolder = "{place}"\n', encoding="utf-8")
        assert own_names.find_data_names(folder) == names
