"""Gradients for the criterion ``taylor``, against differences of the loss, in Keras."""

from __future__ import annotations

import numpy as np
import pytest

from engine.channels.trace import trace
from engine.modelfile.rebuild import build, weights_of
from engine.search.models import Candidate, cut_to
from engine.training.gradients import batch_gradients
from engine.training.protocols import as_is
from engine.training.settings import LossSpec
from tests.engine import zoo
from tests.engine.opened import from_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LOSS = LossSpec(kind="categorical", from_logits=True)


def _loss(outputs: np.ndarray, labels: np.ndarray) -> float:
    peak = outputs.max(axis=1, keepdims=True)
    logs = outputs - peak - np.log(np.exp(outputs - peak).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())


def test_that_taylor_predicts_what_the_loss_changes_by() -> None:
    model = zoo.live(zoo.build("chain"), seed=3)
    graph, weights = from_model(model)
    images = zoo.random_inputs(model, seed=7, batch=20)
    labels = np.random.default_rng(0).integers(0, 5, 20)
    live = build(graph, weights)
    (gradients,) = batch_gradients(live, graph, images, labels, preprocess=as_is, loss=LOSS)

    for layer, name in (("a_conv", "kernel"), ("a_bn", "gamma"), ("b_conv", "bias")):
        array, step = weights[layer][name], 1e-3
        direction = np.random.default_rng(1).normal(size=array.shape).astype("float32")
        found = []
        for sign in (1, -1):
            moved = {n: dict(v) for n, v in weights.items()}
            moved[layer][name] = array + sign * step * direction
            found.append(_loss(np.asarray(build(graph, moved)(images)), labels))
        slope = (found[0] - found[1]) / (2 * step)
        assert np.isclose((gradients[layer][name] * direction).sum(), slope, rtol=0.02, atol=1e-3)

    same = weights_of(live, graph)
    assert all((same[n][w] == a).all() for n, v in weights.items() for w, a in v.items())
    channels = trace(graph)
    cut = cut_to(
        Candidate(graph=graph, weights=weights), 0.5, before=channels, criterion="taylor",
        gradients=iter([gradients]),
    )  # fmt: skip
    assert cut.graph.params < graph.params
