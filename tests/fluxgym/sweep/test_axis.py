"""What is tried, as people type it: short names, values of the setting's own type, lists; and what is refused."""

import pytest

from fluxgym.form.catalogue import find_setting
from fluxgym.sweep.axis import SHORT, SweepError, find_key, find_short, list_choices, make_axis, read_axes, read_axis, split


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("lr=1e-4,4e-4", "train.learning_rate", (1e-4, 4e-4)),
        ("train.learning_rate = 0.0001 , 1", "train.learning_rate", (1e-4, 1.0)),
        ("rank=8,16,", "lora.rank", (8, 16)),
        ("alpha=1", "lora.alpha", (1.0,)),
        ("epochs=1e3", "train.epochs", (1000,)),
        ("batch=1,2", "data.batch_size", (1, 2)),
        ("batch_size=4", "data.batch_size", (4,)),
        ("seed=1,2,3", "train.seed", (1, 2, 3)),
        ("guidance=1", "train.guidance", (1.0,)),
        ("sample.guidance=3.5", "sample.guidance", (3.5,)),
        ("optimizer=adamw,prodigy", "train.optimizer", ("adamw", "prodigy")),
        ("flip=true,off", "data.flip", (True, False)),
        ("compile=auto,yes,false", "speed.compile", ("auto", True, False)),
        ("gradient_checkpointing=true,1,auto", "train.gradient_checkpointing", (True, 1, "auto")),
        ("shift=auto,2", "train.shift", ("auto", 2.0)),
        ("memory.preset=24,16 GB", "memory.preset", ("24", "16")),
        ("resolution=512,[512, 768]", "data.resolution", (512, [512, 768])),
        ('targets=all,to_q,["to_q","to_k"]', "lora.targets", ("all", ["to_q"], ["to_q", "to_k"])),
        ("blocks='double 0-18, single 7',all", "lora.blocks", ("double 0-18, single 7", "all")),
        ("trigger=it's,24", "trigger", ("it's", "24")),
        ("prompts=[trigger] on a beach,'a, b'", "sample.prompts", (["[trigger] on a beach"], ["a, b"])),
    ],
)
def test_names_and_values(text, key, values):
    axis = read_axis(text)
    assert (axis.key, axis.values) == (key, values)
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr", "got 'lr', expected a setting and its values, such as lr=1e-4,4e-4"),
        ("lr=", "train.learning_rate: got no value, expected some with commas between them"),
        ("lr= , ,", "got no value"),
        ("lr=1e-4,0.0001", "train.learning_rate: got 1e-4 and 0.0001, which are the same, expected values that differ"),
        ("flip=True,off,yes", "data.flip: got True and yes, which are the same, expected values that differ"),
        ("rank=4,8,4", "lora.rank: got 4 twice, expected values that differ"),
        ("every_epochs=1", "expected one of sample.every_epochs, save.every_epochs"),
        ("lernrate=1", "which is no setting; did you mean learning_rate?"),
        ("xyzzy=1", "expected a name such as lr, rank, alpha"),
        ("=1", "got '', which is no setting"),
        ("name=a,b", "named after what is tried"),
        ("steps=100", "try epochs, or data.repeats"),
        ("resolution=[512", "data.resolution: got [512, expected a value as in TOML"),
        ("trigger='open", "trigger: got 'open, expected a value as in TOML"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(SweepError) as refused:
        read_axis(text)
    assert words in str(refused.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(SweepError) as refused:
        read_axes(["lr=1", "learning_rate=2", "bogus=1", "rank"])
    assert len(refused.value.problems) == 3
    assert "got train.learning_rate twice" in refused.value.problems[0]


def test_each_setting_has_a_short_name_that_finds_it():
    for setting in list_choices():
        assert find_key(find_short(setting.key)) == setting.key
        assert find_key(setting.key) == setting.key
    assert all(find_setting(key) for key in SHORT.values())
    names = ("train.learning_rate", "lora.rank", "train.seed", "sample.seed", "save.every_epochs")
    assert [find_short(key) for key in names] == ["lr", "rank", "seed", "sample.seed", "save.every_epochs"]


def test_values_are_shown_as_they_are_typed():
    axis = make_axis("train.learning_rate", "1e-4,0.05")
    assert str(axis) == "train.learning_rate=1e-4, 0.05"
    assert make_axis(axis.key, str(axis).partition("=")[2]) == axis


def test_split():
    assert list(split(" a,, [b, [c,d]], 'e,f' ,it's, g[1,2] ")) == ["a", "[b, [c,d]]", "'e,f'", "it's", "g[1,2]"]
    assert list(split("a], b")) == ["a]", "b"]
