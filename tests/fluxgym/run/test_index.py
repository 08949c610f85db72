"""What is known of many folders: read once, and never believed where it may be wrong."""

import json
import os
import threading
import time
from dataclasses import replace

import pytest

from fluxgym.access.links import make_link, revoke_all
from fluxgym.run.identity import Identity
from fluxgym.run.index import AT_ONCE, ENDED, FEW, FOREIGN, KEPT, RECENT, Index, do_all, list_recent, list_shared
from fluxgym.run.record import begin_attempt, read_record, write_record
from tests.benchmarks.many_folders import KINDS, make_folder, make_folders
from tests.files_read import files_read
from trainer.folder import RunFolder

FOREIGN_RUNS = KINDS.count("foreign")


def make_old(root, count):
    """Runs of which nothing is new, nor of their root."""
    folders = make_folders(root, count)
    os.utime(root, (time.time() - 3600,) * 2)
    return folders


def names(index, **how):
    runs = index.look(**how)
    return [known.name for known in runs.open], [known.name for known in runs.ended]


def begin(folder):
    """Another attempt of a run that ended, whose training and supervisor are this process."""
    begun = begin_attempt(folder, read_record(folder), ["python"])
    write_record(folder, replace(begun, supervisor=Identity.of(os.getpid())))


def test_all_are_there_the_last_first(outputs):
    folders = make_old(outputs, 24)
    (outputs / "pictures").mkdir()
    (outputs / "a-file").touch()
    (outputs / ".hidden").mkdir()
    assert names(Index(outputs)) == ([], [folder.name for folder in reversed(folders)])
    kinds = [known.state or known.kind for known in Index(outputs).look().ended]
    assert [kinds.count(kind) for kind in ("completed", "failed", FOREIGN)] == [14, 4, 2 * FOREIGN_RUNS]


@pytest.mark.parametrize("count", [12, 240])
def test_a_look_reads_no_run_again_and_a_glance_only_what_is_under_way(outputs, count):
    folders = make_old(outputs, count)
    begin(folders[0])
    os.utime(outputs, (time.time() - 3600,) * 2)
    index = Index(outputs)
    assert len(files_read(outputs, index.look)) > count
    for glance in (False, True, True):
        read = files_read(outputs, lambda glance=glance: index.look(glance))
        assert {*read} == {str(outputs), str(folders[0].record)}
    assert names(index)[0] == [folders[0].name]


def test_the_next_process_reads_no_run_either(outputs):
    make_old(outputs, 60)
    first = Index(outputs)
    first.look()
    assert not (outputs / KEPT).exists()
    first.save(is_last=True)
    second = Index(outputs)
    assert {*files_read(outputs, second.look)} == {str(outputs), str(outputs / KEPT)}
    assert names(second) == names(first) == names(Index(outputs))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: "{",
        lambda said: "[]",
        lambda said: json.dumps(said | {"version": 0}),
        lambda said: json.dumps(said | {"program": 1}),
        lambda said: json.dumps(said | {"runs": {"a": [1]}}),
        lambda said: json.dumps(said | {"runs": {"../a": said["runs"].popitem()[1]}}),
        lambda said: json.dumps(
            said | {"runs": {name: [*each[:2], 5.0, [1, 2], *each[4:]] for name, each in said["runs"].items()}}
        ),
    ],
    ids=["cut", "no-object", "version", "program", "entry", "name", "stamps"],
)
def test_an_index_that_is_damaged_or_of_another_program_is_made_anew(outputs, spoil):
    make_old(outputs, 60)
    index = Index(outputs)
    expected = names(index)
    index.save(is_last=True)
    (outputs / KEPT).write_text(spoil(json.loads((outputs / KEPT).read_text())))
    assert names(Index(outputs)) == expected


def test_whoever_starts_a_run_again_is_seen_at_the_next_glance(outputs):
    folders = make_old(outputs, 24)
    index = Index(outputs)
    index.look()
    begin(folders[0])
    assert names(index, glance=True)[0] == [folders[0].name]
    write_record(folders[0], replace(read_record(folders[0]), state="running"))
    os.utime(outputs, (time.time() - 3600,) * 2)
    index.look()
    verdict = read_record(folders[0]).attempts[0].verdict
    write_record(folders[0], read_record(folders[0]).to(verdict.state, verdict=verdict))
    assert names(index, glance=True) == ([], [folder.name for folder in [folders[0], *reversed(folders[1:])]])


def test_a_record_that_is_replaced_twice_at_once_is_read_twice(outputs):
    """The folder's time may be the same after the second one; it is not trusted while it is new."""
    folder, *_ = make_old(outputs, 3)
    record, index = read_record(folder), Index(outputs)
    for since in (1000.0, 2000.0, 3000.0):
        write_record(folder, replace(record, since=since))
        os.utime(folder.path, (time.time() - RECENT / 2,) * 2)
        os.utime(outputs, (time.time() - 3600,) * 2)
        index.look()
        assert index.find(folder.name).ended == since


def test_a_record_that_is_replaced_while_it_is_read_is_read_again(outputs, monkeypatch):
    folder, *_ = make_old(outputs, 1)
    write_record(folder, replace(read_record(folder), since=1000.0))
    there, index = folder.path.stat(), Index(outputs)

    def read(folder):
        record = read_record(folder)
        write_record(folder, replace(record, since=2000.0))
        os.utime(folder.path, ns=(there.st_mtime_ns,) * 2)  # as when both happen within the resolution of its clock
        return record

    with monkeypatch.context() as patch:
        patch.setattr("fluxgym.run.index.read_record", read)
        index.look()
    assert index.look().ended[0].ended == 2000.0


