"""Links: only hashes on disk, changes from many processes, damage, and a book that is never older than the file."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from fluxgym.access import links
from fluxgym.access.links import Book, Link, ShareError, list_links, make_link, note_visit, revoke, revoke_all
from fluxgym.run.opened import remember
from trainer.folder import RunFolder


@pytest.fixture
def folder(outputs) -> RunFolder:
    made = RunFolder(outputs / "robot")
    made.path.mkdir()
    return made


def test_a_token_is_256_bits_and_never_on_disk(folder):
    tokens = {make_link(folder)[1] for _ in range(20)}
    assert len(tokens) == 20 and {len(token) for token in tokens} == {43}
    text = folder.share.read_text()
    assert not any(token in text for token in tokens)


def test_a_link_is_found_by_its_token_and_by_nothing_else(folder):
    link, token = make_link(folder, 1, "  for\nAnna ", {"samples"})
    assert (link.label, link.parts) == ("for Anna", {"samples"})

    async def ask() -> None:
        book = Book()
        assert await book.find(token) == link
        for wrong in (token[:-1], token + "x", token.swapcase(), link.id, link.digest, "", "\udcff"):
            assert await book.find(wrong) is None

    asyncio.run(ask())


def test_expired_links_open_nothing_and_go_with_the_next_one(folder):
    link, token = make_link(folder, 1e-9)
    lasting, _ = make_link(folder, None)
    assert link.expires is not None and lasting.expires is None
    assert asyncio.run(Book().find(token)) is None
    assert list_links(folder) == [lasting]


def test_a_copy_of_a_run_has_no_links(folder, outputs):
    """Else a link would lead to the copy, or nowhere once that is gone."""
    link, token = make_link(folder)
    copy = RunFolder(outputs / "copy")
    shutil.copytree(folder.path, copy.path)

    async def ask() -> None:
        book = Book()
        assert await book.find(token) == link
        assert list_links(copy) == []
        make_link(copy)
        assert await book.find("unknown") is None  # it has looked into both
        shutil.rmtree(copy.path)
        assert await book.find("unknown") is None
        assert await book.find(token) == link

    asyncio.run(ask())


@pytest.mark.parametrize("days", [0, -1, float("nan"), 1e9])
def test_days_that_are_none(folder, days):
    with pytest.raises(ShareError, match="expected more than 0"):
        make_link(folder, days)


def test_parts_that_are_none(folder):
    with pytest.raises(ShareError, match="got the parts everything, expected of log, samples, settings, checkpoints"):
        make_link(folder, parts={"everything", "log"})


def test_revoked_links_are_unknown_at_once_also_to_a_book_that_had_them(folder):
    (one, first), (_, second) = make_link(folder), make_link(folder)

    async def ask() -> None:
        book = Book()
        assert await book.find(first) and await book.find(second)
        revoke(folder, one.id)
        assert await book.find(first) is None and book.get(one.digest) is None
        assert await book.find(second)
        assert revoke_all(folder) == 1
        assert await book.find(second) is None

    asyncio.run(ask())
    with pytest.raises(ShareError, match="it has none"):
        revoke(folder, one.id)


def test_a_link_made_by_another_process_is_found(folder):
    async def ask() -> None:
        book = Book()
        assert await book.find("unknown") is None
        script = (
            "import sys; from pathlib import Path; from trainer.folder import RunFolder; from fluxgym.access import links\n"
            "print(links.make_link(RunFolder(Path(sys.argv[1])))[1])"
        )
        done = subprocess.run([sys.executable, "-c", script, str(folder.path)], capture_output=True, text=True, check=True)
        assert await book.find(done.stdout.strip())

    asyncio.run(ask())


def test_changes_from_many_processes_are_all_kept(folder):
    """A lost update could bring a revoked link back."""
    keep, _ = make_link(folder)
    script = (
        "import sys; from pathlib import Path; from trainer.folder import RunFolder; from fluxgym.access import links\n"
        "folder = RunFolder(Path(sys.argv[1]))\n"
        "for _ in range(10):\n"
        "    made, _ = links.make_link(folder)\n"
        "    links.note_visit(next(l for l in links.list_links(folder) if l.id == sys.argv[2]), True)\n"
        "    links.revoke(folder, made.id)"
    )
    several = [subprocess.Popen([sys.executable, "-c", script, str(folder.path), keep.id]) for _ in range(4)]
    assert [each.wait() for each in several] == [0] * 4
    (left,) = list_links(folder)
    assert (left.id, left.views) == (keep.id, 40)


def test_visits_are_counted_and_never_make_a_link(folder, full_disk):
    link, _ = make_link(folder)
    note_visit(link, True)
    note_visit(link, False)
    (seen,) = list_links(folder)
    assert seen.views == 1 and seen.seen and time.time() - seen.seen < 60
    with full_disk():
        note_visit(link, True)
    assert list_links(folder)[0].views == 1
    revoke(folder, link.id)
    note_visit(link, True)
    assert list_links(folder) == []


ENDLESS = '{"id": "a", "digest": "b", "label": "", "created": 0, "expires": null, "parts": [], "views": Infinity}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"version": 2, "links": []}', '{"version": 1, "run": "robot", "links": [{}]}', "[" * 99999),
        f'{{"version": 1, "run": "robot", "links": [{ENDLESS}]}}',
    ],
)
def test_a_damaged_file_opens_nothing_and_is_kept_until_all_are_revoked(folder, text):
    _, token = make_link(folder)
    folder.share.write_text(text)
    assert asyncio.run(Book().find(token)) is None
    for change in (lambda: make_link(folder), lambda: list_links(folder), lambda: revoke(folder, "x")):
        with pytest.raises(ShareError, match="revoke all"):
            change()
    assert folder.share.read_text() == text
    assert revoke_all(folder) == 0
    make_link(folder)


def test_a_part_of_a_later_version_shows_nothing(folder):
    make_link(folder)
    said = json.loads(folder.share.read_text())
    said["links"][0]["parts"] = ["log", "everything"]
    folder.share.write_text(json.dumps(said))
    assert list_links(folder)[0].parts == {"log"}


def test_a_run_has_so_many_links_and_no_more(folder, monkeypatch):
    monkeypatch.setattr(links, "MOST_LINKS", 2)
    make_link(folder)
    make_link(folder)
    with pytest.raises(ShareError, match="has 2 links already"):
        make_link(folder)


def test_links_of_an_opened_folder_lie_beside_its_notes(outputs, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    opened = remember(outputs / ".opened", other, None)
    _, token = make_link(opened)
    assert list(other.iterdir()) == []
    found = asyncio.run(Book().find(token))
    assert found and found.folder.path == other


def test_many_wrong_tokens_share_one_look(folder, monkeypatch):
    _, token = make_link(folder)
    looks = 0

    def count() -> list[RunFolder]:
        nonlocal looks
        looks += 1
        return [folder]

    monkeypatch.setattr(links, "list_shared", count)

    async def ask() -> None:
        book = Book()
        found = await asyncio.gather(*(book.find(f"wrong-{number}") for number in range(500)), book.find(token))
        assert found[:-1] == [None] * 500 and found[-1]

    asyncio.run(ask())
    assert looks <= 2


def test_threads_that_read_many_runs_at_once_lose_no_link(outputs):
    folders = [RunFolder(outputs / f"run-{number}") for number in range(16)]
    for folder in folders:
        folder.path.mkdir()
        make_link(folder, None)

    class Slow(dict[str, Link]):
        def items(self) -> Any:
            seen = list(super().items())
            time.sleep(0.005)  # what another thread did meanwhile must not be undone
            return seen

    book = Book()
    book._links = Slow()
    threads = [threading.Thread(target=book._read, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(book.get(link.digest) for folder in folders for link in list_links(folder))
