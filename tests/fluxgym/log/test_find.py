"""The log of a training in folders as tools leave them."""

import os

import pytest

from fluxgym.log import find
from fluxgym.log.find import find_log

from .test_tools import log_of

STEPS = "\rsteps:  50%|##### | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.5]"


def write(path, text, age=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_the_newest_of_those_that_tell_of_steps(tmp_path):
    for age, name in ((30, "log.txt"), (20, "train.log"), (10, "run 7.log"), (5, "nohup.out"), (2, "slurm-77.out")):
        log = write(tmp_path / name, STEPS, age)
        assert find_log(tmp_path) == log
    write(tmp_path / "install.log", "Successfully installed torch\n")
    write(tmp_path / "monitor.log", STEPS)
    write(tmp_path / "a.txt", STEPS)  # a caption
    assert find_log(tmp_path) == log
    assert find_log(write(tmp_path / "training.log", "").parent).name == "training.log"


def test_a_training_is_found_by_what_its_log_says(tmp_path):
    debug = write(tmp_path / "debug.log", "[RANK 0] 2025-11-30 21:54:58,657 [INFO] (Trainer) Loading our accelerator...\n")
    assert find_log(tmp_path) == debug
    told = write(tmp_path / "early.log", "[2024-09-15 01:12:55] [INFO] running training\n", age=9)
    assert find_log(tmp_path) == told
    stdout = write(tmp_path / "trainer_1" / "stdout.log", log_of("SimpleTuner").read_bytes(), age=99)
    assert find_log(tmp_path) == stdout


def test_it_may_lie_deeper_but_the_nearest_counts(tmp_path):
    deep = write(tmp_path / "job" / "logs" / "0_log.txt", log_of("ai-toolkit").read_bytes())
    assert find_log(tmp_path) == deep
    near = write(tmp_path / "job" / "log.txt", log_of("ai-toolkit").read_bytes(), age=99)
    assert find_log(tmp_path) == near
    assert find_log(tmp_path / "job") == near


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_in_any_encoding(tmp_path, encoding):
    write(tmp_path / "a.log", "nothing of a training\n")
    text = "Fetching \n" * 60_000 + STEPS  # it tells of steps at its end only
    assert find_log(write(tmp_path / "run" / "b.log", text.encode(encoding)).parent.parent).name == "b.log"


def test_where_there_is_none(tmp_path):
    write(tmp_path / "deeper" / "install.log", "Successfully installed torch\n")
    write(tmp_path / ".hidden" / "train.log", STEPS)
    write(tmp_path / "a" / "b" / "c" / "d" / "train.log", STEPS)
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round").symlink_to(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected a log in it: training\.log, train\.log, log\.txt or another"):
        find_log(tmp_path)
    with pytest.raises(FileNotFoundError):
        find_log(tmp_path / "none")


def test_a_large_data_set_beside_it_costs_a_bounded_look(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "MOST_ENTRIES", 50)
    log = write(tmp_path / "train.log", STEPS)
    for number in range(100):
        write(tmp_path / "data" / f"{number:03}.txt", "a cat")
    write(tmp_path / "zzz" / "other.log", STEPS)
    assert find_log(tmp_path) == log
    assert [path for _, path in find._walk(tmp_path)] == [log]
