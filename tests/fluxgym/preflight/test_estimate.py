"""The trainer's estimate, asked for by a page: begun once, kept, and asked again when something that matters changes."""

from dataclasses import replace

import pytest

from fluxgym.job.folder import find_job, list_jobs
from fluxgym.preflight.estimate import (
    KIND,
    ask,
    begin_estimate,
    find_room,
    find_trouble,
    get_estimate,
    read_estimate,
    read_host_memory,
)
from fluxgym.run import lock
from fluxgym.run.gpu import Gpu
from fluxgym.run.places import Place

GB = 2**30


def test_it_is_counted_once_and_kept(make):
    question = ask(make(), gpus=[])
    assert read_estimate(question) is None
    estimate = get_estimate(question, 120)
    assert estimate.device == "cpu" and 0 < estimate.chosen.bytes < 4 * GB and find_room(question, estimate.chosen)
    assert estimate.lora_bytes > 0 and estimate.step_flops > 1e9
    begin_estimate(question)
    assert len(list_jobs(KIND)) == 1
    assert read_estimate(ask(make(**{"train.epochs": 3, "name": "other"}), gpus=[])) == estimate, "neither matters"
    assert read_estimate(ask(make(**{"lora.rank": 3}), gpus=[])) is None


def test_a_base_that_is_not_here_is_estimated_by_what_is_known_of_it(make, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    config = make(**{"model.base": "black-forest-labs/FLUX.1-dev", "model.dtype": "auto", "data.resolution": 512})
    gpu = Gpu(0, "uuid", memory_used=GB, memory_total=24 * GB)
    question = ask(config, (512, 512), [gpu])
    assert (question.device, question.free) == ("cuda", 23 * GB)
    estimate = get_estimate(question, 120)
    assert estimate.chosen.bytes <= estimate.chosen.room == find_room(question, estimate.chosen) == 23 * GB
    assert set(estimate.presets) == {"24", "16", "12", "8"}


def test_one_that_nobody_knows_says_so_and_is_not_tried_again(make, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    question = ask(make(**{"model.base": "somebody/flux"}), gpus=[])
    assert get_estimate(question, 120) is None
    assert "is not on this machine yet" in find_trouble(question)


def test_a_damaged_answer_is_none(make):
    question = ask(make(), gpus=[])
    job = find_job(KIND, question.key)
    job.path.mkdir(parents=True)
    assert read_estimate(question) is None and find_trouble(question) == ""


@pytest.mark.parametrize("change", [{"size": (64, 64)}, {"device": "cuda"}, {"free": GB}])
def test_each_of_these_is_another_question(make, change):
    question = ask(make(), gpus=[])
    assert replace(question, **change).key != question.key


def test_a_preset_does_not_depend_on_what_is_free(make):
    gpus = [Gpu(0, "uuid", memory_used=GB, memory_total=24 * GB)]
    assert ask(make(**{"memory.preset": "16", "model.device": "auto"}), gpus=gpus).free is None
    assert ask(make(**{"model.device": "cpu"}), gpus=gpus).device == "cpu"


def test_memory_that_a_run_has_now_will_be_free_when_its_turn_comes(make):
    gpu = Gpu(0, "uuid", memory_used=20 * GB, memory_total=24 * GB)
    config = make(**{"model.device": "auto"})
    assert ask(config, gpus=[gpu]).free == 4 * GB, "another program has it"
    with lock.hold(Place("GPU 0", "uuid").lock, 0):
        assert ask(config, gpus=[gpu]).free == 24 * GB


def test_what_the_host_has_left(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 2000 kB\nMemAvailable: 1000 kB\n")
    assert read_host_memory(tmp_path / "meminfo") == 1000 * 1024
    assert read_host_memory(tmp_path / "none") is None
