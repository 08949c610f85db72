"""The runs of a sweep before any is begun: all combinations, checked by the config itself, under names of folders."""

import re

import pytest

from fluxgym.sweep.axis import SweepError, make_axis, read_axes
from fluxgym.sweep.grid import LONGEST_SWEEP, MOST, count_runs, name_runs, plan_sweep, with_values
from trainer.config import load_config
from trainer.folder import check_name
from trainer.mini import DEMO

BASE = load_config(DEMO)


def plan(*said, name="my-lora"):
    return plan_sweep(BASE.model_copy(update={"name": name}), read_axes(list(said)), lambda config: None)


def test_every_combination_with_its_settings():
    trials = plan("lr=1e-4,4e-4", "rank=8,16")
    assert [trial.name for trial in trials] == [
        "my-lora-lr1e-4-rank8",
        "my-lora-lr1e-4-rank16",
        "my-lora-lr4e-4-rank8",
        "my-lora-lr4e-4-rank16",
    ]
    assert [(trial.config.train.learning_rate, trial.config.lora.rank) for trial in trials] == [
        (1e-4, 8),
        (1e-4, 16),
        (4e-4, 8),
        (4e-4, 16),
    ]
    assert trials[0].chosen == {"train.learning_rate": 1e-4, "lora.rank": 8}
    same = trials[3].config.model_copy(update={"name": BASE.name, "lora": BASE.lora})
    assert same.train.learning_rate == 4e-4
    assert same.model_copy(update={"train": BASE.train}) == BASE  # nothing else is other than it was


def test_wrong_values_are_refused_by_the_config_with_the_run_that_has_them():
    with pytest.raises(SweepError) as refused:
        plan("lr=1e-4,2,x", "rank=8,1000")
    assert [problem.partition(": ")[2] for problem in refused.value.problems] == [
        "lora.rank: got 1000, expected a whole number from 1 up to 256",
        "train.learning_rate: got 2.0, expected a number above 0 and up to 1",
        "train.learning_rate: got 'x', expected a number above 0 and up to 1",
    ]
    assert refused.value.problems[0].startswith("my-lora-lr1e-4-rank1000: ")


def test_what_only_one_combination_forbids():
    with pytest.raises(SweepError, match="my-lora-optimizer-schedule_free-schedule-linear-decay0: train: got schedule linear"):
        plan("optimizer=adamw,schedule_free", "schedule=constant,linear", "decay=0")


def test_what_cannot_be_planned_is_told_once():
    def refuse(config):
        raise ValueError("got no image")

    with pytest.raises(SweepError) as refused:
        plan_sweep(BASE, read_axes(["rank=1,2,3"]), refuse)
    assert refused.value.problems == [f"{BASE.name}-rank1: got no image"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["seed=" + ",".join(map(str, range(MOST + 1)))], f"got {MOST + 1} runs, expected at most {MOST}"),
        ([f"seed={','.join(map(str, range(1000)))}", f"rank={','.join(map(str, range(1, 200)))}"], "= 199,000 runs"),
        ([], "got nothing to try"),
    ],
)
def test_bounds(said, words):
    with pytest.raises(SweepError, match=re.escape(words)):
        plan(*said)
    assert len(plan("seed=" + ",".join(map(str, range(MOST))))) == MOST


def test_hostile_names(hostile_name):
    with pytest.raises(SweepError, match="got the name"):
        plan("lr=1", name=hostile_name)


def test_long_names():
    with pytest.raises(SweepError, match=f"expected at most {LONGEST_SWEEP}"):
        plan("lr=1", name="a" * (LONGEST_SWEEP + 1))
    name = "a" * LONGEST_SWEEP
    said = ["lr=1e-4,4e-4", "rank=8,16", "dropout=0,0.1", "gradient_checkpointing=true,3", "weight_decay=0.001"]
    names = [trial.name for trial in plan(*said, name=name)]
    assert len(set(names)) == 16
    assert all(check_name(each).startswith(f"{name}-lr") for each in names)


def test_values_that_no_name_may_hold():
    given = ["a b", "a-b", "../etc", "\u202e", "a" * 100, "x.", "CON/", '"q"']
    axes = [make_axis("trigger", ",".join(repr(value) for value in given))]
    names = name_runs("s", axes)
    assert len(set(names)) == len(given)
    assert all(check_name(name).startswith("s-trigger") for name in names)


def test_numbers_that_look_alike_have_names_of_their_own():
    names = name_runs("s", read_axes(["lr=0.00012345678,0.00012345679,0.05"]))
    assert len(set(names)) == 3
    assert names[2] == "s-lr5e-2"


def test_a_name_depends_on_nothing_but_the_values():
    few, many = read_axes(["base=a/b,'x y'"]), read_axes(["base=c/b,a/b,'x y','x-y'"])
    assert set(name_runs("s", few)) < set(name_runs("s", many))


def test_count():
    assert count_runs([]) == 0
    assert count_runs(read_axes(["lr=1,2", "rank=1,2,3"])) == 6


def test_a_value_brings_what_follows_from_it():
    """As a config.toml that holds nothing but a shift."""
    assert with_values(BASE, {"train.shift": 2.0}).train.timesteps == "shift"
