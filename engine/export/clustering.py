"""Weight clustering and entropy-coded size: the later stages of deep compression.

Owns k-means on the values of each kernel (linear initialisation, zeros stay zeros) and the size
that a codebook, an index and Huffman codes take (Han, Mao and Dally, ICLR 2016, sections 3 and
4). It needs only numpy and trains nothing: centroids are fitted to the weights here and fine-tuned
by :mod:`engine.export.centroids`.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.modelfile.graph import LayerGraph, Weights

MAX_ITERATIONS = 100
POSITION_BITS = 8
"""Bits of a distance between two nonzero weights; a longer one takes padding, as in the paper."""

_PADDING = 2**POSITION_BITS - 1
"""The code that says: this many weights further on, and still no nonzero one."""

_CONVOLUTION_BITS, _DENSE_BITS = 8, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCode:
    """What one clustered kernel takes. Bytes count the codebook, the indices and the positions.

    ``values`` is the number of centroids in use; ``fixed_bytes`` with indices of ``bits`` bits and
    positions of 8, ``huffman_bytes`` with Huffman codes for both, code tables included.
    """

    layer: str
    weight: str
    bits: int
    values: int
    nonzero: int
    fixed_bytes: int
    huffman_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """A model's arrays with few distinct values a kernel, and what they take when coded.

    ``other_bytes`` are the arrays that are not clustered (biases, norms), as float32. ``rmse`` is
    the root mean square change of a clustered weight.
    """

    weights: Weights
    kernels: tuple[KernelCode, ...]
    other_bytes: int
    rmse: float

    @property
    def fixed_bytes(self) -> int:
        """All of it with codes of fixed length."""
        return self.other_bytes + sum(k.fixed_bytes for k in self.kernels)

    @property
    def huffman_bytes(self) -> int:
        """All of it with Huffman codes."""
        return self.other_bytes + sum(k.huffman_bytes for k in self.kernels)


def cluster_weights(
    graph: LayerGraph,
    weights: Weights,
    *,
    bits: Mapping[str, int] | int | None = None,
    values: int | None = None,
) -> Clustered:
    """Cluster every kernel.

    Parameters
    ----------
    graph, weights
        The model; nothing of it is changed.
    bits
        Bits of an index, for all kernels or by layer name; by default 8 for convolutions and 5
        for dense layers, as in the paper.
    values
        Most different nonzero values of a kernel, instead of ``bits``: they follow from it.
    """
    made: Weights = {}
    codes: list[KernelCode] = []
    other_bytes, squares, count = 0, 0.0, 0
    for layer, arrays in weights.items():
        made[layer] = dict(arrays)
        for name, array in arrays.items():
            if not name.endswith("kernel") or array.ndim < 2 or array.dtype.kind != "f":
                other_bytes += array.nbytes
                continue
            width = _bits(graph, layer, bits)
            if values is not None:
                width = max(1, (values - 1).bit_length())
            clustered, code = _cluster(array, layer, name, width, values or 2**width)
            made[layer][name] = clustered
            codes.append(code)
            squares += float(np.sum((clustered - array).astype(np.float64) ** 2))
            count += array.size
    return Clustered(
        weights=made,
        kernels=tuple(codes),
        other_bytes=other_bytes,
        rmse=float(np.sqrt(squares / count)) if count else 0.0,
    )


def recode(clustered: Clustered, weights: Weights) -> Clustered:
    """The same after its centroids have moved: ``weights`` hold them now."""
    codes = tuple(
        code_of(weights[k.layer][k.weight], k.layer, k.weight, k.bits) for k in clustered.kernels
    )
    return replace(clustered, weights=weights, kernels=codes)


def fit_centroids(values: np.ndarray, count: int) -> np.ndarray:
    """Centroids of one-dimensional k-means, ascending; initialised linearly between the extremes.

    Linear initialisation keeps centroids for the few large weights (the paper's section 3.2).
    Fewer than ``count`` where some would be empty.
    """
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    if not ordered.size:
        return np.zeros(0)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centroids = np.unique(np.linspace(ordered[0], ordered[-1], count))
    for _ in range(MAX_ITERATIONS):
        edges = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [ordered.size]])
        filled = ends > starts
        means = (sums[ends] - sums[starts])[filled] / (ends - starts)[filled]
        if means.shape == centroids.shape and np.array_equal(means, centroids):
            break
        centroids = means
    return np.unique(centroids)


def huffman_bits(counts: np.ndarray) -> int:
    """Bits of a Huffman-coded stream in which symbol i occurs ``counts[i]`` times.

    One symbol alone takes one bit each. The code table is not counted.
    """
    heap = [int(c) for c in counts if c > 0]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        pair = heapq.heappop(heap) + heapq.heappop(heap)
        total += pair
        heapq.heappush(heap, pair)
    return total


def _bits(graph: LayerGraph, layer: str, bits: Mapping[str, int] | int | None) -> int:
    dense = graph.layers[layer].class_name == "Dense"
    default = _DENSE_BITS if dense else _CONVOLUTION_BITS
    if bits is None:
        return default
    return bits if isinstance(bits, int) else bits.get(layer, default)


def code_of(array: np.ndarray, layer: str, name: str, bits: int) -> KernelCode:
    """What a clustered kernel takes when it is coded."""
    flat = array.ravel()
    places = np.flatnonzero(flat)
    centroids, index = np.unique(flat[places], return_inverse=True)
    gaps = _gaps(places) if places.size < flat.size else np.zeros(0, np.int64)
    padding = int(np.count_nonzero(gaps == _PADDING))
    counts = np.bincount(index, minlength=centroids.size)
    gap_counts = np.bincount(gaps)
    codebook = 4 * centroids.size
    fixed = bits * (places.size + padding) + POSITION_BITS * gaps.size
    huffman = huffman_bits(counts) + huffman_bits(gap_counts)
    tables = int(np.count_nonzero(counts)) + 2 * int(np.count_nonzero(gap_counts))
    return KernelCode(
        layer=layer,
        weight=name,
        bits=bits,
        values=int(centroids.size),
        nonzero=int(places.size),
        fixed_bytes=codebook + -(-fixed // 8),
        huffman_bytes=codebook + tables + -(-huffman // 8),
    )


def _cluster(
    array: np.ndarray, layer: str, name: str, bits: int, count: int
) -> tuple[np.ndarray, KernelCode]:
    flat = array.ravel()
    places = np.flatnonzero(flat)
    centroids = fit_centroids(flat[places], count).astype(array.dtype)
    centroids = centroids[centroids != 0]
    clustered = np.zeros_like(flat)
    if centroids.size:
        index = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, flat[places])
        clustered[places] = centroids[index]
    clustered = clustered.reshape(array.shape)
    return clustered, code_of(clustered, layer, name, bits)


def _gaps(places: np.ndarray) -> np.ndarray:
    """Distances between nonzero weights as codes: padding codes, then what is left of each."""
    distances = np.diff(places, prepend=-1) - 1
    repeats = distances // _PADDING
    codes = np.full(int(repeats.sum()) + distances.size, _PADDING, np.int64)
    ends = np.cumsum(repeats + 1) - 1
    codes[ends] = distances - repeats * _PADDING
    return codes
