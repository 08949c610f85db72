"""The health of real trainings that hang: seen, written, told, left again; and what the person chose is done, and announced."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from fluxgym.run import lock
from fluxgym.run.care import NONE, RESUME, STOP, TELL, Care, write_care
from fluxgym.run.guarded import Guarded
from fluxgym.run.identity import Identity
from fluxgym.run.launch import look_after, stop_run, wait_for_end
from fluxgym.run.monitor import Monitor
from fluxgym.run.record import MONITOR, PERSON, begin_attempt, read_record
from fluxgym.run.tended import Tended
from tests.fake_gpus import FakeGpus
from trainer.folder import RunFolder

HANG = ("--steps", "5000", "--pause", "0.02")


@pytest.fixture
def hang(start_small, wait_until, monkeypatch):
    """hang(care): a training that makes steps and is then suspended, as one that hangs would be."""
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.02")  # 45 s are 0.9 s

    def start(care: Care, *options: str):
        folder = start_small(*HANG, *options, care=care)
        wait_until(lambda: folder.training_log.exists() and "20/5000" in folder.training_log.read_text())
        training = read_record(folder).attempts[-1].training
        assert training.signal(signal.SIGSTOP)
        return folder, training

    return start


def health(folder):
    return read_record(folder).health


def care(when_stalled=TELL, **changes):
    return Care(when_stalled=when_stalled, place=NONE, **changes)


def test_told_only_and_well_again(hang, wait_until):
    folder, training = hang(care())
    wait_until(lambda: health(folder).verdict == "stalled")
    said = health(folder)
    assert re.match(
        r"No step for \d+ s; (?:the longest so far took \d+|until then one took about 0\.\d+) s\. Its process is suspended",
        said.reason,
    )
    assert (said.will, said.acts_at) == ("", None)
    assert abs(said.since - time.time()) < 60
    wait_until(lambda: health(folder).reason != said.reason)  # the seconds in it go on
    assert health(folder).since == said.since
    assert training.alive()
    training.signal(signal.SIGCONT)
    wait_until(lambda: health(folder).verdict == "well")
    assert health(folder).reason == ""
    assert read_record(folder).state == "running"
    wait_until(lambda: "health well, at step " in folder.monitor_log.read_text())  # the page comes first
    log = folder.monitor_log.read_text()
    assert log.count("health stalled, at step ") == 1
    assert log.count(f"stack: process {training.pid} (") == 1
    assert log.index("health stalled, at step ") < log.index("stack: process") < log.index("health well, at step ")
    assert "SIGTERM" not in log


@pytest.mark.parametrize("will", [STOP, RESUME])
def test_stopped_as_announced_with_its_state_kept(hang, wait_until, will):
    folder, training = hang(care(will, most_resumes=0))
    wait_until(lambda: health(folder).will)
    said, now = health(folder), time.time()
    assert said.will == will
    assert now < said.acts_at < now + 60
    wait_until(lambda: not training.alive())
    ended = wait_for_end(folder, 20)
    assert ended.state == "stopped"
    assert ended.resumable is not None  # it was let go on, so that it could save
    record = read_record(folder)
    assert record.attempts[0].stop == MONITOR
    assert (record.health.will, record.health.acts_at) == ("", None)
    log = folder.monitor_log.read_text()
    assert log.rindex(f"stack: process {training.pid} (") < log.index("SIGTERM to process group")  # before anything is stopped
    assert f"process {training.pid} is suspended: SIGCONT" in log


def test_a_choice_made_while_it_is_stuck_counts(hang, wait_until):
    folder, training = hang(care())
    wait_until(lambda: health(folder).verdict == "stalled")
    write_care(folder, care(STOP))
    wait_until(lambda: health(folder).will == "stop")
    write_care(folder, care())
    wait_until(lambda: health(folder).will == "")
    assert training.alive()
    write_care(folder, care(monitor=False))
    wait_until(lambda: health(folder).verdict == "well")
    assert read_record(folder).state == "running"


def test_a_person_stops_a_suspended_training(hang):
    folder, _ = hang(care(monitor=False))
    ended = stop_run(folder, wait=20)
    assert ended.state == "stopped"
    assert ended.resumable is not None
    record = read_record(folder)
    assert record.attempts[-1].stop == PERSON
    assert record.health.verdict == "well"


def test_another_supervisor_believes_the_verdict_until_it_goes_on(hang, wait_until):
    folder, training = hang(care())
    wait_until(lambda: health(folder).verdict == "stalled")
    supervisor = read_record(folder).supervisor
    supervisor.signal(signal.SIGKILL)
    wait_until(lambda: not supervisor.alive())
    look_after(folder)
    wait_until(lambda: folder.monitor_log.read_text().count("health stalled, phase") >= 3)
    assert "health well, at step" not in folder.monitor_log.read_text()
    training.signal(signal.SIGCONT)
    wait_until(lambda: health(folder).verdict == "well")


def test_evidence_has_the_gpu_of_the_run(hang, wait_until, monkeypatch, tmp_path):
    gpus = FakeGpus.make(tmp_path / "driver", "GPU-a 23900 24576 98 61 350 84 64 1:23000")
    for name, value in gpus.environment.items():
        monkeypatch.setenv(name, value)
    folder, _ = hang(care())
    wait_until(
        lambda: "gpu 0 use 98%, gpu 0 memory 23,900/24,576 MiB, gpu 0 power 61/350 W, " in folder.monitor_log.read_text()
    )
    wait_until(lambda: health(folder).reason.endswith("The GPU is busy (98 %)."))


# ---- in this process -------------------------------------------------------------------------------------------------
@pytest.fixture
def told(monkeypatch):
    """What people were told."""
    events = []
    monkeypatch.setattr("fluxgym.run.tended.tell", lambda folder, event: events.append(event))
    return events


@pytest.fixture
def tended(tmp_path, monkeypatch):
    """look(until): looks at a training, which is a process that does nothing, until its health is so; gives the record."""
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.005")
    folder = RunFolder(tmp_path)
    with lock.hold(folder.lock, 0) as held, folder.training_log.open("a") as log:
        training = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=log)
        begun = begin_attempt(folder, None, ["train"])
        record = begun.to("running", training=Identity.of(training.pid))
        run = Guarded(folder, held, Monitor(folder))
        told = Tended(run, record)

        def look(until, seconds=20):
            nonlocal record
            deadline = time.monotonic() + seconds
            while not until(record.health, told):
                assert time.monotonic() < deadline, record.health
                record = told.look(record)
                time.sleep(0.01)
            return record

        look.folder = folder
        yield look
        training.communicate(b"\n")


def test_a_loss_that_is_no_number_is_stopped_and_not_resumed(start_small, monkeypatch):
    """A person who wants to be spared a stuck night is spared this one; resumed as it was, it would only be lost again."""
    monkeypatch.setenv("FLUXGYM_STALL_FACTOR", "0.02")
    folder = start_small(*HANG, "--nan-from", "30", care=care(RESUME))
    ended = wait_for_end(folder, 20)
    assert ended.state == "stopped"
    assert re.match(r"Stopped by the monitor at step \d+ of [\d,]+: the loss is not a number since step 30\.", ended.message)
    assert [attempt.stop for attempt in read_record(folder).attempts] == [MONITOR]


def write_step(folder, step, loss="0.5"):
    with folder.training_log.open("a") as log:
        log.write(f"steps:  10%|#| {step}/4000 [00:01<00:27, 11.00it/s, loss={loss}, avr_loss={loss}, lr=2e-04]\n")


def test_people_are_told_once_of_each(tended, told):
    write_step(tended.folder, 1)
    tended(lambda health, _: health.verdict == "stalled", 60)
    for _ in range(20):
        tended(lambda health, _: True)
    write_step(tended.folder, 2)
    tended(lambda health, _: health.verdict == "well")
    write_step(tended.folder, 3, "nan")
    tended(lambda health, _: health.verdict == "nan")
    write_step(tended.folder, 4)
    tended(lambda health, _: health.verdict == "well")
    assert told == ["stalled", "recovered", "nan", "recovered"]


def test_not_told_as_well_again_because_nobody_judges_it_any_more(tended, told):
    tended(lambda health, _: health.verdict == "stalled", 60)
    write_care(tended.folder, care(monitor=False))
    tended(lambda health, _: health.verdict == "well")
    assert told == ["stalled"]


def test_a_log_that_is_replaced_makes_nothing_well(tended, told):
    write_care(tended.folder, care(STOP))
    tended(lambda health, _: health.will == STOP, 60)
    tended.folder.training_log.unlink()
    tended.folder.training_log.touch()
    record = tended(lambda health, _: health.will == "")
    assert record.health.verdict == "stalled"
    assert told == ["stalled"]


def test_a_health_that_a_full_disk_refused_is_written_later(tended, told, full_disk, capsys):
    with full_disk():
        tended(lambda health, _: health.verdict == "stalled", 60)
    assert read_record(tended.folder) is None
    tended(lambda health, _: read_record(tended.folder) is not None)
    assert health(tended.folder).verdict == "stalled"


def test_to_be_stopped_only_after_it_was_announced(tended, told):
    write_care(tended.folder, care(STOP))
    record = tended(lambda health, _: health.will == STOP, 60)
    assert record.health.acts_at > time.time() - 1
    assert "stack: process" in tended.folder.monitor_log.read_text()
    tended(lambda _, told: told.must_stop, 60)
    assert time.time() >= record.health.acts_at - 0.1


def test_when_it_will_be_stopped_is_told_rightly_however_long_a_look_takes(tended, monkeypatch):
    gather = Tended._gather
    monkeypatch.setattr(Tended, "_gather", lambda self, record: (gather(self, record), time.sleep(1)))
    write_care(tended.folder, care(STOP))
    acts = []
    record = tended(lambda health, told: acts.append(told._acts_at) or health.will == STOP, 60)
    assert record.health.acts_at - time.time() == pytest.approx(acts[-1] - time.monotonic(), abs=0.5)


def test_a_log_that_is_longer_than_can_be_read_holds_up_no_look(tmp_path):
    folder = RunFolder(tmp_path)
    folder.training_log.touch()
    os.truncate(folder.training_log, 2**32)  # a hole, which takes no room
    with lock.hold(folder.lock, 0) as held:
        record = begin_attempt(folder, None, ["train"]).to("running")
        begun = time.monotonic()
        Tended(Guarded(folder, held, Monitor(folder)), record).look(record)
        assert time.monotonic() - begun < 5
