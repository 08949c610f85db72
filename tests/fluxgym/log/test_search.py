"""Search in a log: the same as a look at each line, however the log arrives and whatever is in it."""

import gzip
import random
import tracemalloc

import pytest

from fluxgym.log import search as module
from fluxgym.log.levels import level_of
from fluxgym.log.lines import show_line
from fluxgym.log.search import Hit, Search, Wanted, around, get_search

from .logs import our_step, our_steps
from .rotated import append, move, pack

PIECES = [
    *(b"steps", b"Step", b"STEPS ", b"2026-11-24 10:00:00 WARNING ", b"ERROR ", b"2026-11-24 10:00:00 ERROR ", b"\r", b"\r\n"),
    *(
        b"\n",
        b"\n",
        b"\n",
        b"\x1b[32m",
        b"\x1b[0m",
        "größe ÄÖ".encode(),
        b"\xff",
        b"<b>",
        b"x" * 2500,
        b"y" * 300,
        b" ",
        b"\r\r",
    ),
    our_step(3, 9, 1, 0.5).encode(),
    b"Traceback (most recent call last):\n",
]
ALL_WANTED = [
    *(Wanted(), Wanted("steps"), Wanted("Step", is_case_sensitive=True), Wanted(level="warning"), Wanted(level="error")),
    *(Wanted("größe"), Wanted("ÄÖ"), Wanted("äö"), Wanted("ÄÖ", is_case_sensitive=True), Wanted("step", "warning")),
    *(Wanted("<B>"), Wanted("x" * 500), Wanted("nowhere")),
]


def look_at_each(data, wanted):
    """What must be found, by looking at one line after the other."""
    rows = data.split(b"\n")
    rows = rows if rows[-1] else rows[:-1]
    hits = []
    for number, row in enumerate(rows, 1):
        text = show_line(row)
        fits = wanted.text in text if wanted.is_case_sensitive else wanted.text.lower() in text.lower()
        if fits and wanted.level in ("all", level_of(text)):
            hits.append(Hit(number, text, level_of(text)))
    return hits, len(rows)


def all_of(found):
    return found.hits + ([found.rest] if found.rest else [])


@pytest.mark.parametrize("wanted", ALL_WANTED, ids=str)
def test_the_same_as_a_look_at_each_line(tmp_path, wanted, monkeypatch):
    for seed in range(60):
        chance = random.Random(seed)
        for name, values in {"PIECE": (40, 2**17), "READ": (90, 2**20), "FEW": (1, 3, 32), "BLOCKS": (1, 3, 64)}.items():
            monkeypatch.setattr(module, name, chance.choice(values))
        pieces = PIECES if seed % 2 else [piece for piece in PIECES if not any(mark in piece for mark in module.ODD)]
        data = b"".join(chance.choices(pieces, k=chance.randint(1, 120)))
        log = tmp_path / f"{seed}" / "training.log"
        log.parent.mkdir()
        search, at, number = Search(log, wanted), 0, 0
        while at < len(data):
            length = chance.choice([1, 7, 100, 3000])
            append(log, data[at : at + length])
            at += length
            search.update()
            if chance.random() < 0.2 and data[at - 1 : at] == b"\n":
                part, number = move(log, number + 1), number + 1
                if chance.random() < 0.5:
                    pack(part)
        hits, lines = look_at_each(data, wanted)
        for found in (search.update(), Search(log, wanted).update()):
            assert (all_of(found), found.lines, found.is_whole) == (hits, lines, True), f"seed {seed}"
            assert found.count == len(found.hits)


def test_only_the_last_hits_are_kept_and_all_are_counted(tmp_path):
    log = tmp_path / "training.log"
    log.write_text(our_steps(1, 3000, 9000))
    for wanted in (Wanted(), Wanted("loss="), Wanted("LOSS="), Wanted("größe")):
        found = Search(log, wanted, most=7).update()
        expected = 0 if wanted.text == "größe" else 3000
        assert (found.count, [hit.number for hit in found.hits]) == (expected, [*range(2994, 3001)][: expected and 7])


def test_an_update_reads_only_what_is_new(tmp_path, monkeypatch):
    log = tmp_path / "training.log"
    log.write_text(our_steps(1, 500, 9000))
    search = Search(log, Wanted("loss"))
    first = search.update()
    blocks = []
    monkeypatch.setattr(search, "_search", blocks.append)
    assert search.update() is first
    append(log, b"one\ntwo")
    search.update()
    assert blocks == [b"one\n"]


