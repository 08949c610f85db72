"""run.json: written whole, read back the same, and what cannot be read says so and is kept."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest

from fluxgym.run.care import Care
from fluxgym.run.identity import Identity
from fluxgym.run.record import (
    MONITOR,
    TRAINER,
    VERSION,
    Attempt,
    Health,
    Record,
    Verdict,
    begin_attempt,
    put_aside,
    read_record,
    stamp,
    write_record,
)
from trainer.folder import RunFolder, State


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    path = tmp_path / "my-lora"
    path.mkdir()
    return RunFolder(path)


@pytest.fixture
def record(folder):
    first = begin_attempt(folder, None, ["python", "a b", "it's"]).to("running", training=Identity(12, 345, "boot"))
    ended = first.to("failed", exit_code=-9, ended=5.5, verdict=Verdict("failed", "why", "killed", ["all"], 3, 9, ["x"]))
    return begin_attempt(folder, ended, [], State(folder.step_state(3), 3, 0, 3))


def test_reads_back_the_same(folder, record):
    assert read_record(folder) is None
    write_record(folder, record)
    assert read_record(folder) == record
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_one_that_another_machine_replaces_while_we_read_it_is_read_anew(folder, record, monkeypatch):
    """As NFS tells it."""
    write_record(folder, record)
    stale, read = [OSError(errno.ESTALE, "Stale file handle")], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: _raise(stale.pop()) if stale else read(path))
    assert read_record(folder) == record


def _raise(error):
    raise error


def test_a_full_disk_keeps_the_old_one(folder, record, full_disk):
    write_record(folder, record)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_record(folder, record.to("failed"))
    assert read_record(folder) == record
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_a_record_from_before_containers_were_told_apart(folder, record):
    me = Identity.of(os.getpid())
    write_record(folder, dataclasses.replace(record, supervisor=me))
    text = folder.record.read_text()
    folder.record.write_text(text.replace(me.boot_id, me.boot_id.partition("/")[0]))
    assert folder.record.read_text() != text
    assert read_record(folder).supervisor.alive()


def test_the_lora_that_was_there_is_remembered(folder):
    assert begin_attempt(folder, None, []).attempts[-1].lora_before is None
    folder.lora.write_text("old")
    record = begin_attempt(folder, None, [])
    assert record.attempts[-1].lora_before == stamp(folder.lora)
    write_record(folder, record)
    assert read_record(folder) == record


def test_an_attempt_that_resumes_keeps_the_command(record):
    first, second = record.attempts
    assert (first.number, second.number) == (1, 2)
    assert second.command[:3] == first.command == ["python", "a b", "it's"]
    assert second.command[3] == "--resume"
    assert second.resumed_from == "my-lora-step00000003-state"
    assert record.verdict is None


def test_our_trainers_command_is_made_anew(folder, record):
    moved = begin_attempt(folder, None, ["/gone/python", *TRAINER, "/gone/config.toml"])
    assert moved.command[0] != "/gone/python"
    assert moved.command[-1] == str(folder.config)


def test_time_of_a_state_is_kept(record):
    assert record.to("starting").since == record.since
    assert record.to("running").since > record.since


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": VERSION + 1}, f"is of version {VERSION + 1}, this FluxGym reads up to {VERSION}"),
        ({"state": "resting"}, "got the state 'resting', expected one of queued, starting"),
        ({"state": "completed"}, "without a verdict"),
        ({"attempts": []}, "got no attempt"),
        ({"attempts": [1]}, "TypeError"),
        ({"attempts": None}, "TypeError"),
        ({"supervisor": {"pid": 1}}, "start_ticks"),
        ({"since": "now"}, "now"),
    ],
)
def test_what_cannot_be_used_says_so(folder, record, change, words):
    write_record(folder, record)
    folder.record.write_text(json.dumps(json.loads(folder.record.read_text()) | change))
    assert words in read_record(folder).problem


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": 1}', b"[" * 100_000])
def test_damage_says_so(folder, content):
    folder.record.write_bytes(content)
    assert read_record(folder).problem.startswith("run.json cannot be read: ")
    assert folder.record.read_bytes() == content


def test_a_bad_file_is_kept_aside(folder):
    folder.record.write_bytes(b"bad")
    kept = put_aside(folder)
    assert kept.name.startswith("run.json.bad-2")
    assert kept.read_bytes() == b"bad"
    assert not folder.record.exists()


def test_another_attempt_keeps_what_the_record_holds(folder):
    first = dataclasses.replace(begin_attempt(folder, None, ["x"]), cwd="/somewhere", any_command=True, resumes_at=1.0)
    second = begin_attempt(folder, dataclasses.replace(first, health=Health("nan", "why", 1.0)), [])
    assert (second.cwd, second.any_command, second.created) == ("/somewhere", True, first.created)
    assert (second.health, second.resumes_at, len(second.attempts)) == (Health(), None, 2)
    write_record(folder, second)
    assert read_record(folder) == second


def test_how_often_it_may_still_go_on_by_itself(folder):
    care, record = Care(most_resumes=2), begin_attempt(folder, None, ["x"])
    assert record.resumes_left(care) == 2
    for left in (1, 0, 0):
        record = begin_attempt(folder, record, []).to("queued", begun_by=MONITOR)
        assert record.resumes_left(care) == left
    assert begin_attempt(folder, record, []).resumes_left(care) == 2, "a person has looked"


def test_whose_trainer_it_is(folder):
    ours = begin_attempt(folder, None, [])
    assert (ours.is_ours, begin_attempt(folder, ours, []).is_ours) == (True, True)
    assert not begin_attempt(folder, None, ["accelerate", "launch"]).is_ours
    typed = dataclasses.replace(ours, command=["python", "-m", "trainer", "x.toml"], any_command=True, attempts=[])
    assert not typed.is_ours
    assert begin_attempt(folder, typed, []).attempts[-1].command == typed.command, "as it was typed"


def test_the_time_that_attempts_took():
    """By a clock that nobody sets where the end was seen; what only waited in the queue took none."""
    seen = Attempt(1, 100.0, ["x"], training=Identity(1, 1, "b"), ended=9000.0, seconds=40.0)
    unseen = Attempt(2, 1000.0, ["x"], training=Identity(1, 1, "b"), ended=1060.0)
    waited = Attempt(3, 1000.0, ["x"], ended=5000.0)
    record = Record("a", 0, ["x"], "stopped", 0, attempts=[seen, unseen, waited])
    assert record.took == 100
    under_way = dataclasses.replace(unseen, ended=None)
    assert dataclasses.replace(record, attempts=[seen, under_way]).took is None
