"""A history read from a file: however the bytes arrive, the same comes out; nothing in a file can break it."""

import random
import threading
import time

import pytest

from fluxgym.log import history as module
from fluxgym.log.curve import FARTHEST
from fluxgym.log.history import History, get_history

from .logs import FLUXGYM, KOHYA, OURS, our_step, our_steps, regular_steps, stamp
from .rotated import append, move, pack

LONG = regular_steps(1, 2500, 0, 0.7) + f"{stamp(9)} Epoch 2/3\n" + regular_steps(2501, 2600, 1800, 0.7)
ODD = (
    "\x1b[32m"
    + our_step(3, 9, 1, 0.5).rstrip()
    + "\x1b[0m\n"
    + our_step(4, 9, 2, 0.5).rstrip()
    + " and more\n"
    + "y" * 9000
    + "\n"
    + our_step(5, 9, 3, float("nan"))
    + our_step(6, 9, 3, 0.4).replace("/9 ", "/8 ")
    + our_step(5, 9, 4, 0.3) * 2
)
STATE = [
    *("step", "total_steps", "epoch", "total_epochs", "phase", "phase_detail", "loss", "avr_loss", "lr", "steps"),
    *("validation", "epochs", "points", "checkpoints", "samples", "attempts", "finished", "failure", "warnings", "errors"),
    *("seconds_per_step", "eta_seconds"),
]


def state(history):
    said = {name: getattr(history, name) for name in STATE}
    curve = history.curve
    marks = vars(history.marks).values()
    numbers = [repr(list(values)) for values in (curve.losses, curve.times, curve.breaks, *marks)]  # repr: nan equals nan
    return said, numbers, history.epoch_means(), (curve.end, curve.rewinds, curve.attempt_seconds, curve.attempt_steps)


def read_at_once(path, data):
    path.write_bytes(data)
    history = History(path)
    history.update()
    return state(history)


@pytest.mark.parametrize("log", [OURS, KOHYA, FLUXGYM, LONG, ODD], ids=["ours", "kohya", "fluxgym", "long", "odd"])
def test_any_cut_gives_the_same(tmp_path, log):
    data = log.encode()
    expected = read_at_once(tmp_path / "whole.log", data)
    for seed in range(12):
        chance = random.Random(seed)
        most = chance.choice([7, 300, 5000] if len(data) < 50_000 else [900, 20_000, 100_000])
        path = tmp_path / f"{seed}.log"
        history = History(path)
        with path.open("ab", buffering=0) as file:
            at = 0
            while at < len(data):
                length = chance.randint(1, most)
                file.write(data[at : at + length])
                at += length
                history.update()
        assert state(history) == expected, f"seed {seed}"