def test_a_log_that_is_begun_anew_is_searched_anew(tmp_path):
    log = tmp_path / "training.log"
    log.write_text("one ERROR\ntwo\n")
    search = Search(log, Wanted("o"))
    assert search.update().count == 2
    log.write_text("one\n")
    found = search.update()
    assert (found.count, found.lines, [hit.text for hit in found.hits]) == (1, 1, ["one"])


def test_the_unfinished_line_is_no_hit_yet(tmp_path):
    log = tmp_path / "training.log"
    log.write_bytes(b"one\nsteps: 1%\rsteps: 2%")
    search = Search(log, Wanted("steps"))
    found = search.update()
    assert (found.count, found.lines, found.rest) == (0, 2, Hit(2, "steps: 2%", None))
    append(log, b"\rsteps: 3%\n")
    found = search.update()
    assert (found.hits, found.rest) == ([Hit(2, "steps: 3%", None)], None)


def test_a_line_without_end_costs_little(tmp_path):
    log = tmp_path / "training.log"
    with log.open("wb") as file:
        for _ in range(30):
            file.write(b"x" * 1_000_000)
        file.write(b" the end\nnext\n")
    search = Search(log, Wanted())
    tracemalloc.start()
    found = search.update()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
    assert [hit.text for hit in found.hits] == ["x" * 2000 + "... (+29,998,008 bytes)", "next"]


def test_utf16_is_read(tmp_path):
    log = tmp_path / "training.log"
    log.write_bytes("eins\r\nzwei größer\r\n".encode("utf-16"))
    assert Search(log, Wanted("GRÖ")).update().hits == [Hit(2, "zwei größer", None)]
    assert [hit.text for hit in around(log, 2, 1, 1)] == ["eins", "zwei größer"]


def test_an_archived_log_is_searched(tmp_path):
    (tmp_path / "training.0001.log.gz").write_bytes(gzip.compress(b"one\ntwo"))
    log = tmp_path / "training.log.gz"
    log.write_bytes(gzip.compress(b"three\n"))
    found = Search(log, Wanted("t")).update()
    assert (found.lines, [hit.text for hit in found.hits]) == (3, ["two", "three"])


def test_a_level_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="got the level 'bad', expected one of all, warning, error"):
        Wanted(level="bad")


def test_the_lines_around_one_from_any_part(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "APART", 2000)
    monkeypatch.setattr(module, "READ", 1000)
    log = tmp_path / "training.log"
    for number in range(1, 4):
        append(log, "".join(f"part {number} line {line}\n" for line in range(1000)).encode())
        part = move(log, number)
        if number == 2:
            pack(part)
    append(log, b"".join(b"the end %d\n" % line for line in range(10)) + b"open")
    expected = [line for part in (1, 2, 3) for line in (f"part {part} line {number}" for number in range(1000))]
    expected += [*(f"the end {line}" for line in range(10)), "open"]
    for number, before, after in ((1, 5, 2), (1000, 3, 3), (1733, 0, 0), (2500, 400, 700), (3011, 20, 20), (3012, 3, 9)):
        found = around(log, number, before, after)
        first = max(1, number - before)
        assert [hit.number for hit in found] == [*range(first, min(3011, number + after) + 1)]
        assert [hit.text for hit in found] == expected[first - 1 : number + after]
    assert len(get_search(log, Wanted())._marks) > 20
    assert around(log, 9000, 5, 5) == []
    assert around(tmp_path / "none.log", 1, 5, 5) == []


def test_one_search_for_all_who_want_the_same(tmp_path):
    log = tmp_path / "training.log"
    first = get_search(log, Wanted("a"))
    assert get_search(log, Wanted("a")) is first
    assert get_search(log, Wanted("b")) is not first
    for number in range(module.MOST_SEARCHES):
        get_search(log, Wanted(str(number)))
    assert get_search(log, Wanted("a")) is not first


def test_long_lines_that_fit_take_no_more_memory_than_is_shown_of_them(tmp_path):
    log = tmp_path / "training.log"
    log.write_bytes((b"a caption " * 6000 + b"\n") * 600)
    search = Search(log, Wanted("caption"))
    tracemalloc.start()
    assert search.update().count == 600
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000  # of 36
