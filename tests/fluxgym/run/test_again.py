"""Going on without a person: only as chosen, only so often, with growing pauses, and from what is whole."""

import dataclasses
import os
import signal
import sys
import tomllib

import pytest

from fluxgym.run.again import go_on
from fluxgym.run.care import Care, write_care
from fluxgym.run.guarded import Guarded
from fluxgym.run.identity import Identity
from fluxgym.run.launch import RunIsNotActive, resume_now, resume_run, start_run, stop_run, wait_for_end
from fluxgym.run.lock import hold
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import MONITOR, PERSON, SYSTEM, Health, Verdict, begin_attempt, read_record
from fluxgym.run.status import read_status
from tests.fluxgym.run.test_kohya import write_state as write_kohya_state
from tests.small_training import write_lora, write_state
from trainer.config import dump_config, parse_config
from trainer.folder import RunFolder

ME = Identity.of(os.getpid())
AFTER_CRASH = Care(place="none", resume_after_crash=True)


@pytest.fixture
def run(outputs, monkeypatch):
    """A run that this process guards."""
    monkeypatch.delenv("FLUXGYM_RESUME_PAUSE", raising=False)
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    with hold(folder.lock, 0) as held:
        yield Guarded(folder, held, Monitor(folder))


def ended(run, state="failed", kind="killed", stop=None, attempts=1, command=(), **more):
    """The record of a run whose last attempt ended so; all but the first began by themselves."""
    record = None
    for number in range(attempts):
        record = begin_attempt(run.folder, record, list(command)).to("queued", begun_by=MONITOR if number else PERSON)
    record = record.to(state, training=ME, stop=stop, verdict=Verdict(state, "why", kind), **more)
    return dataclasses.replace(record, supervisor=ME)


def notes_of(folder):
    return folder.monitor_log.read_text() if folder.monitor_log.exists() else ""


def notes(run):
    return notes_of(run.folder)


@pytest.mark.parametrize(
    ("care", "how", "goes_on"),
    [
        ({}, {}, False),
        ({"resume_after_crash": True}, {}, True),
        ({"resume_after_crash": True}, {"kind": "host_oom"}, True),
        ({"resume_after_crash": True}, {"kind": "other"}, True),
        ({"resume_after_crash": True}, {"kind": "missing_file"}, False),
        ({"resume_after_crash": True}, {"kind": "nan"}, False),
        ({"resume_after_crash": True}, {"kind": "oom"}, False),
        ({"resume_after_crash": True}, {"state": "lost"}, False),
        ({"resume_after_crash": True}, {"state": "completed"}, False),
        ({"resume_after_crash": True}, {"state": "stopped"}, False),
        ({"resume_after_crash": True}, {"stop": PERSON}, False),
        ({"resume_after_crash": True}, {"stop": SYSTEM}, False),
        ({"resume_after_crash": True}, {"state": "stopped", "stop": MONITOR}, False),
        ({"when_stalled": "resume"}, {"state": "stopped", "stop": MONITOR}, True),
        ({"when_stalled": "resume"}, {"stop": MONITOR}, True),
        ({"when_stalled": "stop"}, {"state": "stopped", "stop": MONITOR}, False),
        ({"when_stalled": "resume"}, {}, False),
        ({"when_stalled": "resume"}, {"state": "stopped", "stop": PERSON}, False),
        ({"resume_after_crash": True, "most_resumes": 0}, {}, False),
    ],
)
def test_only_as_chosen(run, care, how, goes_on):
    write_care(run.folder, Care(**care))
    begun = go_on(run, ended(run, **how))
    assert (begun is not None) == goes_on
    if begun:
        assert (begun.state, begun.attempts[-1].begun_by, begun.supervisor) == ("queued", MONITOR, ME)
        assert begun.attempts[0].verdict.message == "why"


def test_a_loss_that_is_no_number_would_only_be_lost_again(run):
    write_care(run.folder, Care(when_stalled="resume"))
    stopped = ended(run, state="stopped", stop=MONITOR)
    assert go_on(run, dataclasses.replace(stopped, health=Health("stalled", "why", 1.0))) is not None
    assert go_on(run, dataclasses.replace(stopped, health=Health("nan", "why", 1.0))) is None


