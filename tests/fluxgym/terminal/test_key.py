"""The verb `key`: the address with the key, another key, a password's hash."""

import getpass

import pytest

from fluxgym.access.owner import KEY, OPEN, Owner, key_in_use, read_keyring
from fluxgym.terminal.main import main


def test_it_prints_the_address_that_signs_in(outputs, capsys):
    assert main(["key"]) == 0
    assert capsys.readouterr().out == f"http://127.0.0.1:8501/?key={key_in_use()}\n"


def test_it_prints_the_address_under_which_others_reach_the_server(outputs, capsys, monkeypatch):
    monkeypatch.setenv("FLUXGYM_URL", "https://gpu.example.org/train/")
    main(["key"])
    assert capsys.readouterr().out.startswith("https://gpu.example.org/train/?key=")


def test_another_key_ends_all_sessions(outputs, capsys):
    old, mine = key_in_use(), Owner()
    cookie = mine.begin()
    assert main(["key", "--new"]) == 0
    said = capsys.readouterr().out
    assert key_in_use() != old and key_in_use() in said and "signed out" in said
    assert mine.session_of(cookie) == ""


def test_it_says_what_the_environment_sets(outputs, capsys, monkeypatch):
    monkeypatch.setenv(KEY, "a key of my own")
    monkeypatch.setenv(OPEN, "1")
    assert main(["key", "--new"]) == 0
    said = capsys.readouterr().out
    assert "?key=a%20key%20of%20my%20own" in said and "FLUXGYM_KEY, as before" in said and "asks nobody for a key" in said


def test_a_hash_is_made_of_what_was_typed_twice(outputs, capsys, monkeypatch):
    typed = iter(["correct horse battery"] * 2 + ["correct horse battery", "another one"] + ["short"] * 2)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(typed))
    assert main(["key", "--hash"]) == 0
    name, _, value = capsys.readouterr().out.strip().partition("=")
    monkeypatch.setenv(name, value)
    assert Owner().is_chosen("correct horse battery")
    assert main(["key", "--hash"]) == 2 and "not the same" in capsys.readouterr().out
    assert main(["key", "--hash"]) == 2 and "expected 12 or more" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", ""])
def test_a_damaged_file_is_told_and_made_anew(outputs, tmp_path, capsys, text):
    (tmp_path / "access.json").write_text(text)
    assert main(["key"]) == 2 and "key --new" in capsys.readouterr().err
    assert main(["key", "--new"]) == 0
    read_keyring()
