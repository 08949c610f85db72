"""The line of waiting runs: who is when in turn, moving, and tickets that are deleted or left behind."""

import shutil

import pytest

from fluxgym.run.places import Holding, Place, Wish, locks_folder, locks_path
from fluxgym.run.queue import (
    FIRST,
    OwnTicket,
    Ticket,
    Turn,
    find_chances,
    find_turn,
    list_abandoned,
    move,
    read_line,
    ticket_key,
    tickets_folder,
)
from trainer.folder import RunFolder

ZERO, ONE = Place("GPU 0", "GPU-aa"), Place("GPU 1", "GPU-bb")
WISHES = {"0": Wish((ZERO,), False), "1": Wish((ONE,), False), "0,1": Wish((ZERO, ONE), False), "auto": Wish((ZERO, ONE), True)}


@pytest.fixture
def wait_in_line(outputs):
    """wait_in_line(name, wish): a run with its ticket, behind those that wait already."""
    tickets = []

    def wait(name, wish="auto", order=None, **more):
        folder = RunFolder(outputs / name)
        own = OwnTicket(folder, len(tickets) + 10 if order is None else order)
        assert own.say(Ticket(str(folder.path), WISHES[wish], **more))
        tickets.append(own)
        return folder, own

    yield wait
    for own in tickets:
        own.give_back(for_good=True)


def line():
    return [ticket.run.name for ticket in read_line()]


def chances(name, taken=()):
    key = next(ticket_key(ticket.run) for ticket in read_line() if ticket.run.name == name)
    return [place.name for place in find_chances(read_line(), key, lambda place: place not in taken)]


def test_nobody_waits(outputs):
    """Looking for them makes no folder."""
    assert find_turn(RunFolder(outputs / "a")) is None
    assert read_line() == list_abandoned() == []
    assert ZERO.is_free
    assert not locks_path().exists()


def test_in_the_order_of_coming(wait_in_line):
    wait_in_line("a", "0")
    wait_in_line("b", "0", order=5)
    folder, _ = wait_in_line("c", "0")
    assert line() == ["b", "a", "c"]
    assert find_turn(folder) == Turn(3, 3, "GPU 0", before="a")
    assert [chances(name) for name in "bac"] == [["GPU 0"], [], []]


def test_who_waits_for_another_gpu_is_in_nobodys_way(wait_in_line):
    wait_in_line("a", "1")
    folder, _ = wait_in_line("b", "0")
    assert chances("a", taken=[ONE]) == []
    assert chances("b", taken=[ONE]) == ["GPU 0"]
    assert find_turn(folder) == Turn(1, 1, "GPU 0")


def test_both_or_none_and_not_passed_by_for_ever(wait_in_line):
    wait_in_line("both", "0,1")
    wait_in_line("b", "1")
    wait_in_line("c", "auto")
    assert chances("both", taken=[ZERO]) == []
    assert chances("b", taken=[ZERO]) == []
    assert chances("c", taken=[ZERO]) == []
    assert chances("both") == ["GPU 0", "GPU 1"]


def test_any_takes_one_and_leaves_the_others(wait_in_line):
    wait_in_line("a")
    wait_in_line("b")
    wait_in_line("c", "1")
    assert chances("a") == ["GPU 0", "GPU 1"]
    assert chances("b") == ["GPU 1"]
    assert chances("c") == []
    assert chances("b", taken=[ZERO]) == []


def test_who_passes_over_a_filled_gpu_takes_the_next(wait_in_line):
    wait_in_line("a", filled=("GPU 0",), blocked_by="Another program uses 9.0 of 24.0 GiB of GPU 0.")
    folder, _ = wait_in_line("b")
    assert chances("b") == ["GPU 0"]
    assert find_turn(folder).position == 2


def test_a_pause_keeps_the_turn_and_takes_nothing(wait_in_line):
    folder, own = wait_in_line("a", is_paused=True)
    wait_in_line("b", "0")
    assert (chances("a"), chances("b")) == ([], ["GPU 0"])
    assert own.say(Ticket(str(folder.path), WISHES["auto"]))
    assert (chances("a"), chances("b")) == (["GPU 0", "GPU 1"], [])