def test_what_never_trained_is_not_tried_again(run):
    write_care(run.folder, AFTER_CRASH)
    assert go_on(run, ended(run)) is not None
    never = ended(run)
    assert go_on(run, never.to(never.state, training=None)) is None


def test_only_so_often_and_with_growing_pauses(run):
    write_care(run.folder, AFTER_CRASH)
    pauses = []
    for attempts in (1, 2, 3):
        begun = go_on(run, ended(run, attempts=attempts))
        pauses.append(begun.resumes_at - begun.since)
    assert pauses == [pytest.approx(30, abs=1), pytest.approx(120, abs=1), pytest.approx(480, abs=1)]
    assert go_on(run, ended(run, attempts=4)) is None
    assert "it does not go on by itself: it did so 3 times, which is as often as it may" in notes(run)
    write_care(run.folder, dataclasses.replace(AFTER_CRASH, most_resumes=20))
    begun = go_on(run, ended(run, attempts=15))
    assert begun.resumes_at - begun.since == pytest.approx(3600, abs=1)


def test_the_first_pause_can_be_set(run, monkeypatch):
    write_care(run.folder, AFTER_CRASH)
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "2")
    begun = go_on(run, ended(run, attempts=2))
    assert begun.resumes_at - begun.since == pytest.approx(8, abs=1)


def test_from_the_furthest_whole_state(run):
    write_care(run.folder, AFTER_CRASH)
    write_state(run.folder.path, 3)
    (write_state(run.folder.path, 9) / "weights.bin").write_bytes(b"")
    assert go_on(run, ended(run)).attempts[-1].resumed_from == "small-step00000003-state"


def test_from_before_the_loss_was_no_number(run):
    write_care(run.folder, AFTER_CRASH)
    for step in (3, 9):
        write_state(run.folder.path, step)
    record = ended(run)
    for nan_at, state in ((None, 9), (9, 3), (3, 9)):  # where none is good, it is the furthest
        told = record.to("failed", verdict=Verdict("failed", "why", "other", nan_at=nan_at))
        assert go_on(run, told).attempts[-1].resumed_from == f"small-step0000000{state}-state"


def test_nothing_is_overwritten(run):
    write_care(run.folder, AFTER_CRASH)
    assert go_on(run, ended(run)).attempts[-1].resumed_from is None
    write_lora(run.folder.lora)
    assert go_on(run, ended(run)) is None
    assert "a new beginning would overwrite what is in small" in notes(run)


def test_another_command_from_kohyas_state_or_its_beginning(run):
    write_care(run.folder, AFTER_CRASH)
    for command, state in ((["python", "x.py"], None), (["python", "train_network.py"], "x-000004-state")):
        if state:
            write_kohya_state(run.folder.path / state)
        record = dataclasses.replace(ended(run, command=command, exit_code=1), any_command=True, cwd=str(run.folder.path))
        attempt = go_on(run, record).attempts[-1]
        assert attempt.resumed_from == state
        assert attempt.command == [*command, *(["--resume", str(run.folder.path / state)] if state else [])]
        assert attempt.note == ("" if state else "The command is started again from its beginning.")


def test_another_command_whose_end_nobody_saw_is_not_begun_again(run):
    """It may have ended well: what it made would be overwritten."""
    write_care(run.folder, AFTER_CRASH)
    unseen = dataclasses.replace(ended(run, kind="other", command=["python", "x.py"]), any_command=True)
    assert go_on(run, unseen) is None
    assert "nobody saw its end" in notes(run)


# ---- out of memory ---------------------------------------------------------------------------------------------------
@pytest.fixture
def settings(run):
    def write(**train):
        values = {"name": "small", "model": {"base": "x"}, "data": {"folder": "y", "batch_size": 4}, "train": train}
        run.folder.config.write_text(dump_config(parse_config(values)))

    return write


def said(run, section, key):
    return tomllib.loads(run.folder.config.read_text())[section][key]


