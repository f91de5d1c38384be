"""Nets for masks: skips, transposed convolutions, no norms; the map keeps its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from engine.channels.oracle import REL_DIFF_LIMIT, linear_outputs, reference, rel_diff, shifted
from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import build
from tests.bench.mask_nets import ternaus, unet
from tests.engine import zoo
from tests.engine.opened import from_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


NETS: dict[str, Callable[[], keras.Model]] = {
    "unet": lambda: unet((16, 24, 3), filters=6),
    "ternaus": lambda: ternaus((32, 32, 3), filters=6),
}


def run(graph: LayerGraph, weights: Weights, inputs: Any) -> np.ndarray:
    return np.asarray(build(graph, weights)(inputs, training=False))


@pytest.mark.parametrize("name", NETS)
def test_that_it_is_cut_consistently_and_its_map_keeps_its_size(name: str) -> None:
    model = zoo.live(NETS[name](), batch=4)
    inputs = zoo.random_inputs(model, seed=7, batch=4)
    graph, weights = from_model(model)
    graph = linear_outputs(graph)
    channels = trace(graph)
    free = [group for group in channels.groups if group.prunable]
    assert len(free) == len(channels.groups) - 1
    plan = plan_uniform(channels, score("random", graph, weights, channels, seed=5), 0.5)
    assert len(plan.keep) == len(free)
    made = cut(graph, weights, channels, plan)
    ours, whole = run(made.graph, made.weights, inputs), run(graph, weights, inputs)
    wanted = run(*reference(graph, weights, channels, plan), inputs)

    assert ours.shape == whole.shape == (4, *model.input_shape[1:3], 1)
    assert rel_diff(ours, wanted)[1] <= REL_DIFF_LIMIT
    assert rel_diff(ours, whole)[1] > 0.01
    other = shifted(plan, channels)
    assert other is not None
    wrong = cut(graph, weights, channels, other)
    assert rel_diff(run(wrong.graph, wrong.weights, inputs), wanted)[1] > REL_DIFF_LIMIT
