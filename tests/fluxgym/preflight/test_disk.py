"""How much of the disk a training will take."""

from dataclasses import replace

import pytest

from fluxgym.preflight.disk import count_states, find_need
from fluxgym.preflight.estimate import Estimate
from trainer.plan import Plan

PLAN = Plan(3, 0, 30, 60, 4, 2)
ESTIMATE = Estimate("cpu", None, {}, lora_bytes=1000, state_bytes=6000, step_flops=1.0)


def test_what_it_is_for(make):
    config = make(**{"save.kohya": True, "sample.width": 64, "sample.height": 64})
    need = find_need(config, PLAN, [(96, 96)] * 3, 2, ESTIMATE)
    assert need.loras == 1000 * 2 * 3 and need.states == 7000 * count_states(config, PLAN)
    assert need.samples == round(64 * 64 * 1.6 * 8) and need.download == 0 and need.missing == 0
    assert need.total == need.outputs == need.loras + need.states + need.cache + need.samples


@pytest.mark.parametrize(("every", "keep", "count"), [(0, 2, 1), (1, 2, 3), (1, 0, 11), (5, 2, 3), (10, 2, 2)])
def test_states_at_once(make, every, keep, count):
    config = make(**{"save.state_every_epochs": every, "save.keep_states": keep, "train.epochs": 10})
    assert count_states(config, PLAN) == count


def test_two_disks_are_two(make):
    need = replace(find_need(make(), PLAN, [], 0, None), loras=10, states=0, cache=0, samples=0, download=100, free=20)
    assert replace(need, is_one_disk=True, free_for_download=1000).missing == 90
    assert replace(need, is_one_disk=False, free_for_download=1000).missing == 0
    assert replace(need, is_one_disk=False, free_for_download=60).missing == 40
    assert replace(need, is_one_disk=False, free=4, free_for_download=1000).missing == 6