@pytest.mark.parametrize("log", [OURS, KOHYA, FLUXGYM, LONG, ODD], ids=["ours", "kohya", "fluxgym", "long", "odd"])
@pytest.mark.parametrize("keep_curve", [True, False])
def test_any_cut_into_parts_gives_the_same(tmp_path, log, keep_curve):
    """The log is moved away at any end of a line, packed or not, while somebody reads who sleeps now and then."""
    data = log.encode()
    whole = tmp_path / "whole.log"
    whole.write_bytes(data)
    expected = History(whole, keep_curve)
    expected.update()
    for seed in range(8):
        chance, number = random.Random(seed), 0
        path = tmp_path / str(seed) / "training.log"
        path.parent.mkdir()
        history, rows = History(path, keep_curve), data.splitlines(keepends=True)
        while rows:
            count = chance.randint(1, max(2, len(data) // 1500))
            append(path, b"".join(rows[:count]))
            rows = rows[count:]
            if chance.random() < 0.7:
                history.update()
            if chance.random() < 0.3 and path.read_bytes().endswith(b"\n"):
                number += 1
                part = move(path, number)
                if chance.random() < 0.5:
                    pack(part)
        late = History(path, keep_curve)
        for each in (history, late):
            each.update()
            if keep_curve:
                assert state(each) == state(expected), f"seed {seed}"
            assert [getattr(each, name) for name in STATE if name not in ("steps", "points")] == [
                getattr(expected, name) for name in STATE if name not in ("steps", "points")
            ]
            assert (each.lines, each.size) == (log.count("\n") + (not log.endswith("\n")), len(data))


def test_a_move_is_no_other_log_and_a_fresh_start_is(tmp_path):
    path = tmp_path / "training.log"
    append(path, our_steps(1, 50, 90).encode())
    history = History(path)
    history.update()
    pack(move(path, 1))
    history.update()
    assert (history.points, history.last_line_age_seconds) == (50, None)
    append(path, f"=== Log part 2, goes on from logs/training.0001.log ===\n{our_steps(51, 60, 90)}".encode())
    history.update()
    assert (history.points, len(history.attempts), history.lines) == (60, 1, 61)
    (tmp_path / "logs" / "training.0001.log.gz").unlink()
    path.write_text(our_steps(1, 20, 30))
    history.update()
    assert (history.points, history.total_steps, history.lines) == (20, 30, 20)


@pytest.mark.parametrize("log", [OURS, KOHYA, LONG, ODD], ids=["ours", "kohya", "long", "odd"])
def test_runs_give_the_same_as_single_lines(tmp_path, log, monkeypatch):
    by_runs = read_at_once(tmp_path / "a.log", log.encode())
    monkeypatch.setattr(module, "read_run", lambda *_: None)
    assert read_at_once(tmp_path / "a.log", log.encode()) == by_runs


def test_damaged_logs_by_runs_and_by_lines(tmp_path, monkeypatch):
    """Bytes changed at random in a long run must read the same in both ways."""
    lines = regular_steps(1000, 1400, 0, 0.7).encode()
    by_runs = []
    for seed in range(60):
        chance, data = random.Random(seed), bytearray(lines)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.choice(b"0123456789:.,|] \n\r\x1b-na/_\xff")
        by_runs.append((bytes(data), read_at_once(tmp_path / "a.log", bytes(data))))
    monkeypatch.setattr(module, "read_run", lambda *_: None)
    for data, expected in by_runs:
        assert read_at_once(tmp_path / "a.log", data) == expected


def test_any_bytes_are_survived(tmp_path):
    words = [
        *(line.encode() + b"\n" for line in (OURS + KOHYA).split("\n")),
        b"\r",
        b"\x1b[",
        b"\xff\xfe\x00",
        b"]",
        b"nan",
        b"9" * 40,
    ]
    for seed in range(150):
        chance = random.Random(seed)
        parts = [chance.choice(words) if chance.random() < 0.8 else chance.randbytes(chance.randint(0, 50)) for _ in range(60)]
        data = b"".join(part[: chance.randint(0, len(part))] if chance.random() < 0.2 else part for part in parts)
        path = tmp_path / f"{seed}.log"
        expected = read_at_once(path, data)
        path.unlink()
        history = History(path)
        for at in range(0, len(data), 97):
            with path.open("ab") as file:
                file.write(data[at : at + 97])
            history.update()
        assert state(history) == expected, f"seed {seed}"
        assert list(history.steps) == sorted(set(history.steps))


def test_a_line_without_end_costs_little(tmp_path):
    path = tmp_path / "a.log"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"steps: 12%|" + b"x" * 2_000_000)
        file.write(b"\n" + our_step(3, 9, 1, 0.5).encode())
    history = History(path)
    begin = time.process_time()
    history.update()
    assert (history.step, history.points) == (3, 1)
    assert time.process_time() - begin < 5
    assert len(history._carry) <= module.LIMIT


def test_a_file_that_shrinks_or_is_replaced_is_read_anew(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(our_steps(1, 50, 90))
    history = History(path)
    history.update()
    version = history.version
    path.write_text(our_steps(1, 20, 30))
    history.update()
    assert (history.points, history.total_steps, history.step) == (20, 30, 20)
    assert history.version > version
    path.unlink()
    history.update()
    assert (history.points, history.last_line_age_seconds) == (20, None)


def test_an_update_reads_only_what_is_new(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(our_steps(1, 20_000, 90_000))
    history = History(path)
    history.update()
    version, begin = history.version, time.process_time()
    for _ in range(100):
        history.update()
    assert time.process_time() - begin < 0.1
    assert history.version == version
    with path.open("a") as file:
        file.write(our_step(20_001, 90_000, 9999, 0.5))
    history.update()
    assert (history.version, history.step) == (version + 1, 20_001)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("log", [OURS, KOHYA, LONG], ids=["ours", "kohya", "long"])
def test_a_log_that_powershell_wrote(tmp_path, encoding, log):
    assert read_at_once(tmp_path / "a.log", log.encode(encoding)) == read_at_once(tmp_path / "b.log", log.encode())


def test_without_its_curve_a_history_stays_small_and_says_the_same_of_the_moment(tmp_path):
    path = tmp_path / "a.log"
    small, whole = History(path, keep_curve=False), History(path)
    texts = [regular_steps(1000, 3999, 0, 0.4), f"{stamp(1300)} Saving LoRA: a\n", regular_steps(4000, 8999, 1310, 0.5)]
    texts += [our_steps(500, 900, 9000, 5000, 2), regular_steps(1000, 4000, 6000, 0.3), "torch.OutOfMemoryError: CUDA out\n"]
    said = ("step", "phase_detail", "loss", "attempts", "failure", "seconds_per_step", "eta_seconds", "checkpoints")
    for text in texts:
        for at in range(0, len(text), 30_000):
            with path.open("a") as file:
                file.write(text[at : at + 30_000])
            small.update()
            whole.update()
            assert [getattr(small, name) for name in said] == [getattr(whole, name) for name in said]
            assert len(small.steps) <= 2 * FARTHEST
    assert len(whole.steps) > 8 * FARTHEST


def test_many_may_look_at_once(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(our_steps(1, 3000, 9000))
    history = get_history(path)
    threads = [threading.Thread(target=history.update) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert history.points == 3000
    assert get_history(path) is history


def test_histories_that_nobody_looks_at_are_forgotten(tmp_path):
    first = get_history(tmp_path / "first.log")
    for number in range(module.MOST_HISTORIES):
        get_history(tmp_path / f"{number}.log")
    assert get_history(tmp_path / "first.log") is not first


def test_an_update_that_may_not_take_long_goes_on_where_it_was(tmp_path):
    path = tmp_path / "training.log"
    path.write_text(our_step(1, 9, 1, 0.5) + ("y" * 99 + "\n") * 60_000 + our_step(2, 9, 2, 0.5))
    history = History(path)
    history.update(seconds=0)
    assert history.step == 1
    history.update()
    assert history.step == 2


def test_the_curve_of_a_log_that_is_gone_is_forgotten_by_all(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(our_steps(1, 50, 90))
    get_history(path).update()
    assert get_history(path).points == 50
    (tmp_path / "logs").mkdir()
    path.rename(tmp_path / "logs" / "a.0001.log")  # moved at its size limit
    assert get_history(path).points == 50
    (tmp_path / "logs" / "a.0001.log").unlink()
    assert (get_history(path).points, get_history(path).step) == (0, None)
