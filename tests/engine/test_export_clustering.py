"""Clustered kernels: few values, zeros where they were, sizes that count everything."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.export.clustering import (
    _PADDING,
    Clustered,
    _gaps,
    cluster_weights,
    fit_centroids,
    huffman_bits,
)
from engine.modelfile.graph import Layer, LayerGraph, Weights


def model(sparsity: float) -> tuple[LayerGraph, Weights]:
    """A convolution and a dense layer with random weights, some of them zero."""
    rng = np.random.default_rng(3)
    weights: Weights = {}
    for name, shape in (("conv", (3, 3, 16, 32)), ("dense", (256, 40))):
        kernel = rng.normal(size=shape).astype(np.float32)
        kernel[np.abs(kernel) < np.quantile(np.abs(kernel), sparsity)] = 0
        weights[name] = {"kernel": kernel, "bias": rng.normal(size=shape[-1:]).astype(np.float32)}
    layers = {
        "conv": Layer(name="conv", class_name="Conv2D"),
        "dense": Layer(name="dense", class_name="Dense"),
    }
    graph = LayerGraph(name="m", layers=layers, nodes=(), tensors=(), inputs=(), outputs=())
    return graph, weights


def clustered(sparsity: float, bits: int | None = None) -> tuple[Weights, Clustered]:
    """The weights before, and what clustering made of them."""
    graph, weights = model(sparsity)
    return weights, cluster_weights(graph, weights, bits=bits)


@pytest.mark.parametrize("sparsity", [0.0, 0.8])
def test_that_kernels_get_few_values_and_keep_their_zeros(sparsity: float) -> None:
    before, after = clustered(sparsity)
    for name, limit in (("conv", 256), ("dense", 32)):
        old, new = before[name]["kernel"], after.weights[name]["kernel"]
        assert new.dtype == old.dtype
        np.testing.assert_array_equal(new == 0, old == 0)
        assert len(np.unique(new[new != 0])) <= limit
        np.testing.assert_array_equal(after.weights[name]["bias"], before[name]["bias"])
    assert 0 < after.rmse < 0.1
    assert after.other_bytes == 4 * (32 + 40)


def test_that_fewer_bits_cost_accuracy_and_save_bytes() -> None:
    found = [clustered(0.8, bits)[1] for bits in (2, 4, 6)]
    assert found[0].rmse > found[1].rmse > found[2].rmse
    assert found[0].huffman_bytes < found[1].huffman_bytes < found[2].huffman_bytes


def test_that_codes_are_smaller_than_what_gzip_makes_of_the_arrays() -> None:
    before, after = clustered(0.8, 4)
    raw = b"".join(a.tobytes() for arrays in before.values() for a in arrays.values())
    packed = b"".join(a.tobytes() for arrays in after.weights.values() for a in arrays.values())
    assert after.huffman_bytes < after.fixed_bytes
    assert after.huffman_bytes < len(gzip.compress(packed, 9)) < len(gzip.compress(raw, 9))


def test_that_huffman_codes_stay_within_a_bit_of_the_entropy() -> None:
    counts = np.array([50, 20, 20, 5, 4, 1])
    share = counts / counts.sum()
    entropy = float(-(share * np.log2(share)).sum()) * counts.sum()
    assert entropy <= huffman_bits(counts) < entropy + counts.sum()
    assert huffman_bits(np.array([1, 1, 2])) == 6
    assert huffman_bits(np.array([7])) == 7
    assert huffman_bits(np.zeros(3, int)) == 0


def test_that_centroids_are_means_of_what_they_stand_for() -> None:
    values = np.array([0.0, 0.1, 0.2, 5.0, 5.2, 10.0])
    np.testing.assert_allclose(fit_centroids(values, 3), [0.1, 5.1, 10.0])
    np.testing.assert_allclose(fit_centroids(np.array([2.0, 2.0]), 4), [2.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40, unique=True))
def test_that_positions_can_be_read_back_from_their_codes(places: list[int]) -> None:
    expected = np.sort(np.array(places))
    found, at = [], -1
    for code in _gaps(expected):
        at += int(code)
        if code != _PADDING:
            at += 1
            found.append(at)
    assert found == expected.tolist()
