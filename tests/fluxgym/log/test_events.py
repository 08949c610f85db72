"""Events are plain values: equal when they say the same, never changed."""

import dataclasses

import pytest

from fluxgym.log.events import Epoch, Plan


def test_equal_and_frozen():
    assert Epoch(3, 8) == Epoch(3, 8) != Epoch(3)
    assert Plan() == Plan(total_steps=None, total_epochs=None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Epoch(3).epoch = 4
