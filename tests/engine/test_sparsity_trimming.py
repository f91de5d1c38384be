"""Fewer weights whose loss the others make up for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from engine.modelfile.graph import LayerGraph, Weights
from engine.sparsity.trimming import made_up
from tests.engine.opened import opened

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L = keras.layers
INPUTS = 60


def net() -> tuple[LayerGraph, Weights, dict[str, np.ndarray], np.ndarray]:
    """Two dense layers of normal weights, a tenth of them zero, and what the first one sees."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((INPUTS,))
    x = L.Dense(8, name="one")(inputs)
    graph, weights = opened(keras.Model(inputs, L.Dense(6, name="two")(x)))
    for name in ("one", "two"):
        kernel = rng.normal(size=weights[name]["kernel"].shape).astype(np.float32)
        kernel[rng.random(kernel.shape) < 0.1] = 0.0
        weights[name]["kernel"] = kernel
    seen = rng.normal(size=(900, 9)) @ rng.normal(size=(9, INPUTS))
    seen += 0.5 * rng.normal(size=seen.shape)
    after = rng.normal(size=(900, 8))
    moments = {n: (x.T @ x)[None].astype(np.float32) for n, x in (("one", seen), ("two", after))}
    return graph, weights, moments, seen


def without_smallest(weights: Weights, share: float) -> Weights:
    made = {name: dict(arrays) for name, arrays in weights.items()}
    for name in ("one", "two"):
        kernel = weights[name]["kernel"].copy()
        kernel[np.abs(kernel) < np.quantile(np.abs(kernel[kernel != 0]), share)] = 0.0
        made[name]["kernel"] = kernel
    return made


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
def test_that_the_same_weights_are_zero_and_outputs_change_less(share: float) -> None:
    graph, weights, moments, seen = net()
    fewer = without_smallest(weights, share)
    moments.pop("two")
    made = made_up(graph, weights, fewer, moments)
    before, cut, after = (w["one"]["kernel"] for w in (weights, fewer, made))
    np.testing.assert_array_equal(after == 0, cut == 0)
    assert after.dtype == before.dtype
    np.testing.assert_array_equal(made["two"]["kernel"], fewer["two"]["kernel"])
    off, by_size = (np.square(seen @ (before - k)).sum() for k in (after, cut))
    assert off < 0.7 * by_size


def test_that_what_is_left_is_the_least_squares_answer() -> None:
    graph, weights, moments, seen = net()
    made = made_up(graph, weights, without_smallest(weights, 0.4), moments)["one"]["kernel"]
    damping = 0.1 * np.square(seen).sum(axis=0)
    for column in range(made.shape[1]):
        there = np.flatnonzero(weights["one"]["kernel"][:, column])
        left = np.flatnonzero(made[:, column])
        ridge = np.sqrt(np.full(len(there), damping[there].mean()))
        wide = np.vstack([seen[:, there], np.diag(ridge)])
        aim = wide @ weights["one"]["kernel"][there, column]
        best, *_ = np.linalg.lstsq(wide[:, np.isin(there, left)], aim, rcond=None)
        np.testing.assert_allclose(made[left, column], best, rtol=1e-3, atol=1e-4)


def test_that_weights_stay_where_none_becomes_zero_and_filters_may_become_empty() -> None:
    graph, weights, moments, _ = net()
    same = made_up(graph, weights, weights, moments)
    none = made_up(graph, weights, without_smallest(weights, 1.0), moments)
    for name in ("one", "two"):
        np.testing.assert_array_equal(same[name]["kernel"], weights[name]["kernel"])
        assert np.count_nonzero(none[name]["kernel"]) == 1, "the largest is not below itself"
