"""A run as all its visitors see it: made once for them together, redacted, and without anything that starts or changes."""

import os
import threading
import time
from dataclasses import replace

import pytest

from fluxgym.run.family import find_family
from fluxgym.run.identity import Identity
from fluxgym.run.record import read_record, write_record
from fluxgym.view import visitor_look
from fluxgym.view.visitor_look import list_files, look_at, read_lines, read_settings
from tests.small_training import write_lora

from .runs import GONE, make_run, step_lines

TOKEN = "hf_" + "aB3" * 12


@pytest.fixture
def folder(outputs, monkeypatch):
    """A run under way whose supervisor is gone, with all that a visitor may be shown."""
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    log = step_lines(1, 120, 200) + f"loading /home/alice/models/flux.safetensors with {TOKEN}\n"
    made = make_run(outputs / "robot", log, supervisor=GONE)
    record = read_record(made)
    write_record(made, replace(record, attempts=[replace(record.attempts[0], training=Identity.of(os.getpid()))]))
    made.config.write_text(f'name = "robot"\ntoken = "{TOKEN}"\n[data]\nfolder = "/home/alice/cats"\n')
    return made


def stamps(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder.path, *folder.path.rglob("*")]}


def test_looking_sends_no_supervisor_and_writes_nothing(folder):
    before = stamps(folder)
    seen = look_at(folder)
    assert seen.status.needs_supervisor, "the owner's page would send one"
    assert (seen.summary.label, seen.history.step) == ("Running", 120)
    read_lines(folder), read_settings(folder), list_files(folder)
    assert stamps(folder) == before
    assert read_record(folder).supervisor == GONE
    assert list(find_family(folder)) == []


def test_the_last_lines_and_the_settings_are_redacted(folder):
    lines, settings = read_lines(folder), read_settings(folder)
    assert len(lines) == visitor_look.LINES
    assert "steps:" in lines[0]
    assert "flux.safetensors" in lines[-1], "a line stays readable"
    assert 'name = "robot"' in settings
    for told in ("\n".join(lines), settings):
        assert TOKEN not in told
        assert "alice" not in told
        assert "cats" not in told


def test_no_link_leads_out_of_the_folder(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    for path in (folder.config, folder.training_log):
        path.unlink()
        path.symlink_to(secret)
    assert (read_settings(folder), read_lines(folder)) == ("", [])


def test_what_a_job_asked_of_a_cluster_is_not_shown(folder):
    job = '[slurm]\npartition = "gpu"\naccount = "secret-project"\nlines = [\n    "export KEY=abc",\n    "[ -d x ]",\n]\n'
    folder.config.write_text(f'name = "robot"\n\n[log]\nrotate_mb = 1.0\n\n{job}\n[save]\nkohya = true\n')
    settings = read_settings(folder)
    assert settings == 'name = "robot"\n\n[log]\nrotate_mb = 1.0\n\n[save]\nkohya = true\n'
    folder.config.write_text('slurm = {account = "secret-project"}\nname = "robot"\n')
    assert read_settings(folder) == 'name = "robot"\n'


def test_a_run_without_settings(folder):
    folder.config.unlink()
    assert read_settings(folder) == ""


def test_only_files_that_are_whole_are_listed(folder):
    write_lora(folder.epoch_lora(2))
    folder.epoch_lora(4).write_bytes(b"half")
    assert [entry.place for entry in list_files(folder)] == ["robot-000002.safetensors"]


def test_for_a_moment_all_share_one_look(folder, monkeypatch):
    monkeypatch.setattr(visitor_look, "LASTS", 60.0)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(look_at(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in seen}) == 1
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)
    other = make_run(folder.path.with_name("other"), step_lines(1, 20, 100))
    assert look_at(other).history.step == 20, "each run has its own"


def test_then_it_is_made_anew(folder, wait_until, monkeypatch):
    monkeypatch.setattr(visitor_look, "LASTS", 0.05)
    first = look_at(folder)
    assert wait_until(lambda: look_at(folder) is not first)


def test_what_cannot_be_made_is_tried_again(folder):
    folder.training_log.unlink()
    folder.training_log.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="not a file"):
            read_lines(folder)


def test_least_used_looks_are_forgotten(folder, monkeypatch):
    monkeypatch.setattr(visitor_look, "MOST_KEPT", 2)
    for path in ("a", "b", "c"):
        visitor_look._kept.get(("look", folder.path / path), time.time)
    assert len(visitor_look._kept._answers) == 2
