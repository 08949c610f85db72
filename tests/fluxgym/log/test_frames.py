"""What stands before a line's text: each frame once, with its level."""

import time

import pytest

from fluxgym.log.frames import Line, split_line


@pytest.mark.parametrize(
    ("raw", "level", "text"),
    [
        ("2026-11-24 10:15:03 Epoch 1/3", None, "Epoch 1/3"),
        ("2026-11-24 10:15:03 ERROR it broke", "ERROR", "it broke"),
        ("2026-11-24T10:15:03.123456789Z it runs in a container", None, "it runs in a container"),
        ("[2024-09-15 01:12:55] [INFO] saving last state.", "INFO", "saving last state."),
        ("[2024-09-15 01:12:55] [INFO] 2024-09-15 01:12:55 WARNING  cut      a.py:9", "WARNING", "cut"),
        ("[2024-10-01 12:34:56,789] [INFO] [logging.py:96:log_dist] [Rank 0] step=7", "INFO", "step=7"),
        ("[08:10:03] [STDERR] INFO:musubi_tuner.dataset:epoch is incremented.", "INFO", "epoch is incremented."),
        ("2024-08-16 17:22:14,705 [INFO] (__main__) Training has completed.", "INFO", "Training has completed."),
        ("[RANK 0] 2025-11-30 21:54:58,657 [ERROR] it broke", "ERROR", "it broke"),
        ("08/08/2024 04:37:22 - INFO - __main__ -   Num Epochs = 300", "INFO", "  Num Epochs = 300"),
        ("[WARNING|modeling.py:410] 2024-08-20 10:00:00,123 >> it is deprecated", "WARNING", "it is deprecated"),
        ("ERROR:torch.distributed.api:failed", "ERROR", "failed"),
        ("WARNING it is full", "WARNING", "it is full"),
        ("2026-11-24 10:15:03 WARNING: it is full", "WARNING", "it is full"),
        ("2026-11-24 10:15:03,123 - WARNING - it is full", "WARNING", "it is full"),
        ("2026-11-24 10:15:03,123 - my.tool - ERROR - it broke", "ERROR", "it broke"),
        ("[WARNING] it is full", "WARNING", "it is full"),
        ("2026-11-24 10:15:03 - it is full - ", None, "- it is full - "),
        ("[rank1]: it broke", None, "it broke"),
        ("[A[Aepoch:   0%|          | 0/4 [00:00<?, ?it/s]", None, "epoch:   0%|          | 0/4 [00:00<?, ?it/s]"),
        ("INFO is a word", None, "INFO is a word"),
        ("[RANK 0] is a title", None, "[RANK 0] is a title"),
    ],
)
def test_each_frame(raw, level, text):
    line = split_line(raw)
    assert (line.level, line.text, line.goes_on) == (level, text, False)


def test_a_text_that_rich_wrapped_goes_on_in_the_next_line():
    assert split_line("2024-09-15 01:12:55 INFO     text wrapped at            train_util.py:123").is_wrapped
    assert split_line("                             80 columns") == Line("80 columns", goes_on=True)


def seconds(raw: str) -> float:
    began = time.process_time()
    split_line(raw)
    return time.process_time() - began


@pytest.mark.parametrize("gap", [" ", " \t", "\xa0"])
def test_a_gap_in_a_line_of_rich_costs_no_more_than_its_length(gap):
    short, long = (f"2024-09-15 01:12:55 INFO     wide{gap * count}!" for count in (100, 2000))
    assert split_line(long).text == f"wide{gap * 2000}!"
    assert min(seconds(long) for _ in range(5)) < 100 * max(min(seconds(short) for _ in range(5)), 1e-5)  # squared: 400 times