def test_folders_that_come_and_go(outputs):
    folders = make_old(outputs, 12)
    index = Index(outputs)
    index.look()
    folders[3].path.rename(outputs / "renamed")
    new = make_folder(outputs, 100, time.time())
    found = names(index, glance=True)[1]
    assert found[0] == new.name
    assert {"renamed"} == {*found} - {folder.name for folder in [*folders, new]}
    assert folders[3].name not in found
    outputs.rename(outputs.with_name("away"))
    assert names(index) == ([], [])
    outputs.with_name("away").rename(outputs)
    assert names(index)[1] == found


def test_a_log_of_another_tool_that_grows_is_newer(outputs):
    folders = make_old(outputs, 24)
    foreign = folders[KINDS.index("foreign")]
    index = Index(outputs)
    assert index.look().ended[0].name == folders[-1].name
    index.keep(index.find(folders[0].name), {"label": "as it was"})
    index.keep(index.find(foreign.name), {"label": "as it was"})
    os.utime(foreign.training_log)
    assert index.look().ended[0].name == foreign.name
    assert index.find(foreign.name).told is None
    assert index.find(folders[0].name).told == {"label": "as it was"}


def test_where_a_run_begins_no_log_of_another_tool_is_asked_for(outputs, monkeypatch):
    """There may be hundreds; a minute later they are."""
    folders = make_old(outputs, 24)
    foreign = folders[KINDS.index("foreign")]
    index = Index(outputs)
    index.look()
    os.utime(foreign.training_log)
    begin(folders[0])
    assert names(index, glance=True) == ([folders[0].name], [folder.name for folder in reversed(folders[1:])])
    monkeypatch.setattr("fluxgym.run.index.AGAIN", 0.0)
    assert names(index, glance=True)[1][0] == foreign.name


def test_what_is_made_of_a_run_is_kept_until_something_in_its_folder_comes_or_goes(outputs):
    folders = make_old(outputs, 60)
    index = Index(outputs)
    for known in index.look().ended:
        index.keep(known, {"label": known.name})
    index.save(is_last=True)
    folders[0].lora.unlink()
    next_process = Index(outputs)
    next_process.look()
    told = {folder.name: next_process.find(folder.name).told for folder in folders}
    assert told == {folder.name: {"label": folder.name} for folder in folders} | {folders[0].name: None}


def test_outputs_that_cannot_be_written_are_known_in_memory(outputs):
    make_old(outputs, 60)
    (outputs / ".index").touch()  # in place of the folder; root may write anywhere else
    index = Index(outputs)
    index.look()
    index.save(is_last=True)
    assert len(names(index)[1]) == 60
    assert len(files_read(outputs, index.look)) == 1


def test_of_two_that_write_it_one_wins(outputs):
    make_old(outputs, 60)
    indexes = [Index(outputs), Index(outputs)]
    expected = names(indexes[0])

    def write(index):
        for _ in range(20):
            for known in index.look().ended:
                index.keep(known, {"label": known.name * 20})
            index.save(is_last=True)

    writers = [threading.Thread(target=write, args=[index]) for index in indexes]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if (outputs / KEPT).exists():
            assert len(json.loads((outputs / KEPT).read_text())["runs"]) == 60
    assert names(Index(outputs)) == expected
    assert [path.name for path in (outputs / KEPT).parent.iterdir()] == [KEPT.rpartition("/")[2]]


def test_those_for_which_links_were_made(outputs):
    folders = make_old(outputs, 12)
    (outputs / "no-run").mkdir()
    os.utime(outputs, (time.time() - 3600,) * 2)
    assert list_shared() == []
    for folder in (folders[3], RunFolder(outputs / "no-run")):
        make_link(folder)
        assert folder in list_shared()
        os.utime(outputs, (time.time() - 3600,) * 2)
        assert folder in list_shared()
    revoke_all(folders[3])
    assert list_shared() == [RunFolder(outputs / "no-run")]


def test_the_most_recent_are_those_under_way_and_the_last_that_ended(outputs):
    folders = make_old(outputs, 24)
    begin(folders[5])
    assert list_recent(3) == [folders[5], folders[23], folders[22]]
    assert list_recent(100) == [folders[5], *reversed(folders[6:]), *reversed(folders[:5])]


def test_files_that_make_us_wait_are_asked_many_at_once():
    threads = set()

    def ask(number):
        threads.add(threading.get_ident())
        time.sleep(0.002)
        return number

    numbers = list(range(FEW + 5 * AT_ONCE + 3))
    assert do_all(ask, numbers) == numbers
    assert len(threads) > 1
    threads.clear()
    assert do_all(lambda number: threads.add(threading.get_ident()), numbers) == [None] * len(numbers)
    assert len(threads) == 1


def test_a_run_without_a_record_counts_as_under_way_while_somebody_holds_its_lock(outputs):
    from fluxgym.run import lock

    folder = make_old(outputs, 1)[0]
    folder.record.unlink()
    index = Index(outputs)
    with lock.hold(folder.lock, 1):
        assert names(index) == ([folder.name], [])
    assert names(index) == ([], [folder.name])
    assert index.find(folder.name).kind == FOREIGN != ENDED
