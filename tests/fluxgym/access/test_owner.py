"""The key of the owner: generated once, in a file of its owner alone; sessions that are signed, end, expire; hashes."""

import json
import subprocess
import sys
import threading

import pytest

from fluxgym.access import owner
from fluxgym.access.owner import AccessError, Owner, hash_password, key_in_use, read_keyring, renew


@pytest.fixture
def access_file(tmp_path, monkeypatch):
    path = tmp_path / "settings" / "access.json"
    monkeypatch.setenv("FLUXGYM_ACCESS_FILE", str(path))
    for name in (owner.KEY, owner.PASSWORD_HASH, owner.OPEN):
        monkeypatch.delenv(name, raising=False)
    return path


def test_the_key_is_made_once_and_its_owners_alone(access_file):
    ring = read_keyring()
    assert len(ring.key) == len(ring.secret) == 43 and ring.key != ring.secret
    assert read_keyring() == ring
    assert access_file.stat().st_mode & 0o777 == 0o600 and access_file.parent.stat().st_mode & 0o777 == 0o700


def test_servers_that_start_at_the_same_moment_have_one_key(access_file):
    rings: list[owner.Keyring] = []
    threads = [threading.Thread(target=lambda: rings.append(read_keyring())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ring.key for ring in rings)) == 1 and len(rings) == 8


def test_the_generated_key_is_right_and_nothing_near_it(access_file):
    mine = Owner()
    key = read_keyring().key
    assert mine.is_key(key)
    for wrong in ("", key[:-1], key + "x", key.swapcase(), "\udcff", f" {key}"):
        assert not mine.is_key(wrong) and not mine.is_chosen(wrong)


def test_a_chosen_key_takes_the_place_of_the_generated_one(access_file, monkeypatch):
    generated = read_keyring().key
    monkeypatch.setenv(owner.KEY, "a key of my own")
    mine = Owner()
    assert mine.is_chosen("a key of my own") and key_in_use() == "a key of my own"
    assert not mine.is_key(generated) and not mine.is_chosen(generated)


def test_a_key_that_is_too_short_is_refused_by_name(access_file, monkeypatch):
    monkeypatch.setenv(owner.KEY, "short")
    with pytest.raises(AccessError, match="FLUXGYM_KEY: got 5 characters, expected 12 or more"):
        Owner()


def test_a_password_is_known_by_its_hash_and_the_generated_key_still_opens(access_file, monkeypatch):
    made = hash_password("correct horse battery")
    assert "correct" not in made and made != hash_password("correct horse battery"), "each has its own salt"
    monkeypatch.setenv(owner.PASSWORD_HASH, made)
    mine = Owner()
    assert mine.is_chosen("correct horse battery") and not mine.is_chosen("correct horse batterx") and not mine.is_chosen("")
    assert mine.is_key(read_keyring().key)
    with pytest.raises(AccessError, match="of 5 characters"):
        hash_password("short")


@pytest.mark.parametrize(
    "said", ["x", "scrypt:1:2", "md5:16384:8:1:aaaa:bbbb", "scrypt:99999999:8:1:aaaa:bbbb", "scrypt:16384:8:1::"]
)
def test_a_hash_that_is_none_stops_the_server_with_what_was_expected(access_file, monkeypatch, said):
    monkeypatch.setenv(owner.PASSWORD_HASH, said)
    with pytest.raises(AccessError, match=r"FLUXGYM_PASSWORD_HASH: expected what `python -m fluxgym key --hash` prints"):
        Owner()


def test_a_session_outlives_the_server(access_file):
    cookie = Owner().begin()
    session = Owner().session_of(cookie)
    assert session and read_keyring().key not in cookie


def test_a_cookie_that_was_touched_is_none(access_file):
    mine = Owner()
    cookie = mine.begin()
    session, began, signed = cookie.split(".")
    other = "1" if signed[-1] == "0" else "0"
    touched = (
        f"{session}x.{began}.{signed}",
        f"{session}.{int(began) + 1}.{signed}",
        f"{session}.{began}.{signed[:-1]}{other}",
    )
    for wrong in (*touched, f"{session}.{began}.", "", ".", "..", "a.b.c", read_keyring().key, read_keyring().secret):
        assert mine.session_of(wrong) == "", wrong


def test_a_session_lasts_thirty_days_and_can_be_made_longer(access_file):
    mine = Owner()
    cookie = mine.begin(now=1000)
    assert mine.session_of(cookie, now=1000 + owner.LASTS - 1)
    assert mine.session_of(cookie, now=1000 + owner.LASTS) == ""
    again = mine.begin(mine.session_of(cookie, now=1001), now=2000)
    assert mine.session_of(again, now=1500 + owner.LASTS) == mine.session_of(cookie, now=1001)


def test_an_ended_session_has_ended_for_all_servers_and_no_other_has(access_file):
    mine, another = Owner(), Owner()
    cookie, other = mine.begin(), mine.begin()
    mine.end(mine.session_of(cookie))
    for each in (mine, another, Owner()):
        assert each.session_of(cookie) == "" and each.session_of(other)


def test_a_new_key_ends_all_sessions_of_a_server_that_runs(access_file):
    mine = Owner()
    cookie, name, old = mine.begin(), mine.cookie_name, read_keyring().key
    renew()
    assert mine.session_of(cookie) == "" and not mine.is_key(old) and mine.is_key(read_keyring().key)
    assert mine.cookie_name != name


@pytest.mark.parametrize("variable", [owner.KEY, owner.PASSWORD_HASH])
def test_another_chosen_key_or_password_ends_all_sessions(access_file, monkeypatch, variable):
    cookie = Owner().begin()
    monkeypatch.setenv(variable, "a key of my own" if variable == owner.KEY else hash_password("correct horse battery"))
    assert Owner().session_of(cookie) == ""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "key": "", "secret": "", "ended": {}}', "[" * 99999]
)
def test_a_damaged_file_is_named_without_its_words_and_can_be_renewed(access_file, text):
    access_file.parent.mkdir()
    access_file.write_text(text)
    with pytest.raises(AccessError, match=r"access\.json is damaged or of another version; .* key --new"):
        Owner()
    assert access_file.read_text() == text
    renew()
    Owner()


def test_a_file_that_is_damaged_while_the_server_runs_shuts_nobody_out(access_file):
    mine = Owner()
    cookie = mine.begin()
    access_file.write_text("{")
    assert mine.session_of(cookie)


def test_a_place_that_cannot_be_written_is_named(monkeypatch):
    monkeypatch.setenv("FLUXGYM_ACCESS_FILE", "/proc/nowhere/access.json")
    with pytest.raises(AccessError, match="FLUXGYM_ACCESS_FILE names another"):
        read_keyring()


def test_the_file_needs_no_more_than_a_start(access_file):
    script = "from fluxgym.access.owner import read_keyring; print(read_keyring().key)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == json.loads(access_file.read_text())["key"]
