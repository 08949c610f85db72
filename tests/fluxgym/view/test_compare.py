"""What is told of runs side by side: where their settings differ, their numbers, their pictures of one prompt and seed."""

from pathlib import Path

import pytest

from fluxgym.log.history import History
from fluxgym.view.compare import (
    NOT_SET,
    UNKNOWN,
    find_differences,
    list_moments,
    list_numbers,
    match_samples,
    tell_measure,
    tell_value,
)
from fluxgym.view.known_settings import METADATA, OURS, Known
from fluxgym.view.sample_names import Column
from fluxgym.view.samples import grid
from fluxgym.view.summary import summarise
from trainer.folder import RunFolder

from .runs import RUNNING, overfitting, step_lines


def told(*known: Known) -> dict[str, list[str]]:
    return {each.name: each.values for each in find_differences(known)}


def test_what_a_job_asked_for_is_no_difference() -> None:
    assert told(Known(OURS, {"slurm.partition": "gpu", "lora.rank": 8}), Known(OURS, {"lora.rank": 8})) == {}


def test_only_what_differs_is_told_in_the_order_of_our_sections() -> None:
    one = Known(OURS, {"train.seed": 1, "lora.rank": 16, "model.base": "a", "other": True, "sample.seed": 1})
    two = Known(OURS, {"train.seed": 2, "lora.rank": 16, "model.base": "b", "other": False, "sample.seed": 2})
    assert told(one, two) == {
        "model.base": ["a", "b"],
        "train.seed": ["1", "2"],
        "other": ["yes", "no"],
        "sample.seed": ["1", "2"],
    }
    assert told(one, one) == {}


def test_what_one_tool_alone_knows_is_unknown_of_the_other_and_no_difference() -> None:
    ours, theirs = Known(OURS, {"lora.rank": 16, "lora.targets": "all"}), Known(METADATA, {"lora.rank": 4, "ss_lowram": False})
    assert told(ours, theirs) == {"lora.rank": ["16", "4"]}
    assert told(ours, theirs, Known(OURS, {"lora.targets": "attention"}))["lora.targets"] == ["all", UNKNOWN, "attention"]
    assert told(ours, Known()) == {}


def test_what_only_one_of_our_runs_says_is_not_set_in_the_other() -> None:
    one, two = Known(OURS, {"data.regularisation": "/x"}), Known(OURS, {"data.resolution": 512})
    assert told(one, two) == {"data.regularisation": ["/x", NOT_SET], "data.resolution": [NOT_SET, "512"]}


def test_the_same_number_is_the_same_whichever_tool_wrote_it() -> None:
    one = Known(OURS, {"lora.alpha": 16, "train.learning_rate": 1e-4, "sample.prompts": ["a", "b"]})
    two = Known(METADATA, {"lora.alpha": 16.0, "train.learning_rate": 0.0001})
    assert told(one, two) == {}
    assert tell_value("x", 12000) == "12,000"
    assert tell_value("x", ["a", "b"]) == "a; b"
    assert len(tell_value("x", "y" * 9999)) < 200


def test_a_list_of_lists_is_told_in_short() -> None:
    deep = [1]
    for _ in range(40):
        deep = [deep, deep]  # as YAML can say it in as many lines
    assert tell_value("x", [512, deep]) == "512; ..."


def test_losses_that_measure_something_else_are_told() -> None:
    one, two = Known(OURS, {"data.resolution": 512}), Known(OURS, {"data.resolution": 768})
    assert "differ in data.resolution" in tell_measure([one, two], find_differences([one, two]))
    assert tell_measure([one, one], []) == ""
    assert "Different tools" in tell_measure([one, Known(METADATA, {"ss_x": 1})], [])
    assert tell_measure([one, Known()], []) == "", "of a run that says nothing, nothing is claimed"


def make_run(path: Path, log: str) -> tuple[History, RunFolder]:
    folder = RunFolder(path)
    path.mkdir()
    folder.training_log.write_text(log)
    history = History(folder.training_log)
    history.update()
    return history, folder


