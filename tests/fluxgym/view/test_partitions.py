"""The partitions of a cluster: what is read of sinfo, and that one that does not answer holds up nobody."""

import os
import time
from pathlib import Path

import pytest

from fluxgym.view import partitions

SAID = r"""
printf '%s\n' 'main*|up|2-00:00:00|10|gpu:a100:4(S:0-1)|mixed' 'main*|up|2-00:00:00|2|gpu:h100:2,gpu:a100:6(S:0)|drained' \
    'debug|up|30:00|1|(null)|idle' 'old|down|infinite|3|gpu:1|idle~'
"""


def have_sinfo(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """A program of that name, before any other on PATH."""
    program = folder / "sinfo"
    program.write_text(f"#!/bin/bash\n{said}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(partitions, "_asked", partitions._Asked())


def test_what_there_is_to_choose_from(tmp_path, monkeypatch):
    have_sinfo(tmp_path, monkeypatch, SAID)
    assert list(map(str, partitions.list_partitions())) == [
        "main: 12 nodes (2 not there now) with 8 GPUs each, up to 2 d",
        "debug: 1 node without GPUs, up to 30 m",
        "old: 3 nodes with 1 GPU each, closed now",
    ]
    assert [each.is_default for each in partitions.list_partitions()] == [True, False, False]


def test_a_cluster_that_does_not_answer_holds_up_nobody(tmp_path, monkeypatch):
    held = tmp_path / "held"
    os.mkfifo(held)
    have_sinfo(tmp_path, monkeypatch, f"read < {held}\n{SAID}")
    monkeypatch.setattr(partitions, "FIRST", 0.01)
    assert partitions.list_partitions() == []
    with held.open("w") as goes_on:
        goes_on.write("\n")
    deadline = time.monotonic() + 60
    while not (found := partitions.list_partitions()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(found) == 3


@pytest.mark.parametrize(
    "said", ["exit 1", "echo slurm_load_partitions: Unable to contact slurm controller >&2; exit 1", "echo x"]
)
def test_of_a_cluster_that_is_down_nothing_is_offered(tmp_path, monkeypatch, said):
    have_sinfo(tmp_path, monkeypatch, said)
    assert partitions.list_partitions() == []
