"""Watching a training: what goes wrong with the evidence ends nothing. What is killed: tests/faults."""

from fluxgym.run.care import NONE, RESUME, Care
from fluxgym.run.launch import stop_run, wait_for_end
from fluxgym.run.record import MONITOR, PERSON, read_record


def test_evidence_that_cannot_be_had_ends_nothing(start_small, wait_until):
    folder = start_small("--steps", "20")
    wait_until(folder.training_log.exists)
    folder.training_log.unlink()
    folder.training_log.mkdir()  # no log any more, and nothing that could be read as one
    assert wait_for_end(folder, 20).state == "failed"


def test_a_person_who_stops_what_the_monitor_stops_already_has_the_last_word(start_small, wait_until, monkeypatch):
    for name, value in {"STALL_FACTOR": "0.02", "STOP_GRACE": "3", "RESUME_PAUSE": "0.1"}.items():
        monkeypatch.setenv(f"FLUXGYM_{name}", value)
    deaf = ("--stubborn", "--steps", "40", "--state-at", "20", "--hang-at", "30", "--hang", "fifo")
    folder = start_small(*deaf, care=Care(place=NONE, when_stalled=RESUME))
    wait_until(lambda: read_record(folder).attempts[-1].stop == MONITOR, 30)
    status = stop_run(folder, wait=20)
    assert (status.state, status.message[:14], status.attempt) == ("stopped", "Stopped by you", 1)
    assert read_record(folder).attempts[-1].stop == PERSON
