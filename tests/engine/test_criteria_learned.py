"""The criteria greedy and gate, against NumPy and on nets where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from engine.channels.trace import trace
from engine.criteria.greedy import order_of_removal
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import build
from engine.training.beside import seen_in
from engine.training.finetune import fine_tune
from engine.training.gate import SHARPNESS, Gates, pull_for
from engine.training.protocols import as_is
from engine.training.removal import greedy_scores
from engine.training.settings import LossSpec, learning_rate_at
from tests.engine import numpy_net
from tests.engine.sketch import Sketch
from tests.engine.training_nets import dots, quick, scaled

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LOSS = LossSpec(kind="categorical", from_logits=True)


def chain(*, norm: bool = False) -> tuple[LayerGraph, Weights]:
    """conv "a" (5) - (norm) - conv "b" (4) - three logits, on 8x8x1."""
    s = Sketch(seed=2)
    x = s.layer("Conv2D", s.input(8, 8, 1), "a", filters=5, kernel_size=[3, 3])
    if norm:
        x = s.layer("BatchNormalization", x, "n")
    x = s.layer("Conv2D", s.layer("ReLU", x), "b", filters=4, kernel_size=[3, 3])
    x = s.layer("GlobalAveragePooling2D", s.layer("ReLU", x))
    graph = s.graph([s.layer("Dense", x, "logits", units=3)])
    return graph, {n: {w: a.astype(np.float32) for w, a in v.items()} for n, v in s.weights.items()}


def test_that_greedy_is_what_the_loss_loses_filter_by_filter() -> None:
    graph, weights = chain()
    images, labels = dots(20)
    pixels = images.astype(np.float32) / 90.0

    def loss_without(gone: dict[str, set[int]]) -> float:
        masked = {n: dict(v) for n, v in weights.items()}
        for layer, axis, by in (("b", 2, "a"), ("logits", 0, "b")):
            kernel = masked[layer]["kernel"].copy()
            kernel[(slice(None),) * axis + (sorted(gone[by]),)] = 0.0
            masked[layer]["kernel"] = kernel
        (out,) = numpy_net.run(graph, masked, [pixels])
        logs = out - np.log(np.exp(out).sum(axis=1, keepdims=True))
        return float(-logs[np.arange(20), labels].mean())

    left = [("a", i) for i in range(5)] + [("b", i) for i in range(4)]
    gone: dict[str, set[int]] = {"a": set(), "b": set()}
    when: dict[tuple[str, int], int] = {}
    for count in (4, 5):
        losses = [loss_without({n: g | ({i} if n == o else set()) for n, g in gone.items()})
                  for o, i in left]  # fmt: skip
        for index in np.argsort(losses, kind="stable")[:count]:
            when[left[index]] = len(when) + 1
        for name, i in when:
            gone[name].add(i)
        left = [unit for unit in left if unit not in when]
    model = build(graph, weights)
    scores = greedy_scores(
        model, trace(graph), pixels, labels, preprocess=as_is, loss=LOSS, rounds=2
    )
    assert [round(9 * s) for s in scores["g1"]] == [when["a", i] for i in range(5)]
    assert [round(9 * s) for s in scores["g2"]] == [when["b", i] for i in range(4)]
    np.testing.assert_array_equal(model.get_layer("b").kernel.numpy(), weights["b"]["kernel"])


def test_that_greedy_measures_again_what_is_left() -> None:
    cost = np.array([1.0, 2.0, 3.0, 4.0])

    def lost(there: np.ndarray, unit: int) -> float:
        # Once unit 0 is gone, unit 3 is worth nothing any more
        return float(0.5 if unit == 3 and not there[0] else cost[unit])

    there, units = np.ones(4, bool), np.arange(4)
    assert order_of_removal(units, there, lost, 1).tolist() == [0, 1, 2, 3]
    assert order_of_removal(units, there, lost, 2).tolist() == [0, 1, 3, 2]
    assert there.all()


@pytest.mark.parametrize("norm", [False, True])
def test_that_gates_are_those_of_the_formula(norm: bool) -> None:
    graph, weights = chain(norm=norm)
    model, channels = build(graph, weights), trace(graph)
    gates = Gates(model, channels, weights, pull=0.5)
    gates.variables[0].assign([0.9, 1.1])
    filters = {n: np.sqrt((weights[n]["kernel"] ** 2).sum(axis=(0, 1, 2))) for n in ("a", "b")}
    size = np.abs(weights["n"]["gamma"]) if norm else filters["a"]
    over = {"g1": size / size.mean() - 0.9, "g2": filters["b"] / filters["b"].mean() - 1.1}
    for group, values in gates.scores().items():
        np.testing.assert_allclose(values, over[group], rtol=1e-4, atol=1e-6)
    opened = {g: 1 / (1 + np.exp(-SHARPNESS * v)) for g, v in over.items()}
    masked = {n: dict(v) for n, v in weights.items()}
    masked["b"]["kernel"] = masked["b"]["kernel"] * opened["g1"][:, None]
    masked["logits"]["kernel"] = masked["logits"]["kernel"] * opened["g2"][:, None]
    images = dots(6)[0].astype(np.float32) / 90.0
    (wanted,) = numpy_net.run(graph, masked, [images])
    with seen_in(model, gates):
        found = model([images]).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
    gates.begin_step(tf.constant(0.1))
    raised = np.array([0.9, 1.1]) + 0.1 * 0.5 * np.exp([-0.9, -1.1])
    np.testing.assert_allclose(gates.variables[0].numpy(), raised, rtol=1e-6)


def test_that_thresholds_rise_where_nothing_is_lost() -> None:
    graph, weights = chain()
    model, channels = build(graph, weights), trace(graph)
    settings = quick(epochs=4)
    pull = pull_for(24, settings)
    alone = 0.0
    for step in range(1, 25):
        alone += learning_rate_at(step, 24, settings) * pull * np.exp(-alone)
    assert 0.9 < alone < 1.15
    gates = Gates(model, channels, weights, pull)
    images, labels = dots()
    fine_tune(model, images, labels, preprocess=scaled, loss=LOSS, settings=settings, beside=gates)
    assert (gates.variables[0].numpy() > 0.2).all()
    assert all(np.isfinite(v).all() for v in gates.scores().values())