@pytest.mark.parametrize("is_one_measure", [True, False])
def test_the_best_validation_loss_is_named_only_where_all_measure_the_same(tmp_path: Path, is_one_measure: bool) -> None:
    runs = [
        make_run(tmp_path / "a", overfitting(4, 2, [])),
        make_run(tmp_path / "b", overfitting(6, 4, []).replace("0.5", "0.4")),
    ]
    runs.append(make_run(tmp_path / "c", ""))
    numbers = list_numbers([(history, summarise(folder, RUNNING, history)) for history, folder in runs], is_one_measure)
    assert [each.name for each in numbers] == ["State", "Progress", "Loss, epoch mean", "Lowest validation", "Pace"]
    lowest = next(each for each in numbers if each.name == "Lowest validation")
    assert lowest.values == ["0.5000 after epoch 2", "0.4000 after epoch 4", UNKNOWN]
    assert lowest.best == (1 if is_one_measure else None)


def test_the_base_model_at_step_0_is_no_result(tmp_path: Path) -> None:
    history, folder = make_run(tmp_path / "a", overfitting(4, 2, []))
    history.validation[:0] = [(0, 0.1)]
    told = list_numbers([(history, summarise(folder, RUNNING, history))], True)
    assert told[3].values == ["0.5000 after epoch 2"]


def test_a_log_without_means_tells_another_loss(tmp_path: Path) -> None:
    log = step_lines(1, 9, 9, loss=0.5)
    runs = [make_run(tmp_path / "a", log), make_run(tmp_path / "b", log.replace("avr_loss=0.5000, ", ""))]
    numbers = list_numbers([(history, summarise(folder, RUNNING, history)) for history, folder in runs], True)
    assert numbers[2].name == "Loss, epoch mean or last step"


def draw(folder: RunFolder, *names: str, prompts: str = '["a robot", "a moon"]', seed: int = 42) -> None:
    folder.samples.mkdir(parents=True)
    folder.config.write_text(f"[sample]\nprompts = {prompts}\nseed = {seed}\n")
    for name in names:
        (folder.samples / f"x_{name}.png").write_bytes(b"picture")


def test_pictures_of_the_same_prompt_and_seed_lie_in_one_row(tmp_path: Path) -> None:
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    draw(one, "e000000_00_20260101000000_42", "e000004_00_20260101000004_42", "e000004_01_20260101000004_43")
    draw(two, "e000003_01_20260101000003_42", "e000006_01_20260101000006_42", prompts='["a tree", "a robot"]', seed=41)
    grids = [grid(one), grid(two)]
    assert [moment.label for moment in list_moments(grids)] == ["base model", "epoch 3", "epoch 4", "epoch 6"]
    [row], others = match_samples(grids, None)
    assert (row.prompt, row.seed, others) == ("a robot", 42, 2)
    assert [picture and picture.column.label for picture in row.pictures] == ["epoch 4", "epoch 6"]
    [row], _ = match_samples(grids, Column(5))
    assert [picture and picture.column.label for picture in row.pictures] == ["epoch 4", "epoch 3"], "the last before it"
    [row], _ = match_samples(grids, Column(0))
    assert [picture and picture.column.label for picture in row.pictures] == ["base model", None]


def test_another_seed_is_another_picture(tmp_path: Path) -> None:
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    draw(one, "e000004_00_20260101000004_42")
    draw(two, "e000004_00_20260101000004_7", seed=7)
    rows, others = match_samples([grid(one), grid(two)], None)
    assert (rows, others) == ([], 4)


def test_steps_and_epochs_are_no_common_measure(tmp_path: Path) -> None:
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    draw(one, "e000004_00_20260101000004_42")
    draw(two, "000003_00_20260101000004_42")
    [row, _], _ = match_samples([grid(one), grid(two)], Column(4))
    assert [picture and picture.column.label for picture in row.pictures] == ["epoch 4", None]
