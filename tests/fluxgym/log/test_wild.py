"""Logs as they are found: cut, wrapped, re-encoded, glued together, crashed after their last words. All dialects.

What a log does not say stays unknown: no step, loss or end is read from a damaged log that is not in the whole one."""

import math
import random
import re

import pytest

from fluxgym.log.history import History
from fluxgym.view.summary import proven_state

from .logs import FLUXGYM, KOHYA, OURS
from .test_history import state
from .test_tools import TOOLS, log_of

LOGS = {"ours": OURS.encode(), "kohya": KOHYA.encode(), "fluxgym": FLUXGYM.encode()}
LOGS |= {tool: log_of(tool).read_bytes() for tool in TOOLS}
GONE_ON = b"Continuing training from backup"
CRASH = "\nTraceback (most recent call last):\n  File 'train.py', line 3\nmypkg.OddError: it broke\n"
every_log = pytest.mark.parametrize("name", LOGS)


@pytest.fixture
def read(tmp_path):
    def read(data):
        (tmp_path / "a.log").write_bytes(data)
        history = History(tmp_path / "a.log")
        history.update()
        return history

    return read


def curve_of(history):
    return dict(zip(history.steps, map(repr, history.losses), strict=True))  # repr: nan equals nan


def essence(history):
    """What a reader must get from a log in whatever clothes."""
    where = (history.step, history.total_steps, history.epoch, history.total_epochs, history.epochs, history.attempts)
    return where, curve_of(history), history.finished, history.failure


@every_log
def test_any_cut_into_appends_gives_the_same(tmp_path, read, name):
    data, expected = LOGS[name], state(read(LOGS[name]))
    for seed in range(8):
        chance = random.Random(seed)
        most = chance.choice([3, 40, 300, 5000])
        history = History(tmp_path / f"{seed}.log")
        with history.path.open("ab", buffering=0) as file:
            at = 0
            while at < len(data):
                length = chance.randint(1, most)
                file.write(data[at : at + length])
                at += length
                history.update()
        assert state(history) == expected, f"seed {seed}"


def mangle(data):
    """UTF-8 that was taken for cp1252 and written again."""
    return data.decode("cp1252", "replace").encode()


def strip_marks(data):
    """A console that knows no blocks."""
    return data.decode().encode("ascii", "replace")


CLOTHES = {
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-8 with its mark": lambda data: data.decode().encode("utf-8-sig"),
    "mangled": mangle,
    "mangled twice": lambda data: mangle(mangle(data)),
    "ASCII": strip_marks,
    "lines of Windows": lambda data: data.replace(b"\n", b"\r\n"),
    "only carriage returns": lambda data: data.replace(b"\n", b"\r"),
    "no carriage returns": lambda data: data.replace(b"\r", b"\n"),
    "lines erased by a terminal": lambda data: data.replace(b"\r", b"\r\x1b[2K").replace(b"]", b"]\x1b[K"),
    "colours": lambda data: re.sub(rb"[^\r\n]+", lambda line: b"\x1b[1;36m" + line[0] + b"\x1b[0m", data),
    "a cursor's remains": lambda data: data.replace(b"\r", b"\r[A"),
    "blanks at both ends": lambda data: re.sub(rb"([^\r\n]+)", rb"\1      ", data.replace(b"\r", b"\r  ")),
    "an end without a newline": bytes.rstrip,
}


@every_log
@pytest.mark.parametrize("clothes", CLOTHES)
def test_the_same_in_other_clothes(read, name, clothes):
    assert essence(read(CLOTHES[clothes](LOGS[name]))) == essence(read(LOGS[name]))


@pytest.mark.parametrize("name", [name for name in LOGS if name != "fluxgym"])  # its launcher marks each line anew
@pytest.mark.parametrize("columns", [80, 100, 120])
def test_the_same_where_a_terminal_wrapped_it(read, name, columns):
    wrapped = "".join(wrap(piece, columns) for piece in re.split(r"([\r\n])", LOGS[name].decode()))
    said, whole = read(wrapped.encode()), read(LOGS[name])
    assert curve_of(said) == curve_of(whole)
    assert (said.step, said.total_steps, said.attempts) == (whole.step, whole.total_steps, whole.attempts)
    assert said.finished <= whole.finished  # its last line may be broken in what stands behind the text