def test_a_step_down_that_keeps_the_state(run, settings):
    settings(gradient_checkpointing=False)
    write_state(run.folder.path, 3)
    write_care(run.folder, Care(step_down=True))
    begun = go_on(run, ended(run, kind="oom"))
    assert said(run, "train", "gradient_checkpointing") is True
    assert begun.attempts[-1].note == "Memory ran out: it goes on with gradient checkpointing."
    assert begun.attempts[-1].resumed_from == "small-step00000003-state"
    assert len(list(run.folder.old_logs.glob("config-*.toml"))) == 1
    assert "the settings of before are in logs/config-" in notes(run)


def test_a_step_down_before_anything_was_saved(run, settings):
    settings(gradient_checkpointing=True)
    write_care(run.folder, Care(step_down=True))
    begun = go_on(run, ended(run, kind="oom"))
    assert said(run, "data", "batch_size") == 2
    assert (begun.attempts[-1].resumed_from, begun.attempts[-1].note) == (
        None,
        "Memory ran out: it goes on with a batch of 2 instead of 4.",
    )


def test_a_step_down_that_would_lose_the_state_is_only_told(run, settings):
    settings(gradient_checkpointing=True)
    write_state(run.folder.path, 3)
    write_care(run.folder, Care(step_down=True))
    assert go_on(run, ended(run, kind="oom")) is None
    assert said(run, "data", "batch_size") == 4
    assert "It could begin anew with a batch of 2 instead of 4, but small-step00000003-state would be lost" in notes(run)


@pytest.mark.parametrize("spoil", ["missing", "damaged", "smallest", "full"])
def test_no_step_down(run, settings, full_disk, spoil):
    settings(gradient_checkpointing=False)
    if spoil == "smallest":
        values = {"name": "small", "model": {"base": "x"}, "data": {"folder": "y", "resolution": 256}}
        run.folder.config.write_text(dump_config(parse_config(values)))
    elif spoil == "missing":
        run.folder.config.unlink()
    elif spoil == "damaged":
        run.folder.config.write_text("x = ")
    write_care(run.folder, Care(step_down=True))
    if spoil == "full":
        with full_disk():
            assert go_on(run, ended(run, kind="oom")) is None
        assert said(run, "train", "gradient_checkpointing") is False
    else:
        assert go_on(run, ended(run, kind="oom")) is None


def test_only_where_it_was_chosen(run, settings):
    settings(gradient_checkpointing=False)
    write_care(run.folder, Care(resume_after_crash=True))
    assert go_on(run, ended(run, kind="oom")) is None
    write_care(run.folder, Care(step_down=True))
    assert go_on(run, ended(run, kind="killed")) is None
    assert said(run, "train", "gradient_checkpointing") is False


# ---- real processes --------------------------------------------------------------------------------------------------
def test_a_crash_is_survived(start_small, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "0.2")
    folder = start_small(
        "--steps", "9", "--state-at", "4", "--end-at", "6", "--code", "-9", "--attempts", "1", care=AFTER_CRASH
    )
    wait_until(lambda: read_record(folder).state == "completed")
    record = read_record(folder)
    assert [attempt.verdict.state for attempt in record.attempts] == ["failed", "completed"]
    assert [attempt.begun_by for attempt in record.attempts] == [PERSON, MONITOR]
    assert record.attempts[1].resumed_from == "small-step00000004-state"
    assert record.resumes_at is None
    text = folder.training_log.read_text()
    assert "=== Attempt 2, " in text
    assert text.count("Resuming: step 4 of 9") == 1


def test_but_not_for_ever(start_small, monkeypatch):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "0.1")
    care = dataclasses.replace(AFTER_CRASH, most_resumes=2)
    folder = start_small("--end-at", "2", "--code", "1", care=care)
    status = wait_for_end(folder, 30)
    assert (status.state, status.attempt, status.resumes_left) == ("failed", 3, 0)
    resume_run(folder)
    assert wait_for_end(folder, 30).attempt == 6, "a person's resume counts anew"