def test_who_has_it_now_and_what_is_in_the_way(wait_in_line, outputs):
    folder, _ = wait_in_line("a", blocked_by="why")
    holding = Holding(RunFolder(outputs / "busy"))
    holding.take([ONE])
    assert find_turn(folder) == Turn(1, 1, "the first free GPU", "busy", "why")
    holding.give_back()
    assert find_turn(folder).holder == ""


def test_runs_of_the_same_name_in_two_outputs_roots(wait_in_line, tmp_path):
    wait_in_line("a")
    other = RunFolder(tmp_path / "elsewhere" / "a")
    own = OwnTicket(other, 50)
    own.say(Ticket(str(other.path), WISHES["0"]))
    assert line() == ["a", "a"]
    assert find_turn(other).position == 2
    own.give_back(for_good=True)


def test_moving(wait_in_line, outputs):
    tickets = {name: wait_in_line(name) for name in "abc"}
    assert move(RunFolder(outputs / "c"), -1)
    assert line() == ["a", "c", "b"]
    assert move(RunFolder(outputs / "a"), 1)
    assert line() == ["c", "a", "b"]
    assert move(RunFolder(outputs / "b"), FIRST)
    assert line() == ["b", "c", "a"]
    assert not move(RunFolder(outputs / "b"), -1)
    assert not move(RunFolder(outputs / "b"), FIRST)
    assert not move(RunFolder(outputs / "a"), 1)
    assert not move(RunFolder(outputs / "nobody"), -1)
    for folder, own in tickets.values():  # each still finds its own under the new name
        assert own.say(Ticket(str(folder.path), WISHES["0"]))
    assert line() == ["b", "c", "a"]
    assert [str(ticket.wish) for ticket in read_line()] == ["GPU 0"] * 3


def test_moving_past_those_that_are_in_its_way(wait_in_line):
    (first, _), _, (last, _) = [wait_in_line(name, wish) for name, wish in (("a", "0"), ("b", "1"), ("c", "0"))]
    assert (find_turn(last).position, move(last, -1), find_turn(last).position) == (2, True, 1)
    assert (find_turn(first).position, line()) == (2, ["c", "b", "a"])
    assert not move(last, FIRST)


def test_moving_those_that_came_in_the_same_instant(wait_in_line, outputs):
    for name in "abc":
        wait_in_line(name, order=7)
    first, second, _ = line()
    assert move(RunFolder(outputs / second), -1)
    assert line()[:2] == [second, first]


def test_one_that_is_left_behind_does_not_count_and_is_taken_up(wait_in_line):
    folder, own = wait_in_line("a")
    wait_in_line("b")
    own.give_back(for_good=False)  # as when its supervisor is killed
    assert line() == ["b"]
    assert list_abandoned() == [folder]
    assert find_turn(folder) is None
    heir = OwnTicket(folder, 99)
    assert heir.say(Ticket(str(folder.path), WISHES["0"]))
    assert line() == ["a", "b"]
    heir.give_back(for_good=True)
    assert line() == ["b"]
    assert list_abandoned() == []


@pytest.mark.parametrize("deleted", [tickets_folder, locks_folder])
def test_a_deleted_folder_is_made_anew(wait_in_line, deleted):
    tickets = [wait_in_line(name) for name in "ab"]
    shutil.rmtree(deleted())
    assert line() == []
    for folder, own in reversed(tickets):
        assert own.say(Ticket(str(folder.path), WISHES["0"]))
    assert line() == ["a", "b"]


def test_a_ticket_that_is_held_by_another_is_not_ours(wait_in_line):
    folder, _ = wait_in_line("a")
    late = OwnTicket(folder, 1)
    assert not late.say(Ticket(str(folder.path), WISHES["0"]))
    late.give_back(for_good=True)
    assert line() == ["a"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"folder": 3}'])
def test_what_cannot_be_read_is_not_there(wait_in_line, content):
    _, own = wait_in_line("a")
    [path] = tickets_folder().iterdir()
    path.write_text(content)
    assert read_line() == []
    own.give_back(for_good=True)
