"""What a training needs, and what is chosen for a card: against FLUX.1's known sizes, without its weights."""

import dataclasses

import pytest

from tests.trainer.real_size import make_batch, make_flux1
from trainer.config import Lora
from trainer.measure import Measure, count_weights
from trainer.memory import GB, Asked, Demand, Fit, choose, describe, double_up, estimate, find_cost, step_down

SIZES = {"none": 2.0, "int8": 1.0, "fp8": 1.0, "nf4": 0.516}
ALL = 57  # blocks


@pytest.fixture(scope="module")
def flux(tmp_path_factory):
    return Measure(make_flux1(tmp_path_factory.mktemp("flux")), Lora(), 1)


@pytest.fixture
def make_demand(flux):
    def make(side=1024, images=1):
        batch = make_batch(side, side)
        sizes, tokens = count_weights(flux.twin), (side // 16) ** 2 + 512
        found = sizes.linears, 2 * sizes.others, sizes.largest, sizes.lora
        return Demand(flux.trace(batch), tokens, images, *found, copies=4.0)

    return make


def test_weights_are_those_of_flux1(make_demand):
    demand = make_demand()
    assert sum(demand.linears) + demand.others / 2 == pytest.approx(11.9014e9, rel=1e-4)
    assert demand.largest == 3072 * 6 * 3072 and demand.lora == 65_372_160  # rank 16 on all but modulation


@pytest.mark.parametrize(("kind", "most"), [("int8", 16.0), ("nf4", 10.5)])
def test_a_small_base_fits_the_small_cards(make_demand, kind, most):
    need = estimate(make_demand(1024), Fit(kind, ALL, 1, 0), SIZES[kind])
    assert need.total / GB < most
    assert need.total == need.weights + need.lora + need.activations + need.other


def test_each_way_to_need_less_does(make_demand):
    demand = make_demand(512, 4)
    need = lambda **changes: estimate(demand, dataclasses.replace(fit, **changes), SIZES[fit.quantise]).total  # noqa: E731
    fit = Fit("int8", 0, 1, 0)
    series = [need(checkpointed=count) for count in range(ALL + 1)]
    assert series[:-1] == sorted(series[:-1], reverse=True) and series[-1] < 0.5 * series[0]
    assert need(pieces=4) < need(pieces=2) < need()
    fit = Fit("int8", ALL, 1, 0)
    assert need(swapped=40) < need(swapped=10) < need()


@pytest.mark.parametrize(
    ("gigabytes", "side", "images", "expected"),
    [
        (80, 1024, 1, Fit("none", 0, 1, 0)),  # nothing is given up where there is room
        (80, 512, 4, Fit("none", 0, 1, 0)),
        (48, 512, 4, Fit("none", 0, 2, 0)),  # two pieces are faster than to compute blocks twice
    ],
)
def test_the_fastest_that_fits(make_demand, gigabytes, side, images, expected):
    assert choose(make_demand(side, images), gigabytes * GB * 0.98, Asked(), SIZES) == expected


@pytest.mark.parametrize(("gigabytes", "kinds"), [(48, {"none"}), (24, {"int8"}), (16, {"int8"}), (12, {"nf4"}), (8, {"nf4"})])
def test_what_is_chosen_fits_and_less_would_not(make_demand, gigabytes, kinds):
    demand, free = make_demand(1024), gigabytes * GB * 0.98
    fit = choose(demand, free, Asked(), SIZES)
    assert estimate(demand, fit, SIZES[fit.quantise]).total <= free and {fit.quantise} == kinds
    if fit.checkpointed and not fit.swapped:
        fewer = dataclasses.replace(fit, checkpointed=fit.checkpointed - 1)
        assert estimate(demand, fewer, SIZES[fit.quantise]).total > free
        assert find_cost(demand, fewer, 1.0) < find_cost(demand, fit, 1.0)
    assert not fit.swapped or fit.checkpointed == ALL


def test_settings_win(make_demand):
    demand = make_demand(1024)
    asked = Asked(quantise="fp8", checkpointed=5, pieces=1, swapped=0)
    assert choose(demand, 8 * GB, asked, SIZES) == Fit("fp8", 5, 1, 0)
    assert choose(demand, 80 * GB, Asked(quantise="nf4"), SIZES) == Fit("nf4", 0, 1, 0)
    assert choose(demand, 80 * GB, Asked(checkpointed=ALL), SIZES).checkpointed == ALL


def test_where_nothing_fits_the_smallest_is_tried(make_demand):
    fit = choose(make_demand(1024, 2), 1 * GB, Asked(), SIZES)
    assert fit == Fit("nf4", ALL, 2, ALL)


def test_steps_down_to_the_last_rung():
    fit, seen = Fit("int8", 10, 1, 0), []
    while fit:
        seen.append(fit)
        fit = step_down(fit, 20, 4)
    assert [(one.checkpointed, one.pieces, one.swapped) for one in seen] == [
        *[(10, 1, 0), (15, 1, 0), (20, 1, 0)],
        *[(20, 2, 0), (20, 4, 0)],
        *[(20, 4, 5), (20, 4, 10), (20, 4, 15), (20, 4, 20)],
    ]
    assert {one.quantise for one in seen} == {"int8"}  # in fewer bits the numbers would be others


def test_words():
    assert describe(Fit("none", 0, 1, 0), 57) == "base as it is, no block checkpointed"
    assert (
        describe(Fit("nf4", 57, 2, 8), 57) == "base in nf4, 57 of 57 blocks checkpointed, batch in 2 pieces, 8 blocks swapped"
    )
    assert [double_up(most) for most in (1, 2, 3, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]
