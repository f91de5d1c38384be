"""The sweep of dead channels: what zeros have cut off goes, and no output changes."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from engine.channels.dead import dead_plan
from engine.channels.oracle import rel_diff
from engine.channels.plan import check
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.modelfile.graph import LayerGraph, Weights
from tests.engine.numpy_net import run
from tests.engine.random_nets import Net, nets
from tests.engine.sketch import Sketch

relaxed = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _silenced(net: Net, roles: tuple[str, ...], share: float, seed: int) -> Weights:
    """The net's arrays, with random units of its kernels zero in the given roles."""
    random = np.random.default_rng(seed)
    channels = trace(net.graph)
    dead = random.random(channels.unit_group.size) < share
    weights = {layer: dict(arrays) for layer, arrays in net.weights.items()}
    for axis in channels.axes:
        array = weights[axis.layer][axis.weight]
        if axis.role not in roles or array.ndim < 2:
            continue
        index: list[slice | np.ndarray] = [slice(None)] * array.ndim
        index[axis.axis] = (axis.units >= 0) & dead[axis.units]
        array = array.copy()
        array[tuple(index)] = 0
        weights[axis.layer][axis.weight] = array
    return weights


@relaxed
@given(nets, st.floats(0.1, 0.6), st.integers(0, 99))
def test_that_removing_what_nobody_reads_changes_no_output(
    net: Net, share: float, seed: int
) -> None:
    weights = _silenced(net, ("in",), share, seed)
    channels = trace(net.graph)
    plan = dead_plan(channels, weights, constants=False)
    check(plan, channels)
    made = cut(net.graph, weights, channels, plan)
    (before,) = run(net.graph, dict(weights), [net.images])
    (after,) = run(made.graph, dict(made.weights), [net.images])
    event("empty plan" if plan.empty else "a sweep")
    assert rel_diff(after, before)[1] <= 1e-4 or np.array_equal(after, before)


def chain() -> tuple[LayerGraph, Weights]:
    """Two convolutions without padding and a classifier."""
    net = Sketch()
    x = net.input(8, 8, 2)
    for filters in (6, 5):
        x = net.layer("Conv2D", x, filters=filters, kernel_size=[3, 3], activation="relu")
    x = net.layer("Dense", net.layer("GlobalAveragePooling2D", x), units=3)
    return net.graph([x]), net.weights


def test_that_a_channel_that_nothing_makes_is_folded_away() -> None:
    graph, weights = chain()
    first = next(name for name, layer in graph.layers.items() if layer.class_name == "Conv2D")
    kernel = weights[first]["kernel"].copy()
    kernel[..., [1, 4]] = 0
    weights[first] = {**weights[first], "kernel": kernel}
    channels = trace(graph)
    plan = dead_plan(channels, weights)
    assert plan.keep == {"g1": (0, 2, 3, 5)}
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 2)).astype(np.float32)
    made = cut(graph, weights, channels, plan)
    (before,) = run(graph, dict(weights), [images])
    (after,) = run(made.graph, dict(made.weights), [images])
    assert rel_diff(after, before)[1] <= 1e-5


def test_that_a_group_that_is_dead_as_a_whole_keeps_one_channel() -> None:
    graph, weights = chain()
    channels = trace(graph)
    silent = {layer: {w: a * 0 for w, a in arrays.items()} for layer, arrays in weights.items()}
    plan = dead_plan(channels, silent)
    assert plan.keep == {"g1": (0,), "g2": (0,)}


def test_that_a_live_net_has_nothing_to_sweep() -> None:
    graph, weights = chain()
    assert dead_plan(trace(graph), weights).empty
