"""Allocation: prices of widths against real cuts, and the path that curves lead to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.channels.cost import cost
from engine.channels.groups import Channels
from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.events import SensitivityMeasured
from engine.search.allocation import Curve, WidthCost, allocate, convex, curves_of, narrower
from tests.engine.random_nets import Net, nets
from tests.engine.sketch import Sketch

relaxed = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def sketch() -> tuple[Sketch, int]:
    """Three convolutions of 16, 32 and 32 channels, the last two on few pixels, a classifier."""
    net = Sketch()
    x = net.input(16, 16, 3)
    for filters, stride in ((16, 1), (32, 8), (32, 1)):
        x = net.layer(
            "Conv2D", x, filters=filters, kernel_size=[3, 3], strides=[stride, stride],
            padding="same",
        )  # fmt: skip
    return net, net.layer("Dense", net.layer("GlobalAveragePooling2D", x), units=10)


def chain() -> Channels:
    """The channel groups of that net."""
    net, head = sketch()
    return trace(net.graph([head]))


def straight(group: str, width: int, cost_of_all: float) -> Curve:
    """A group whose loss rises with the logarithm of what is taken."""
    kept = (width, width // 2, width // 4)
    return Curve(group=group, kept=kept, losses=(0.0, cost_of_all / 2, cost_of_all))


@relaxed
@given(nets)
def test_that_the_price_of_the_whole_net_is_its_cost(net: Net) -> None:
    whole = cost(net.graph)
    params, macs = WidthCost(trace(net.graph))({})
    assert (params, macs) == (whole.params, pytest.approx(whole.macs))


@given(keep=st.floats(0.1, 1.0), seed=st.integers(0, 99))
@settings(relaxed, max_examples=30)
def test_that_the_price_of_widths_is_what_the_cut_model_costs(keep: float, seed: int) -> None:
    net, head = sketch()
    graph = net.graph([head])
    channels = trace(graph)
    plan = plan_uniform(channels, score("random", graph, net.weights, channels, seed=seed), keep)
    made = cost(cut(graph, net.weights, channels, plan, fold=False).graph)
    widths = {group: len(kept) for group, kept in plan.keep.items()}
    params, macs = WidthCost(channels)(widths)
    assert (params, macs) == (pytest.approx(made.params), pytest.approx(made.macs))


def test_that_a_path_goes_from_the_whole_model_to_the_floors_step_by_step() -> None:
    channels = chain()
    curves = [straight("g1", 16, 1.0), straight("g2", 32, 1.0), straight("g3", 32, 1.0)]
    floors = {"g1": 2, "g2": 3, "g3": 4}
    path = allocate(curves, WidthCost(channels), floors)
    assert path.points[0].widths == {"g1": 16, "g2": 32, "g3": 32}
    assert path.points[-1].widths == floors
    for before, after in itertools.pairwise(path.points):
        assert all(after.widths[g] <= before.widths[g] for g in floors)
        assert (after.keep, after.params, after.macs) < (before.keep, before.params, before.macs)


def test_that_a_group_that_hurts_is_spared() -> None:
    channels = chain()
    curves = [straight("g1", 16, 0.1), straight("g2", 32, 5.0), straight("g3", 32, 0.1)]
    half = allocate(curves, WidthCost(channels), {}).at_keep(0.5)
    assert half.widths["g2"] == 32
    assert half.widths["g3"] < 12


def test_that_what_is_to_be_saved_decides_among_groups_that_hurt_alike() -> None:
    """The first group of this net has its time in it, the last two have its parameters."""
    channels = chain()
    curves = [straight(g, w, 1.0) for g, w in (("g1", 16), ("g2", 32), ("g3", 32))]
    price = WidthCost(channels)
    by_params = allocate(curves, price, {}, macs_share=0.0).at_keep(0.6)
    by_macs = allocate(curves, price, {}, params_share=0.0, macs_share=1.0).at_keep(0.6)
    assert by_macs.widths["g1"] < by_params.widths["g1"]
    assert by_macs.macs < by_params.macs
    assert by_params.params < by_macs.params


@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_that_a_path_in_multiples_has_no_other_widths(multiple: int) -> None:
    curves = [straight("g1", 16, 1.0), straight("g2", 32, 1.0), straight("g3", 32, 1.0)]
    path = allocate(curves, WidthCost(chain()), {"g1": 1, "g2": 1, "g3": 9}, multiple=multiple)
    met = {width for point in path.points for width in point.widths.values()}
    assert {width for width in met if width % multiple} <= {9}
    assert path.points[-1].widths == {"g1": multiple, "g2": multiple, "g3": max(9, multiple)}


def test_that_multiples_are_finer_where_little_is_left() -> None:
    widths = [64]
    while widths[-1] > 1:
        widths.append(narrower(widths[-1], 1, 8, finer=True))
    assert widths == [64, 56, 48, 40, 32, 28, 24, 20, 16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1]
    assert narrower(33, 1, 8) == 32
    assert narrower(8, 1, 8) == 8
    assert narrower(64, 9, 8) == 48


def test_that_a_curve_goes_on_below_its_last_point() -> None:
    curve = Curve(group="g1", kept=(16, 8, 4), losses=(0.0, 0.5, 1.5))
    assert curve.loss(16) == 0.0
    assert curve.loss(8) == 0.5
    assert curve.loss(2) == pytest.approx(3.0)
    widths = range(16, 1, -1)
    assert all(curve.loss(b) > curve.loss(a) for a, b in itertools.pairwise(widths))


@relaxed
@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=5))
def test_that_a_curve_rises_ever_faster_and_never_below_its_probes(probed: list[float]) -> None:
    """A ruin cannot lose more, and a probe that lost less than a wider one did is noise."""
    kept = (64, 48, 32, 19, 10, 5)[: len(probed) + 1]
    raised = convex(kept, (0.0, *probed))
    slopes = np.diff(raised) / -np.diff(np.log(kept))
    assert raised[0] == 0.0
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise((0.0, *slopes)))
    assert all(r >= p - 1e-9 for r, p in zip(raised[1:], probed, strict=True))


def test_that_a_curve_that_rises_ever_faster_stays_as_it_was_probed() -> None:
    kept, probed = (64, 32, 16, 8), (0.0, 0.1, 0.3, 0.9)
    assert convex(kept, probed) == pytest.approx(probed)


def test_that_a_group_where_probes_are_ruined_is_not_cut_to_the_floor() -> None:
    """All of it is lost at half the width already: the last channels only look free."""
    channels = chain()
    ruined = Curve(group="g1", kept=(16, 8, 4, 2), losses=convex((16, 8, 4, 2), (0.0, 2, 2.1, 2.1)))
    curves = [ruined, straight("g2", 32, 1.0), straight("g3", 32, 1.0)]
    path = allocate(curves, WidthCost(channels), {"g1": 1, "g2": 1, "g3": 1})
    assert path.at_keep(0.4).widths["g1"] >= 8


def test_that_curves_are_made_of_what_a_journal_holds() -> None:
    points = [
        SensitivityMeasured(group="g2", keep=k / 32, kept=k, value=0.9, loss=1.0 / k)
        for k in (8, 24, 16)
    ]
    (curve,) = curves_of(points, chain())
    assert curve.kept == (32, 24, 16, 8)
    assert curve.losses == convex(curve.kept, (0.0, 1 / 24, 1 / 16, 1 / 8))
