"""The arithmetic of a training: what the plan promises is what the sampler does."""

import pytest

from trainer.config import parse_config
from trainer.data import make_sampler
from trainer.plan import Plan, is_due, make_plan


def test_the_demo(small):
    small["sample"]["every_epochs"] = 1
    plan = make_plan(parse_config(small), 12)
    assert plan == Plan(train_images=10, validation_images=2, steps_per_epoch=4, total_steps=12, sample_rounds=4, lora_files=1)


@pytest.mark.parametrize("images", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("repeats", [1, 2, 9])
def test_the_sampler_agrees(small, images, repeats):
    small["data"] |= {"repeats": repeats, "validation_images": 0}
    config = parse_config(small)
    assert make_plan(config, images).steps_per_epoch == make_sampler(config.data, images, 5, seed=1).steps_per_epoch


def test_samples_by_step_and_by_epoch_are_counted_once(small):
    small["sample"] |= {"every_epochs": 1, "every_steps": 2}
    assert make_plan(parse_config(small), 12).sample_rounds == 1 + 6  # at 0, 2, 4 ... 12
    small["sample"]["prompts"] = []
    assert make_plan(parse_config(small), 12).sample_rounds == 0


def test_nothing_left_to_learn_from(config):
    with pytest.raises(ValueError, match="got 2 images with 2 held out for validation, expected at least one"):
        make_plan(config, 2)


def test_due():
    assert [count for count in range(1, 9) if is_due(count, 3)] == [3, 6]
    assert not any(is_due(count, 0) for count in range(1, 9))
