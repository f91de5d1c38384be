"""Few values a filter: which axis a filter has, what stays, what becomes zero."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from engine.modelfile.graph import LayerGraph, Weights
from engine.sparsity.rounding import rounded
from tests.engine.opened import opened

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L = keras.layers


def net(*layers: keras.layers.Layer) -> tuple[LayerGraph, Weights]:
    """The layers one after another between a first and a last one, with random weights."""
    x = inputs = keras.Input((6, 6, 3))
    for layer in (L.Conv2D(3, 1, name="first"), *layers, L.Dense(2, name="last")):
        x = layer(x)
    graph, weights = opened(keras.Model(inputs, x))
    rng = np.random.default_rng(0)
    return graph, {
        name: {key: rng.normal(size=array.shape).astype(array.dtype) for key, array in own.items()}
        for name, own in weights.items()
    }


FILTERS = {
    "conv": (L.Conv2D(5, 3, name="conv"), "kernel", 3),
    "transposed": (L.Conv2DTranspose(5, 3, name="transposed"), "kernel", 2),
    "dense": (L.Dense(5, name="dense"), "kernel", 1),
    "pointwise": (L.SeparableConv2D(5, 3, name="pointwise"), "pointwise_kernel", 3),
    "grouped": (L.Conv2D(6, 3, groups=3, name="grouped"), "kernel", 3),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("values", [3, 7, 31])
def test_that_each_filter_has_its_own_few_values(name: str, values: int) -> None:
    layer, key, axis = FILTERS[name]
    graph, weights = net(layer)
    kernel = rounded(graph, weights, values)[name][key]
    for channel in range(kernel.shape[axis]):
        before, after = (np.take(w, channel, axis) for w in (weights[name][key], kernel))
        largest = float(np.abs(before).max())
        step = largest / ((values - 1) // 2)
        assert len(np.unique(after)) <= values
        assert np.abs(after).max() == pytest.approx(largest)
        np.testing.assert_allclose(after / step, np.round(after / step), atol=1e-4)
        assert np.abs(after - before).max() <= step / 2 + 1e-6


@pytest.mark.parametrize("key", ["kernel", "depthwise_kernel"])
def test_that_a_depthwise_filter_goes_over_places_alone(key: str) -> None:
    layer = L.DepthwiseConv2D(3, depth_multiplier=2, name="layer")
    if key == "depthwise_kernel":
        layer = L.SeparableConv2D(4, 3, depth_multiplier=2, name="layer")
    graph, weights = net(layer)
    kernel = rounded(graph, weights, 3)["layer"][key]
    largest = np.abs(weights["layer"][key]).max(axis=(0, 1))
    np.testing.assert_allclose(np.abs(kernel).max(axis=(0, 1)), largest, rtol=1e-6)
    assert all(len(np.unique(kernel[..., i, j])) <= 3 for i in range(3) for j in range(2))


def test_that_nothing_but_inner_kernels_changes_and_the_model_that_came_in_does_not() -> None:
    graph, weights = net(L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="norm"))
    before = {key: array.copy() for key, array in weights["conv"].items()}
    made = rounded(graph, weights, 7)
    for key, array in before.items():
        np.testing.assert_array_equal(weights["conv"][key], array)
    np.testing.assert_array_equal(made["conv"]["bias"], weights["conv"]["bias"])
    assert not np.array_equal(made["conv"]["kernel"], weights["conv"]["kernel"])
    for name in ("first", "last"):
        np.testing.assert_array_equal(made[name]["kernel"], weights[name]["kernel"])
    for key, array in weights["norm"].items():
        np.testing.assert_array_equal(made["norm"][key], array)


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("values", [3, 15, 63])
def test_that_zeros_stay_zeros_and_a_second_rounding_changes_nothing(
    zeros: float, values: int
) -> None:
    graph, weights = net(L.Dense(4, name="dense"))
    kernel = weights["dense"]["kernel"]
    kernel[np.random.default_rng(1).random(kernel.shape) < zeros] = 0.0
    once = rounded(graph, weights, values)
    assert not once["dense"]["kernel"][kernel == 0.0].any()
    assert not np.signbit(once["dense"]["kernel"][once["dense"]["kernel"] == 0.0]).any()
    twice = rounded(graph, once, values)
    np.testing.assert_allclose(twice["dense"]["kernel"], once["dense"]["kernel"], rtol=1e-6)


@pytest.mark.parametrize("values", [0, 1, 2, 16])
def test_that_a_number_of_values_that_is_no_grid_around_zero_is_refused(values: int) -> None:
    graph, weights = net(L.Dense(4, name="dense"))
    with pytest.raises(ValueError, match=f"odd number of values.*{values}"):
        rounded(graph, weights, values)


def off(before: np.ndarray, after: np.ndarray, seen: np.ndarray) -> float:
    """How far the sums of all filters [inputs, filters] with what they see [places, inputs] are."""
    return float(np.square(seen @ (before - after)).sum())


@pytest.mark.parametrize("values", [3, 7, 15])
def test_that_moments_keep_what_filters_put_out_on_few_values(values: int) -> None:
    graph, weights = net(L.Dense(8, name="dense"))
    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(300, 8)).astype(np.float32)
    kernel[rng.random(kernel.shape) < 0.1] = 0.0  # more than are made up for together are left
    weights["dense"]["kernel"] = kernel
    seen = rng.normal(size=(2000, 40)) @ rng.normal(size=(40, 300)) + rng.normal(size=(2000, 300))
    moments = {"dense": (seen.T @ seen)[None].astype(np.float32)}
    plain = rounded(graph, weights, values)["dense"]["kernel"]
    made = rounded(graph, weights, values, moments)["dense"]["kernel"]
    assert off(kernel, made, seen) < 0.5 * off(kernel, plain, seen)
    assert not made[kernel == 0.0].any()
    assert not np.signbit(made[made == 0.0]).any()
    assert all(len(np.unique(made[:, i])) <= values for i in range(8))
    assert made.dtype == kernel.dtype


def test_that_each_depthwise_filter_goes_by_the_moments_of_its_channel() -> None:
    graph, weights = net(L.DepthwiseConv2D(3, depth_multiplier=2, name="layer"))
    rng = np.random.default_rng(3)
    seen = [rng.normal(size=(500, 2)) @ rng.normal(size=(2, 9)) for _ in range(3)]
    moments = {"layer": np.stack([x.T @ x for x in seen]).astype(np.float32)}
    kernel = weights["layer"]["kernel"].reshape(9, 3, 2)
    plain = rounded(graph, weights, 5)["layer"]["kernel"].reshape(9, 3, 2)
    made = rounded(graph, weights, 5, moments)["layer"]["kernel"].reshape(9, 3, 2)
    for channel, own in enumerate(seen):
        before, by_hand, after = (k[:, channel] for k in (kernel, plain, made))
        assert off(before, after, own) < off(before, by_hand, own)


def test_that_filters_that_see_nothing_are_rounded_all_the_same() -> None:
    graph, weights = net(L.Dense(4, name="dense"))
    inputs = len(weights["dense"]["kernel"])
    nothing = {"dense": np.zeros((1, inputs, inputs), np.float32)}
    made = rounded(graph, weights, 7, nothing)["dense"]["kernel"]
    assert np.abs(made - weights["dense"]["kernel"]).max() < np.abs(made).max() / 3