def wrap(line, columns):
    return "\n".join(line[at : at + columns] for at in range(0, len(line), columns)) if len(line) > columns else line


@every_log
@pytest.mark.parametrize("side", ["head", "tail"])
def test_a_log_that_was_cut_claims_nothing_that_the_whole_one_does_not_say(read, name, side):
    data, whole = LOGS[name], read(LOGS[name])
    expected = curve_of(whole)
    for cut in random.Random(name).sample(range(1, len(data)), 60):
        if side == "head" and GONE_ON in data and data.index(GONE_ON) < cut < data.index(b"epoch: ", data.index(GONE_ON)):
            continue  # only this line says from where OneTrainer goes on
        said = read(data[cut:] if side == "head" else data[:cut])
        wrong = {step for step, loss in curve_of(said).items() if loss not in (expected.get(step), "nan")}
        # A later bar would have told the last step's loss, or an earlier one the first's: those that draw one twice.
        assert wrong <= {(said.steps or [None])[-1 if side == "tail" else 0]}, f"cut at {cut}"
        assert said.total_steps in (None, whole.total_steps), f"cut at {cut}"
        assert said.total_epochs in (None, whole.total_epochs), f"cut at {cut}"
        if side == "tail":
            assert said.finished <= (whole.finished and len(data[cut:].strip()) < 900), f"cut at {cut}"
        else:
            assert (said.finished <= whole.finished, said.failure) == (True, None), f"cut at {cut}"


@every_log
def test_a_crash_after_the_last_words_is_a_failure(read, name):
    said = read(LOGS[name] + CRASH.encode())
    assert (said.finished, said.failure.kind, said.failure.message) == (False, "other", "mypkg.OddError: it broke")
    assert proven_state(said) == "failed"


@every_log
@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "oom"),
        ("train.sh: line 3:  4242 Killed                  python train.py", "killed"),
        ("OSError: [Errno 28] No space left on device", "no_space"),
        ("KeyboardInterrupt", "stopped"),
    ],
)
def test_a_failure_in_the_midst_is_known_until_it_goes_on(read, name, last, kind):
    data = LOGS[name]
    at = data.index(b"\n", data.rindex(b"loss", 0, len(data) * 2 // 3))
    assert read(data[:at] + f"\n{last}\n".encode()).failure.kind == kind
    assert read(data[:at] + f"\n{last}".encode()).failure.kind == kind  # its last line may lack its end
    gone_on = read(data[:at] + f"\n{last}\n".encode() + data[at:])
    assert (gone_on.failure, gone_on.finished) == (None, read(data).finished)


@every_log
@pytest.mark.parametrize("after", LOGS)
def test_logs_of_two_tools_in_one_file_end_as_the_last_one_does(read, name, after):
    said, last = read(LOGS[name] + b"\n" + LOGS[after]), read(LOGS[after])
    assert (said.step, said.total_steps, said.loss) == (last.step, last.total_steps, last.loss)
    assert (said.finished, said.failure, said.phase) == (last.finished, last.failure, last.phase)
    assert len(said.attempts) == len(read(LOGS[name]).attempts) + len(last.attempts)
    assert {step: loss for step, loss in curve_of(said).items() if step in curve_of(last)} == curve_of(last)


def test_bytes_of_all_tools_shaken_together_are_survived(read):
    pieces = [piece for data in LOGS.values() for piece in re.split(rb"(?<=[\r\n\]|%:])", data)]
    for seed in range(60):
        chance = random.Random(seed)
        said = read(b"".join(chance.choice(pieces) for _ in range(400)))
        assert list(said.steps) == sorted(set(said.steps)), f"seed {seed}"
        assert all(step > 0 for step in said.steps) and not any(map(math.isinf, said.losses)), f"seed {seed}"
        assert proven_state(said) in (None, "completed", "failed", "stopped"), f"seed {seed}"
