"""What a browser is told of a log: what is new since the last line that it has, however that came about."""

import math
from pathlib import Path

import pytest

from fluxgym.log.search import Search, Wanted
from fluxgym.view.log_news import (
    EVERYTHING,
    Asked,
    Seen,
    check_of,
    look,
    parse,
    tell,
    tell_early,
    tell_more,
    tell_near,
    tell_next,
)

LINES = [f"line {number}" for number in range(1, 11)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "training.log"
    write(path, *LINES)
    return path


def write(log: Path, *lines: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def see(log: Path, wanted: Wanted = EVERYTHING) -> Seen:
    return look(log, wanted, math.inf)


def texts(told: dict) -> list[str]:
    return [row[1] for row in told["rows"]]


def test_the_last_lines_and_then_only_what_is_new(log: Path) -> None:
    told = tell(see(log), Asked(lines=3))
    assert told["begin"]
    assert told["rows"] == [[8, "line 8", None], [9, "line 9", None], [10, "line 10", None]]
    assert (told["total"], told["size"], told["is_whole"]) == (10, log.stat().st_size, True)
    write(log, "line 11")
    news = tell(see(log), Asked(lines=3, after=10, check=told["check"]))
    assert "begin" not in news
    assert news["rows"] == [[11, "line 11", None]]
    assert tell(see(log), Asked(lines=3, after=11, check=news["check"]))["rows"] == []


@pytest.mark.parametrize(("after", "check"), [(10, 1), (9, 0), (99, 0)])
def test_who_has_another_log_begins_anew(log: Path, after: int, check: int) -> None:
    told = tell(see(log), Asked(lines=2, after=after, check=check))
    assert told["begin"]
    assert texts(told) == LINES[-2:]


def test_a_line_without_an_end_is_told_apart(log: Path) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write("half a line")
    told = tell(see(log), Asked(lines=1))
    assert (texts(told), told["rest"]) == (["line 10"], [11, "half a line", None])
    write(log, " and its end")
    news = tell(see(log), Asked(lines=1, after=10, check=told["check"]))
    assert (texts(news), news["rest"]) == (["half a line and its end"], None)


def test_levels_are_told_and_counted(log: Path) -> None:
    write(log, "2026-11-24 10:15:00 ERROR bad", "2026-11-24 10:15:01 WARNING hm", "2026-11-24 10:15:02 ERROR worse")
    told = tell(see(log), Asked(lines=3))
    assert [row[2] for row in told["rows"]] == ["error", "warning", "error"]
    assert (told["errors"], told["warnings"]) == (2, 1)
    only = tell(see(log, Wanted(level="error")), Asked(Wanted(level="error")))
    assert [row[0] for row in only["rows"]] == [11, 13]


def test_who_follows_is_sent_what_is_new(log: Path) -> None:
    before = see(log)
    write(log, "line 11", "line 12")
    told = tell_more(see(log), before, Asked())
    assert texts(told) == ["line 11", "line 12"]
    assert "begin" not in told
    assert "skipped" not in told


def test_who_is_too_slow_is_told_how_much_was_skipped(log: Path) -> None:
    search = Search(log, Wanted(), most=4)
    before = Seen(search.update(), 0, 0, True, 0, None)
    write(log, *(f"line {number}" for number in range(11, 21)))
    told = tell_more(Seen(search.update(), 0, 0, True, 0, None), before, Asked())
    assert told["skipped"] == 6
    assert texts(told) == ["line 17", "line 18", "line 19", "line 20"]


@pytest.mark.parametrize("count", [1, 10, 12])
def test_a_fresh_start_begins_anew(log: Path, count: int) -> None:
    before = see(log)
    log.unlink()
    write(log, *(f"other {number}" for number in range(count)))
    told = tell_more(see(log), before, Asked(lines=5))
    assert told["begin"]
    assert texts(told)[-1] == f"other {count - 1}"


def test_the_end_of_a_long_log_is_there_before_it_was_read(log: Path) -> None:
    early = Seen(Search(log, Wanted()).update(), 0, 0, False, 0, None)
    told = tell_early(log, early, Asked(lines=2))
    assert told["rows"] == [[0, "line 9", None], [0, "line 10", None]]
    assert told["begin"]
    for asked in (Asked(Wanted("line")), Asked(after=3, check=1)):
        assert tell_early(log, early, asked)["rows"] == []
        assert "begin" not in tell_early(log, early, asked)


def test_from_one_that_fits_to_the_next(log: Path) -> None:
    ones = Asked(Wanted("1"))  # line 1, line 10
    assert tell_next(log, ones, 0, is_back=False) == {"number": 1, "place": 1, "count": 2}
    assert tell_next(log, ones, 1, is_back=False) == {"number": 10, "place": 2, "count": 2}
    assert tell_next(log, ones, 10, is_back=False)["number"] == 1
    assert tell_next(log, ones, 10, is_back=True)["number"] == 1
    assert tell_next(log, ones, 1, is_back=True) == {"number": 10, "place": 2, "count": 2}
    assert tell_next(log, Asked(Wanted("no")), 1, is_back=True) == {"count": 0}


def test_the_lines_around_one(log: Path) -> None:
    write(log, *(f"line {number}" for number in range(11, 1001)))
    numbers = [row[0] for row in tell_near(log, 500)["rows"]]
    assert numbers == list(range(350, 651))
    assert texts(tell_near(log, 2))[:2] == ["line 1", "line 2"]


def test_what_an_address_asks_for() -> None:
    asked = parse({"text": "a b", "level": "error", "case": "1", "lines": "500", "after": "7", "check": "9"})
    assert asked == Asked(Wanted("a b", "error", True), 500, 7, 9)
    assert parse({}) == Asked()
    for query in ({"level": "no"}, {"lines": "0"}, {"lines": "5001"}, {"lines": "x"}, {"after": ""}):
        with pytest.raises(ValueError, match=r"got|invalid"):
            parse(query)


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    told = tell(see(tmp_path / "no.log"), Asked())
    assert (told["rows"], told["total"], told["age"]) == ([], 0, None)


def test_a_check_does_not_fail_on_half_a_character() -> None:
    from fluxgym.log.search import Hit

    assert check_of(Hit(1, "\ud800", None)) != check_of(Hit(1, "a", None))
