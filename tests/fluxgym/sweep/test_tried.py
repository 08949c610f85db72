"""What is typed on the Train page for several runs: kept as typed, and what comes of it."""

import pytest

from fluxgym.form import form
from fluxgym.form.catalogue import find_setting
from fluxgym.run.care import NONE, Care
from fluxgym.run.launch import stop_run
from fluxgym.sweep.axis import make_axis
from fluxgym.sweep.begin import begin_sweep
from fluxgym.sweep.tried import (
    FIRST,
    begin_text,
    check_tried,
    find_hardest,
    list_untried,
    read_texts,
    write_texts,
)
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")
TEXTS = {"train.learning_rate": "1e-4, 4e-4", "lora.rank": " 8,16,", "trigger": "a=b, 'c, d'", "lora.alpha": ""}


def check(**texts):
    values = form.demo_values() | write_texts({key.replace("__", "."): text for key, text in texts.items()})
    return check_tried(values, form.to_config(values))


def test_what_was_typed_is_kept_with_the_form():
    values = form.default_values() | write_texts(TEXTS)
    form.write_values(form.draft(), values)
    assert read_texts(form.read_values(form.draft())) == TEXTS | {"lora.rank": "8,16,"}
    assert read_texts({form.TRIED: "train.gone=1\nlora.rank=2\n=\nx"}) == {"lora.rank": "2"}
    assert read_texts({}) == {}
    assert form.to_config(form.demo_values() | write_texts(TEXTS)) == form.to_config(form.demo_values())  # in no config.toml


def test_the_runs_that_come_of_it():
    tried = check(train__learning_rate="1e-4, 4e-4", lora__rank="8,16")
    assert [trial.name for trial in tried.trials] == [
        "demo-lr1e-4-rank8",
        "demo-lr1e-4-rank16",
        "demo-lr4e-4-rank8",
        "demo-lr4e-4-rank16",
    ]
    assert tried.can_begin
    assert tried.missing == tried.trials
    assert tried.total_steps == 1200


def test_those_that_are_begun_already():
    tried = check(lora__rank="8,16")
    folder = next(begin_sweep("demo", tried.trials, Care(place=NONE))).folder
    tried = check(lora__rank="8,16")
    assert [trial.name for trial in tried.missing] == ["demo-rank16"]
    assert tried.total_steps == 300
    stop_run(folder, 60)
    assert not check(lora__rank="8").can_begin


@pytest.mark.parametrize(
    ("texts", "wrong", "problems"),
    [
        ({"lora__rank": ""}, {"lora.rank": "got no value, expected some with commas between them, such as 16"}, []),
        ({"lora__rank": "8,8"}, {"lora.rank": "got 8 twice, expected values that differ"}, []),
        (
            {"lora__rank": "8,0", "lora__blocks": "all,nowhere"},
            {
                "lora.rank": "got 0, expected a whole number from 1 up to 256",
                "lora.blocks": "got 'nowhere', expected 'all', or kinds (double or single) with numbers, as in "
                "'double 0-18, single 7 20'",
            },
            [],
        ),
        ({"data__folder": "/none"}, {}, None),
    ],
)
def test_what_is_wrong(texts, wrong, problems):
    tried = check(**texts)
    assert not tried.can_begin
    assert tried.wrong == wrong
    assert tried.problems == problems if problems is not None else len(tried.problems) == 1


def test_what_stands_in_its_way():
    (form.draft().path.parent / "demo-rank8").mkdir()
    RunFolder(form.draft().path.parent / "demo-rank8").training_log.write_text("steps: 1")
    tried = check(lora__rank="8,16")
    assert tried.problems == ["got the name demo-rank8, which an earlier run has; choose another name for the sweep"]


def test_nothing_is_planned_while_the_form_is_wrong():
    values = form.default_values() | write_texts({"lora.rank": "8,16"})
    tried = check_tried(values, None)
    assert (tried.trials, tried.problems, tried.wrong) == ([], [], {})
    assert not tried.can_begin


def test_each_setting_begins_with_its_own_value():
    values = form.demo_values()
    for setting in list_untried({}):
        text = begin_text(setting, values)
        if text:
            (value,) = make_axis(setting.key, text).values
            assert value == values[setting.key], setting.key
    assert begin_text(find_setting("train.learning_rate"), values) == "0.002"
    assert [setting.key for setting in list_untried({"lora.rank": "8"})][:2] == ["train.learning_rate", "lora.alpha"]
    assert all(find_setting(key) for key in FIRST)


def test_the_hardest_is_the_largest():
    hardest, sizes = find_hardest(check(data__resolution="64,128", lora__rank="8,4").trials)
    assert hardest.chosen == {"data.resolution": 128, "lora.rank": 8}
    assert max(sizes) == (96, 96)  # no image is enlarged
    assert find_hardest(check(data__batch_size="3,8,4").trials)[0].chosen == {"data.batch_size": 8}
