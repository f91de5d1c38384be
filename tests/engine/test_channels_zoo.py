"""Every net of the zoo, cut and rebuilt in Keras, against the reference of promise 3."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from engine.channels.cost import cost
from engine.channels.groups import Channels
from engine.channels.oracle import REL_DIFF_LIMIT, linear_outputs, reference, rel_diff, shifted
from engine.channels.plan import Plan, plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import build
from engine.modelfile.shapes import reshape_graph
from tests.engine import zoo
from tests.engine.opened import opened

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

UNCUTTABLE = ("softmax_attention",)


@cache
def _opened(name: str) -> tuple[LayerGraph, Weights, Any, list[np.ndarray]]:
    """Graph, arrays, an input, and what Keras itself computes."""
    model = zoo.live(zoo.build(name), seed=3)
    graph, weights = opened(model)
    graph = linear_outputs(graph)
    inputs = zoo.random_inputs(model, seed=7)
    return graph, weights, inputs, _run(graph, weights, inputs)


def _run(graph: LayerGraph, weights: Weights, inputs: Any) -> list[np.ndarray]:
    outputs = build(graph, weights)(inputs, training=False)
    return [np.asarray(x) for x in keras.tree.flatten(outputs)]


def _apart(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return max(rel_diff(x, y)[1] for x, y in zip(a, b, strict=True))


def _plan(graph: LayerGraph, weights: Weights, channels: Channels, seed: int = 5) -> Plan:
    return plan_uniform(channels, score("random", graph, weights, channels, seed=seed), 0.5)


@pytest.mark.parametrize("name", zoo.names())
def test_that_a_cut_net_equals_its_reference(name: str) -> None:
    graph, weights, inputs, whole = _opened(name)
    channels = trace(graph)
    plan = _plan(graph, weights, channels)
    made = cut(graph, weights, channels, plan)
    ours = _run(made.graph, made.weights, inputs)
    wanted = _run(*reference(graph, weights, channels, plan), inputs)

    assert _apart(ours, wanted) <= REL_DIFF_LIMIT
    if name in UNCUTTABLE:
        assert plan.empty
        return
    assert _apart(ours, whole) > 0.01
    other = shifted(plan, channels)
    assert other is not None
    wrong = cut(graph, weights, channels, other)
    assert _apart(_run(wrong.graph, wrong.weights, inputs), wanted) > REL_DIFF_LIMIT


def test_that_norms_are_followed_when_asked() -> None:
    graph, weights, inputs, _ = _opened("layer_norm")
    pinned, channels = trace(graph), trace(graph, through_norms=True)
    assert not pinned.group("g1").prunable
    assert "LayerNormalization" in (pinned.layer_reason("patch") or "")
    assert channels.group("g1").prunable
    plan = _plan(graph, weights, channels)
    made = cut(graph, weights, channels, plan)

    wanted = _run(*reference(graph, weights, channels, plan), inputs)
    assert _apart(_run(made.graph, made.weights, inputs), wanted) <= REL_DIFF_LIMIT
    other = shifted(plan, channels)
    assert other is not None
    wrong = cut(graph, weights, channels, other)
    assert _apart(_run(wrong.graph, wrong.weights, inputs), wanted) > REL_DIFF_LIMIT


@pytest.mark.parametrize("name", zoo.names())
def test_that_the_predicted_cost_is_what_keras_counts(name: str) -> None:
    graph, weights, _, _ = _opened(name)
    channels = trace(graph)
    made = cut(graph, weights, channels, _plan(graph, weights, channels))

    assert cost(made.graph).params == build(made.graph, made.weights).count_params()
    assert cost(graph).params == build(graph, weights).count_params()
    known = {
        i: (ours.shape, theirs.shape)
        for i, (ours, theirs) in enumerate(
            zip(made.graph.tensors, reshape_graph(made.graph).tensors, strict=True)
        )
        if theirs.shape is not None and theirs.shape != ours.shape
    }
    assert not known


@pytest.mark.parametrize("name", zoo.names())
def test_that_the_empty_plan_is_the_identity(name: str) -> None:
    graph, weights, inputs, whole = _opened(name)
    channels = trace(graph)
    made = cut(graph, weights, channels, Plan(graph_digest=channels.graph_digest))

    assert made.graph == graph
    assert _apart(_run(made.graph, made.weights, inputs), whole) == 0.0


@pytest.mark.parametrize("name", zoo.names())
def test_that_the_input_model_is_never_touched(name: str) -> None:
    graph, weights, _, _ = _opened(name)
    before = {(n, w): a.tobytes() for n, arrays in weights.items() for w, a in arrays.items()}
    channels = trace(graph)
    plan = _plan(graph, weights, channels)
    cut(graph, weights, channels, plan)
    reference(graph, weights, channels, plan)

    after = {(n, w): a.tobytes() for n, arrays in weights.items() for w, a in arrays.items()}
    assert after == before


@pytest.mark.parametrize("name", [n for n in zoo.names() if n not in UNCUTTABLE])
def test_that_a_cut_net_can_be_saved_reloaded_and_trained(name: str, tmp_path: Any) -> None:
    graph, weights, inputs, _ = _opened(name)
    channels = trace(graph)
    made = cut(graph, weights, channels, _plan(graph, weights, channels))
    model = build(made.graph, made.weights)
    path = tmp_path / "cut.keras"
    model.save(path)
    again = keras.models.load_model(path, compile=False)

    ours = keras.tree.flatten(model(inputs, training=False))
    theirs = keras.tree.flatten(again(inputs, training=False))
    assert _apart([np.asarray(x) for x in theirs], [np.asarray(x) for x in ours]) <= 1e-6
    again.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse", run_eagerly=True)
    loss = again.train_on_batch(inputs, [np.zeros(x.shape, "float32") for x in theirs])
    assert np.isfinite(loss).all()


VALID_ONLY = ("chain", "flatten_dense", "sequential", "arithmetic", "siamese")


@pytest.mark.parametrize("name", VALID_ONLY)
def test_that_folding_is_exact_where_removed_channels_are_constant(name: str) -> None:
    """Silence the cut channels in the original (kernels and gammas to 0): nothing may change."""
    graph, weights, inputs, _ = _opened(name)
    channels = trace(graph)
    plan = _plan(graph, weights, channels)
    keep = channels.keep_mask(plan.keep)
    silent = {n: {w: a.copy() for w, a in arrays.items()} for n, arrays in weights.items()}
    for axis in channels.axes:
        gone = (axis.units >= 0) & ~keep[axis.units]
        if axis.role == "out" or axis.weight == "gamma":
            array = np.moveaxis(silent[axis.layer][axis.weight], axis.axis, -1)
            array[..., gone] = 0
    made = cut(graph, weights, channels, plan)

    assert made.border_effects == ()
    wanted = _run(graph, silent, inputs)
    assert _apart(_run(made.graph, made.weights, inputs), wanted) <= REL_DIFF_LIMIT
    bare = cut(graph, weights, channels, plan, fold=False)
    assert _apart(_run(bare.graph, bare.weights, inputs), wanted) > REL_DIFF_LIMIT


def test_that_constant_importance_gives_exact_slices() -> None:
    graph, weights, _, _ = _opened("chain")
    channels = trace(graph)
    scores = {g.id: np.arange(g.channels, 0, -1.0) for g in channels.groups}
    made = cut(graph, weights, channels, plan_uniform(channels, scores, 0.5), fold=False)

    assert np.array_equal(made.weights["a_conv"]["kernel"], weights["a_conv"]["kernel"][..., :4])
    assert np.array_equal(made.weights["a_bn"]["gamma"], weights["a_bn"]["gamma"][:4])
    assert np.array_equal(
        made.weights["b_conv"]["kernel"], weights["b_conv"]["kernel"][:, :, :4, :6]
    )
    assert np.array_equal(made.weights["b_conv"]["bias"], weights["b_conv"]["bias"][:6])
    assert np.array_equal(made.weights["logits"]["kernel"], weights["logits"]["kernel"][:6])
    assert made.graph.layers["b_conv"].config["filters"] == 6


def test_that_flattened_positions_are_sliced_per_pixel() -> None:
    graph, weights, _, _ = _opened("flatten_dense")
    channels = trace(graph)
    scores = {g.id: np.arange(g.channels, 0, -1.0) for g in channels.groups}
    made = cut(graph, weights, channels, plan_uniform(channels, scores, 0.5), fold=False)

    wide = weights["hidden"]["kernel"].reshape(5, 5, 8, 20)
    assert np.array_equal(made.weights["hidden"]["kernel"], wide[:, :, :4, :10].reshape(100, 10))
