"""Constants of removed channels, against the original in which those channels are silenced.

This oracle shares nothing with the engine's own reference: the kernels and gammas of the cut
channels are set to 0 in the original, which is then run as it is. Where nothing is padded, the cut
model must equal it. Without Keras.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.channels.oracle import reference, rel_diff
from engine.channels.plan import plan_uniform
from engine.channels.surgery import Cut, cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.modelfile.graph import LayerGraph, Weights
from tests.engine.numpy_net import run
from tests.engine.sketch import Sketch

EXACT = 1e-9
IMAGES = np.random.default_rng(1).normal(size=(4, 8, 8, 3))


def _conv(s: Sketch, x: int, name: str, size: int = 3, **config: object) -> int:
    return s.layer("Conv2D", x, name, **{"filters": 6, "kernel_size": [size, size], **config})


def _head(s: Sketch, x: int) -> int:
    return s.layer("Dense", s.layer("GlobalAveragePooling2D", x), "logits", units=3)


def _norm_then(s: Sketch, **config: object) -> int:
    """conv - norm - sigmoid, whose channels are never 0, read by a convolution."""
    x = _conv(s, s.input(8, 8, 3), "a", use_bias=False)
    x = s.layer("Activation", s.layer("BatchNormalization", x, "bn"), activation="sigmoid")
    return _conv(s, x, "b", **config)


def absorbed(s: Sketch) -> int:
    return _head(s, s.layer("BatchNormalization", _norm_then(s, use_bias=False), "bn2"))


def two_readers(s: Sketch) -> int:
    x = _norm_then(s, use_bias=False)
    return _head(s, s.layer("Add", [s.layer("BatchNormalization", x), x]))


def own_activation(s: Sketch) -> int:
    x = _norm_then(s, use_bias=False, activation="tanh")
    return _head(s, s.layer("BatchNormalization", x))


def grouped(s: Sketch) -> int:
    return _head(s, _norm_then(s, groups=2, filters=4))


def separable(s: Sketch) -> int:
    x = s.layer("ReLU", _norm_then(s))
    return _head(s, s.layer("SeparableConv2D", x, filters=5, kernel_size=[2, 2]))


def depthwise(s: Sketch) -> int:
    x = s.layer("DepthwiseConv2D", _norm_then(s), kernel_size=[2, 2], activation="softplus")
    return _head(s, _conv(s, x, "c", 1))


def flattened(s: Sketch) -> int:
    x = s.layer("Flatten", s.layer("Activation", _norm_then(s), activation="elu"))
    return s.layer("Dense", x, "logits", units=3)


def gated(s: Sketch) -> int:
    x = s.layer("Activation", _norm_then(s), activation="softplus")
    y = s.layer("GlobalAveragePooling2D", x, keepdims=True)
    y = _conv(s, y, "gate", 1, activation="sigmoid")
    return _head(s, _conv(s, s.layer("Multiply", [x, y]), "c", 1))


def pooled(s: Sketch) -> int:
    x = s.layer("MaxPooling2D", _norm_then(s), "max_pool", pool_size=[2, 2])
    return _head(s, _conv(s, s.layer("UpSampling2D", x, size=[2, 2]), "c", 1))


NETS: dict[str, Callable[[Sketch], int]] = {
    f.__name__: f
    for f in (
        absorbed, two_readers, own_activation, grouped, separable, depthwise, flattened, gated,
        pooled,
    )
}  # fmt: skip


def _made(build: Callable[[Sketch], int]) -> tuple[LayerGraph, Weights, Weights, Cut, Cut]:
    """Graph, arrays, arrays with the cut channels silenced, the cut, and one without folding."""
    s = Sketch(seed=2)
    graph = s.graph([build(s)])
    run(graph, s.weights, [IMAGES], settle=True)
    channels = trace(graph)
    plan = plan_uniform(channels, score("random", graph, s.weights, channels, seed=4), 0.5)
    keep = channels.keep_mask(plan.keep)
    silent = {n: {w: a.copy() for w, a in arrays.items()} for n, arrays in s.weights.items()}
    for axis in channels.axes:
        if axis.role == "out" or axis.weight == "gamma":
            gone = (axis.units >= 0) & ~keep[axis.units]
            np.moveaxis(silent[axis.layer][axis.weight], axis.axis, -1)[..., gone] = 0
    made = cut(graph, s.weights, channels, plan)
    bare = cut(graph, s.weights, channels, plan, fold=False)
    return graph, s.weights, silent, made, bare


def _apart(made: Cut, graph: LayerGraph, arrays: Weights) -> float:
    (ours,) = run(made.graph, dict(made.weights), [IMAGES])
    (wanted,) = run(graph, arrays, [IMAGES])
    return rel_diff(ours, wanted)[1]


@pytest.mark.parametrize("name", NETS)
def test_that_a_cut_equals_the_silenced_original(name: str) -> None:
    graph, _, silent, made, bare = _made(NETS[name])
    assert made.border_effects == ()
    assert _apart(made, graph, silent) <= EXACT
    assert _apart(bare, graph, silent) > 1e-3


def test_that_a_norm_that_alone_reads_takes_the_constant() -> None:
    _, weights, _, made, bare = _made(absorbed)
    assert "bias" not in made.weights["b"]
    assert not np.allclose(made.weights["bn2"]["moving_mean"], bare.weights["bn2"]["moving_mean"])
    assert made.graph.layers["b"].config["use_bias"] is False
    assert weights["bn2"]["moving_mean"].shape == (6,)


@pytest.mark.parametrize("build", [two_readers, own_activation])
def test_that_a_layer_without_such_a_norm_gets_a_bias(build: Callable[[Sketch], int]) -> None:
    graph, _, _, made, _ = _made(build)
    assert made.graph.layers["b"].config["use_bias"] is True
    assert [w.name for w in made.graph.layers["b"].weights] == ["kernel", "bias"]
    assert made.weights["b"]["bias"].shape == (3,)
    assert graph.layers["b"].config["use_bias"] is False


def test_that_padding_beside_a_constant_is_named() -> None:
    def same(s: Sketch) -> int:
        return _head(s, _norm_then(s, padding="same"))

    graph, _, silent, made, _ = _made(same)
    assert len(made.border_effects) == 1
    assert "layer 'b'" in made.border_effects[0]
    assert _apart(made, graph, silent) > EXACT


def test_that_calls_with_different_constants_are_not_folded() -> None:
    s = Sketch(seed=2)
    x = s.input(8, 8, 3)
    sides = [_conv(s, x, n, 1, activation="sigmoid") for n in ("left", "right")]
    shared = _conv(s, sides[0], "shared", 1)
    y = s.layer("Add", [shared, s.again("shared", sides[1])])
    graph = s.graph([_head(s, y)])
    channels = trace(graph)
    plan = plan_uniform(channels, score("random", graph, s.weights, channels, seed=4), 0.5)
    made = cut(graph, s.weights, channels, plan)
    kept = np.array(plan.keep[channels.layer_group("shared") or ""])
    assert np.array_equal(made.weights["shared"]["bias"], s.weights["shared"]["bias"][kept])
    assert any("called more than once" in note for note in made.border_effects)
    wide, arrays = reference(graph, s.weights, channels, plan)
    assert _apart(made, wide, arrays) <= EXACT


def test_that_a_tensor_with_channels_on_two_axes_stays_a_box() -> None:
    s = Sketch(seed=2)
    x = s.layer("GlobalAveragePooling2D", _conv(s, s.input(8, 8, 3), "a"))
    x = s.layer("Flatten", s.layer("Reshape", x, "box", target_shape=[3, 2]))
    graph = s.graph([s.layer("Dense", x, units=3)])
    channels = trace(graph)
    units = channels.weight_units("a", "kernel", 3)
    assert units is not None
    assert units.tolist() == [0, 0, 1, 1, 2, 2]
    plan = plan_uniform(channels, {"g1": np.array([1.0, 3.0, 2.0])}, 2 / 3)
    made = cut(graph, s.weights, channels, plan)
    assert made.graph.layers["box"].config["target_shape"] == [2, 2]
    wide, arrays = reference(graph, s.weights, channels, plan)
    assert _apart(made, wide, arrays) <= EXACT
