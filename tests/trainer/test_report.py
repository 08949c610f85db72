"""The lines of the training log, as its readers rely on them."""

import os
import re
import subprocess
import sys

import pytest

from trainer import report


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    monkeypatch.setattr(report, "_silent", False)


def said(capfd):
    lines = capfd.readouterr().out.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    return [line[20:] for line in lines]


def test_levels_and_long_errors_on_one_line(capfd):
    report.say("Training finished")
    report.warn("careful")
    report.error("the data set x cannot be used:\n  a.png: bad\n  b.png: worse")
    report.say_at_once("Stopping")
    assert said(capfd) == [
        "Training finished",
        "WARNING careful",
        "ERROR the data set x cannot be used: a.png: bad; b.png: worse",
        "Stopping",
    ]


def test_one_process_speaks(capfd, monkeypatch):
    report.silence()
    report.say("x")
    report.say_at_once("x")
    assert said(capfd) == []


def test_a_download_is_told_now_and_then_and_only_while_bytes_come(capfd, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    bar = report.make_download_bar("owner/model")
    came, written, files = bar(total=0, unit="B"), bar(total=0, unit="B"), bar(total=7)
    came.total = written.total = 23_800 * 2**20
    for second, (in_all, on_disk) in enumerate(
        [(1000, 900), (2000, 1900), (9000, 8900), (9000, 9000), (9000, 9000), (9500, 9000)]
    ):
        now[0] = 3.0 * second
        for one, mebibytes in ((came, in_all), (written, on_disk), (files, second / 2**20)):
            one.n = mebibytes * 2**20
            one.refresh()
    now[0] = 16.0
    came.n = came.total
    for one in (files, came, written, came):
        one.close()
    out, err = capfd.readouterr()
    assert err == "" and [line[20:] for line in out.splitlines()] == [
        "Downloading owner/model: 1,000 of 23,800 MiB",
        "Downloading owner/model: 9,000 of 23,800 MiB",
        "Downloading owner/model: 9,500 of 23,800 MiB",
        "Downloading owner/model: 23,800 of 23,800 MiB",
    ]


def test_a_step_in_the_shape_of_tqdm(capfd):
    lines = report.StepLines(300)
    lines.seconds_per_step, lines.last = 0.5, report.time.monotonic() - 0.5
    lines.say(150, 0.98341, 0.9, 2e-4)
    (line,) = said(capfd)
    pattern = r"steps:  50%\|█████     \| 150/300 \[00:00<01:15,  2\.00it/s, loss=0\.9834, avr_loss=0\.9000, lr=2e-04\]"
    assert re.fullmatch(pattern, line)


def test_pauses_stay_out_of_the_rate(monkeypatch):
    clock = iter([0.0, 10.0, 12.0, 100.0, 104.0])
    monkeypatch.setattr(report.time, "monotonic", lambda: next(clock))
    lines = report.StepLines(10)
    for step in (1, 2):
        lines.go_on()
        lines.say(step, 1.0, 1.0, 1e-4)
    assert lines.seconds_per_step == pytest.approx(2 + 0.1 * (4 - 2))


@pytest.mark.parametrize(
    ("number", "text"), [(2e-4, "2e-04"), (1.85e-4, "1.85e-04"), (0.001, "1e-03"), (0.0, "0e+00"), (1, "1e+00")]
)
def test_short_numbers(number, text):
    assert report.short(number) == text


def test_counting_says_the_first_and_the_last_and_not_each(capfd):
    assert list(report.count("Caching latents", list(range(200)))) == list(range(200))
    lines = said(capfd)
    assert lines[-1] == "Caching latents: 200/200" and len(lines) < 10


def test_lines_are_flushed_and_utf8_whatever_the_locale():
    script = "from trainer import report; report.quiet_libraries(); report.say('█'); import os; os._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )
    assert done.stdout.decode().endswith(" █\n")


def test_the_libraries_tell_nobody_what_is_done_here() -> None:
    script = "from trainer import report; report.quiet_libraries(); from huggingface_hub import constants; "
    script += "print(constants.HF_HUB_DISABLE_TELEMETRY)"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run([sys.executable, "-c", script], env=bare, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "True"


def test_speed_is_told_after_ten_steps_and_then_every_so_many_without_the_first_two(capfd):
    lines = report.SpeedLines(25, 989.4e12, lambda: 31.2 * 2**30)
    for step in range(1, 51):
        lines.note(60.0 if step <= 2 else 0.412, lambda: report.Work(4096, 171.1e12))
    assert said(capfd) == ["Speed: 0.412 s/it, 9,942 tokens/s, 415 TFLOP/s, MFU 42 %, peak memory 31.2 GB"] * 3


def test_speed_of_a_device_that_nobody_knows_has_no_mfu(capfd):
    lines = report.SpeedLines(10, None, lambda: 2**29)
    for _ in range(10):
        lines.note(12.5, lambda: report.Work(1024, 45.5e9))
    assert said(capfd) == ["Speed: 12.5 s/it, 81.9 tokens/s, 0.00364 TFLOP/s, peak memory 0.5 GB"]


def test_speed_is_not_told_where_nobody_asks_and_is_no_step_to_a_reader(capfd):
    from fluxgym.log.dialects import read_text
    from fluxgym.log.frames import split_line

    quiet, loud = report.SpeedLines(0, None, float), report.SpeedLines(10, 1e12, float)
    for _ in range(10):
        quiet.note(1.0, report.Work)
    assert said(capfd) == []
    for _ in range(10):
        loud.note(1.0, report.Work)
    (line,) = capfd.readouterr().out.splitlines()
    assert read_text(split_line(line).text) is None