def test_a_person_ends_the_pause(start_small, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "600")
    folder = start_small("--state-at", "2", "--end-at", "3", "--code", "1", care=AFTER_CRASH)
    wait_until(lambda: read_status(folder).resumes_at)
    status = read_status(folder)
    assert (status.state, status.begun_by, status.resumes_left) == ("queued", MONITOR, 2)
    assert status.resumes_at - status.since == pytest.approx(600, abs=2)
    stopped = stop_run(folder, wait=20)
    assert (stopped.state, stopped.message) == ("stopped", "Removed from the queue before it went on by itself.")
    assert stopped.resumable.step == 2
    assert read_record(folder).attempts[0].verdict.state == "failed"


def test_a_person_hastens_the_pause(start_small, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "600")
    folder = start_small("--steps", "9", "--end-at", "3", "--code", "1", "--attempts", "1", care=AFTER_CRASH)
    wait_until(lambda: read_status(folder).is_pausing)
    assert not resume_now(folder).is_pausing
    status = wait_for_end(folder, 30)
    assert (status.state, status.attempt, status.begun_by) == ("completed", 2, MONITOR)
    assert "a person ended the pause" in notes_of(folder)
    with pytest.raises(RunIsNotActive, match="small does not pause, it is completed"):
        resume_now(folder)


def test_a_pause_is_hastened_though_its_supervisor_was_killed(start_small, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "600")
    folder = start_small("--steps", "9", "--end-at", "3", "--code", "1", "--attempts", "1", care=AFTER_CRASH)
    wait_until(lambda: read_status(folder).is_pausing)
    supervisor = read_record(folder).supervisor
    supervisor.signal(signal.SIGKILL)
    wait_until(lambda: not supervisor.alive())
    resume_now(folder)
    assert wait_for_end(folder, 30).state == "completed"


def test_what_trains_is_not_hastened_and_does_not_mind(start_small, wait_until, tmp_path):
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: read_status(folder).state == "running")
    with pytest.raises(RunIsNotActive, match="small does not pause, it is running"):
        resume_now(folder)
    assert read_record(folder).supervisor.signal(signal.SIGUSR2)
    (tmp_path / "go").touch()
    assert wait_for_end(folder, 30).state == "completed"


def test_a_pause_outlives_its_supervisor(start_small, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "3")
    folder = start_small("--steps", "9", "--end-at", "3", "--code", "1", "--attempts", "1", care=AFTER_CRASH)
    wait_until(lambda: read_status(folder).resumes_at)
    read_record(folder).supervisor.signal(signal.SIGKILL)
    status = wait_for_end(folder, 30)
    assert (status.state, status.attempt) == ("completed", 2)


@pytest.mark.parametrize(("pause", "keeps"), [(4, True), (600, False)])
def test_the_place_is_kept_in_a_short_pause_and_the_turn_in_a_long_one(
    start_small, monkeypatch, wait_until, tmp_path, pause, keeps
):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", str(pause))
    care = dataclasses.replace(AFTER_CRASH, place="auto")
    options = ("--end-at", "3", "--code", "1", "--attempts", "1")
    first = start_small(*options, name="a", care=care)
    wait_until(lambda: read_status(first).queue)
    second = start_small("--hold", str(tmp_path / "go"), name="b", care=care)
    if keeps:
        wait_until(lambda: read_record(first).state == "completed")
        assert read_record(second).state == "queued" or read_record(second).attempts[-1].started > read_status(first).since
    else:
        wait_until(lambda: read_status(second).state == "running")
        third = start_small(name="c", care=care)
        wait_until(lambda: read_status(third).queue)
        assert (read_status(first).queue.position, read_status(third).queue.position) == (1, 2)


def test_another_command_goes_on_where_it_was_typed(outputs, tmp_path, monkeypatch, wait_until):
    monkeypatch.setenv("FLUXGYM_RESUME_PAUSE", "0.1")
    folder = RunFolder(outputs / "any")
    folder.path.mkdir()
    script = (
        "import os, pathlib; print('in', os.getcwd()); p = pathlib.Path('tried'); old = p.exists(); p.touch(); exit(not old)"
    )
    start_run(folder, [sys.executable, "-c", script], care=AFTER_CRASH, cwd=tmp_path, any_command=True)
    status = wait_for_end(folder, 30)
    assert (status.state, status.attempt) == ("completed", 2)
    assert status.message.startswith("It ended without an error. Not checked: ")
    assert folder.training_log.read_text().count(f"in {tmp_path}") == 2
