"""Second moments of what kernels see: against the energy of what the layers put out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from engine.modelfile.graph import LayerGraph
from engine.modelfile.rebuild import build
from engine.training import second_moments as room
from engine.training.protocols import as_is
from engine.training.second_moments import second_moments
from tests.engine.opened import opened

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L = keras.layers
IMAGES = np.random.default_rng(0).normal(size=(6, 9, 8, 3)).astype(np.float32)

LAYERS = {
    "same": L.Conv2D(5, 3, padding="same", use_bias=False, name="layer"),
    "strided": L.Conv2D(5, (3, 2), strides=2, use_bias=False, name="layer"),
    "dilated": L.Conv2D(5, 3, dilation_rate=2, padding="same", use_bias=False, name="layer"),
    "one by one": L.Conv2D(4, 1, use_bias=False, name="layer"),
    "dense": L.Dense(4, use_bias=False, name="layer"),
    "depthwise": L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="layer"),
    "depthwise same": L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False, name="layer"),
}


def looked_at(model: keras.Model, *names: str) -> tuple[LayerGraph, dict[str, np.ndarray]]:
    graph, weights = opened(model)
    live = build(graph, weights)
    return graph, second_moments(live, graph, names, IMAGES, preprocess=as_is)


@pytest.mark.parametrize("name", LAYERS)
def test_that_the_moments_give_the_energy_of_what_each_filter_puts_out(name: str) -> None:
    layer = LAYERS[name]
    inputs = keras.Input(IMAGES.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    _, found = looked_at(model, "layer")
    moments = found["layer"]
    kernel = np.asarray(layer.weights[0].numpy())
    outputs = model.predict(IMAGES, verbose=0)
    energy = np.square(outputs.reshape(-1, outputs.shape[-1])).sum(axis=0)
    flat = kernel.reshape(moments.shape[-1], -1)
    shared = flat.shape[1] // len(moments)
    own = [flat[:, i] @ moments[i // shared] @ flat[:, i] for i in range(flat.shape[1])]
    np.testing.assert_allclose(own, energy, rtol=1e-4)


def test_that_places_are_drawn_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = keras.Input(IMAGES.shape[1:])
    model = keras.Model(inputs, L.Dense(4, use_bias=False, name="layer")(inputs))
    whole = looked_at(model, "layer")[1]["layer"]
    monkeypatch.setattr(room, "ROWS", 144)
    some = looked_at(model, "layer")[1]["layer"]
    assert np.trace(some[0]) / np.trace(whole[0]) == pytest.approx(144 / 432, rel=0.25)
    np.testing.assert_array_equal(some, looked_at(model, "layer")[1]["layer"])


def test_that_layers_of_other_kinds_and_wide_or_shared_ones_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = inputs = keras.Input(IMAGES.shape[1:])
    shared: Any = L.Dense(3, name="shared")
    for layer in (
        shared, shared, L.Conv2D(6, 3, groups=3, name="grouped"), L.Conv2D(4, 3, name="wide"),
        L.SeparableConv2D(4, 1, name="separable"), L.Conv2DTranspose(4, 1, name="transposed"),
        L.Conv2D(2, 1, name="plain"),
    ):  # fmt: skip
        x = layer(x)
    monkeypatch.setattr(room, "WIDEST", 53)
    names = ("shared", "grouped", "wide", "separable", "transposed", "plain")
    assert set(looked_at(keras.Model(inputs, x), *names)[1]) == {"plain"}
