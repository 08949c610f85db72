"""The look before a start as a job: what is known without a cluster. What a real one says: tests/slurm/test_before.py."""

import dataclasses
from pathlib import Path

import pytest

from fluxgym.preflight import cluster
from fluxgym.preflight.cluster import (
    ask_for_job,
    count_processes,
    find_least,
    look_at_files,
    look_at_job,
    look_at_memory,
    read_memory,
)
from fluxgym.preflight.estimate import Estimate, Way
from fluxgym.preflight.report import ERROR, FINE, WARNING
from trainer.config import Config, load_config
from trainer.mini import DEMO

GB = 2**30


def make_config(**slurm: object) -> Config:
    config = load_config(DEMO)
    return config.model_copy(update={"slurm": config.slurm.model_copy(update=slurm)})


def way(size: float, room: float | None = None) -> Way:
    return Way(round(size * GB), {}, "base in int8", round(room * GB) if room else None)


ON_A_GPU = Estimate("cuda", None, {"24": way(20, 22), "16": way(13, 14.5), "12": way(12, 11)}, 1, 1, 1e12)
ON_A_CPU = Estimate("cpu", way(3), {}, 1, 1, 1e9)


def test_where_there_is_no_slurm_it_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    (found,) = look_at_job(make_config())
    assert found.level == ERROR and "Slurm is not installed here" in found.what


def test_each_process_has_its_share_of_a_batch() -> None:
    config = make_config(nodes=2, gpus=2)
    config = config.model_copy(update={"data": config.data.model_copy(update={"batch_size": 8})})
    assert count_processes(config) == 4 and count_processes(make_config(gpus=0, nodes=3)) == 3
    question = ask_for_job(config, None)
    assert question.config.data.batch_size == 2 and question.device == "cuda" and question.free is None
    assert ask_for_job(make_config(gpus=0), None).device == "cpu"


def test_the_smallest_gpu_that_it_fits_into_is_told() -> None:
    config = make_config()
    question = ask_for_job(config, None)
    assert find_least(ON_A_GPU) == 16
    (found,) = look_at_memory(config, question, ON_A_GPU)
    assert found.level == FINE and "fits into GPUs of 16 GB and more" in found.what
    large = dataclasses.replace(ON_A_GPU, presets={"24": way(30, 22)})
    (found,) = look_at_memory(config, question, large)
    assert found.level == WARNING and "does not fit into GPUs of 24 GB" in found.what
    (found,) = look_at_memory(config, question, None)
    assert found.level == FINE and "not known" in found.what


def test_main_memory_is_compared_with_what_the_job_asks_for() -> None:
    for memory, level in (("2G", WARNING), ("2000", WARNING), ("64G", FINE), ("", FINE), ("0", FINE)):
        config = make_config(gpus=0, memory=memory)
        (found,) = look_at_memory(config, ask_for_job(config, None), ON_A_CPU)
        assert found.level == level and "needs about 3.0 GB on each node" in found.what


@pytest.mark.parametrize(("text", "size"), [("64G", 64 * GB), ("512", GB // 2), ("1t", 1024 * GB), ("", None), ("0", None)])
def test_a_memory_limit_in_bytes(text: str, size: int | None) -> None:
    assert read_memory(text) == size


def test_files_that_no_other_machine_sees_are_named(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(outputs.parent)  # the project itself may lie in /tmp
    monkeypatch.setattr(cluster, "OWN", (own,))
    (found,) = look_at_files(make_config())
    assert found.level == WARNING and found.subject == "outputs" and f"{outputs} lies in {own}" in found.what
    monkeypatch.setenv("FLUXGYM_OUTPUTS", str(Path(__file__).parent))
    assert not [*look_at_files(make_config())]
