"""One order of the runs, which does not change while nothing begins or ends."""

import os
from dataclasses import replace

from fluxgym.run.identity import Identity
from fluxgym.run.record import NAN, STALLED, Health, Verdict, read_record, write_record
from fluxgym.view.order import sort_runs

from .runs import NOW, make_run


def make_active(path, began, verdict=""):
    """A run whose training and supervisor are this very process."""
    folder = make_run(path, health=Health(verdict) if verdict else Health())
    record = read_record(folder)
    alive = Identity.of(os.getpid())
    attempt = replace(record.attempts[0], training=alive, started=NOW - began)
    write_record(folder, replace(record, supervisor=alive, attempts=[attempt]))
    return folder


def make_ended(path, ago):
    folder = make_run(path, verdict=Verdict("completed", "All is done."))
    write_record(folder, replace(read_record(folder), since=NOW - ago))
    return folder


def names():
    return tuple([folder.name for folder in folders] for folders in sort_runs())


def test_what_needs_a_person_is_first_and_what_ended_last_comes_after_it(outputs):
    make_active(outputs / "old", 900)
    make_active(outputs / "stuck", 800, STALLED)
    make_active(outputs / "new", 100)
    make_active(outputs / "no-number", 700, NAN)
    make_run(outputs / "waits", state="queued")
    first, last = make_ended(outputs / "first", 500), make_ended(outputs / "last", 400)
    expected = (["no-number", "stuck", "new", "old", "waits"], ["last", "first"])
    assert names() == expected
    for folder in (last, first):
        folder.training_log.write_text("one more line\n")  # what is written does not move it
    os.utime(first.record)
    assert names() == expected
