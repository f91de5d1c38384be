"""One contract for every op kind of the registry, run in Keras.

Each op stands between two convolutions (:mod:`tests.engine.op_cases` says how it is called). It
either lets channels through, and then a cut equals its reference, a shifted one does not, and what
was folded is what the removed channels were; or it pins them with a reason that a person can read.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from engine.channels.cost import cost
from engine.channels.groups import Channels
from engine.channels.ops import registered
from engine.channels.oracle import REL_DIFF_LIMIT, reference, rel_diff, shifted
from engine.channels.plan import Plan, plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import build
from engine.modelfile.shapes import reshape_graph
from tests.engine.op_cases import CASES, SIZE, VARIANTS, WIDTH
from tests.engine.sketch import Sketch, ref

ALL = {**CASES, **VARIANTS}
BATCH = 5

CONSTANT = (
    "ops.ZerosLike", "ops.OnesLike", "ops.FullLike", "ops.Isfinite", "ops.Isinf", "ops.Isnan",
)  # fmt: skip
"""Ops after which nothing of the input is left."""

UNKNOWN_SHAPE = (
    "ops.Average", "ops.AdaptiveAveragePool", "ops.AdaptiveMaxPool", "ops.Dot", "ops.Einsum",
    "ops.Tensordot",
)  # fmt: skip
"""Ops whose output's shape our own rules do not know: they pin for that."""

NO_FORMULA = (
    "ops.Sum", "ops.Where", "ops.Equal", "ops.NotEqual", "ops.Greater", "ops.GreaterEqual",
    "ops.Less", "ops.LessEqual", "ops.Isclose", "ops.LogicalAnd", "ops.LogicalOr",
    "ops.LogicalXor", "ops.LogicalNot", "ops.FullLike", "ops.Isfinite", "ops.NanToNum",
    "Softmax over rows", "Normalization of all",
)  # fmt: skip
"""Ops through which constants are not carried: the readers of a removed channel see 0."""

NOT_ONE_NUMBER = (
    "ops.DepthToSpace", "PReLU per position", "PReLU per column", "Add HxWx1", "Concatenate rows",
    "Pixel shuffle by reshapes", "BatchNormalization without gamma",
)  # fmt: skip
"""A removed channel is not one number behind these: its readers see 0 (or beta, by promise 3)."""


@cache
def _sketched(key: str) -> Sketch:
    """image -> two convolutions -> the op -> a convolution or dense layer -> 3 numbers."""
    case = ALL[key]
    s = Sketch(seed=3)
    size = {1: 16, 2: SIZE, 3: 4}[case.rank]
    image = s.input(*[size] * case.rank, 3)
    made = [
        s.layer(
            f"Conv{case.rank}D", image, filters=WIDTH, kernel_size=[3] * case.rank,
            strides=[1] * case.rank, padding="same", name=name,
        )
        for name in ("first", "second")
    ]  # fmt: skip
    out = case.make(s, *made)
    if s.tensors[out].shape is None:
        s.result = out  # type: ignore[attr-defined]
        return s
    if s.tensors[out].dtype != "float32":
        (out,) = s.op("Cast", ref(out), dtype="float32")
    if len(s.shape(out)) == 3:
        out = s.layer("Conv2D", out, filters=4, kernel_size=[1, 1], activation="tanh")
    out = s.layer("Flatten", out) if len(s.shape(out)) > 1 else out
    s.result = s.layer("Dense", out, units=3, name="logits")  # type: ignore[attr-defined]
    return s


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("key", ALL)
def test_that_each_op_follows_or_pins(key: str) -> None:
    case, s = ALL[key], _sketched(key)
    graph = s.graph([s.result])  # type: ignore[attr-defined]
    weights = {
        name: {w: a.astype("float32") for w, a in s.weights[name].items()} for name in graph.layers
    }
    channels = trace(graph, through_norms=case.through_norms)
    if key in UNKNOWN_SHAPE:
        assert "a shape that is not known" in (channels.layer_reason("first") or "")
        return
    assert all(s.tensors[i].shape is not None for node in graph.nodes for i in node.outputs)
    if case.pins or case.through_norms:
        pinned = trace(graph)
        reason = pinned.layer_reason("first")
        assert reason is not None
        assert "is not known to" not in reason
        assert not pinned.group("g1").prunable
    if case.pins:
        return
    producer = channels.groups[0].producers[0]
    assert channels.layer_reason(producer) is None
    plan = plan_uniform(channels, score("random", graph, weights, channels, seed=1), 0.5)
    made = cut(graph, weights, channels, plan)
    assert reshape_graph(made.graph).tensors == made.graph.tensors
    inputs = _inputs(s, graph)
    model = build(made.graph, made.weights)
    assert model.count_params() == cost(made.graph).params
    ours = np.asarray(model(inputs))
    wanted = np.asarray(build(*reference(graph, weights, channels, plan))(inputs))
    assert rel_diff(ours, wanted)[1] <= REL_DIFF_LIMIT
    other = shifted(plan, channels)
    if other is None:
        assert channels.groups[0].pinned
        return
    wrong = cut(graph, weights, channels, other)
    apart = rel_diff(np.asarray(build(wrong.graph, wrong.weights)(inputs)), wanted)[1]
    if key not in CONSTANT:
        assert apart > REL_DIFF_LIMIT
    if made.border_effects or case.through_norms:
        return
    silent = np.asarray(build(graph, _silenced(weights, channels, plan))(inputs))
    folded = rel_diff(ours, silent)[1] <= REL_DIFF_LIMIT
    assert folded == (key not in NO_FORMULA + NOT_ONE_NUMBER)


def _silenced(weights: Weights, channels: Channels, plan: Plan) -> Weights:
    """The arrays with 0 in the kernels and gammas that make the removed channels."""
    keep = channels.keep_mask(plan.keep)
    silent = {n: {w: a.copy() for w, a in arrays.items()} for n, arrays in weights.items()}
    for axis in channels.axes:
        if axis.role == "out" or axis.weight == "gamma":
            gone = (axis.units >= 0) & ~keep[axis.units]
            np.moveaxis(silent[axis.layer][axis.weight], axis.axis, -1)[..., gone] = 0
    return silent


def _inputs(s: Sketch, graph: LayerGraph) -> list[np.ndarray]:
    """Noise for images, whole numbers for the rows that an embedding reads."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(BATCH, *s.shape(i)))
            if len(s.shape(i)) > 1
            else rng.integers(0, 9, (BATCH, *s.shape(i)))
        ).astype("float32")
        for i in graph.inputs
    ]


def test_that_every_registered_op_kind_has_its_case() -> None:
    assert set(CASES) == set(registered())
