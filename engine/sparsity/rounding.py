"""Few values a filter: kernels rounded so that a file of them packs smaller.

Owns the grid that a filter's weights are rounded to. Sharing values among weights is the second
stage of deep compression (Han, Mao and Dally, ICLR 2016, section 3); theirs are found by k-means
and one set for a layer. These are equally spaced and one set for each filter, symmetric around
zero, as int8 has them with a scale for each channel: rounded to 15 values a filter, a layer has 15
int8 codes, however much its filters differ in scale. Norms stay as they are, and so do the first
kernel and the last: they hold few of the weights, and rounding them costs as much as all others do
(a VGG with 9,000 weights left, to 15 values: 0.40 points with them, 0.02 without; as in DoReFa-Net,
Zhou et al. 2016). NumPy only.
"""

from __future__ import annotations

import numpy as np

from engine.modelfile.graph import LayerGraph, Weights
from engine.sparsity.levels import PRUNABLE

_ROUNDED = (*PRUNABLE, "DepthwiseConv1D", "DepthwiseConv2D")


def rounded(graph: LayerGraph, weights: Weights, values: int) -> Weights:
    """The weights with at most ``values`` different ones in each filter of each kernel.

    They are multiples of the filter's largest magnitude over ``(values - 1) / 2``. Zeros stay
    zeros, and what is nearer to zero than to the next multiple becomes one. The first kernel and
    the last, in the order of the graph's calls, are left alone.

    Parameters
    ----------
    graph, weights
        The model; nothing of it is changed.
    values
        An odd number, at least 3.

    Raises
    ------
    ValueError
        For another number.
    """
    if values < 3 or values % 2 == 0:
        raise ValueError(f"an odd number of values, at least 3, is needed: {values}")
    made: Weights = {name: dict(arrays) for name, arrays in weights.items()}
    for name in _layers(graph)[1:-1]:
        kind, arrays = graph.layers[name].class_name, made[name]
        for key, array in arrays.items():
            if key.endswith("kernel"):
                arrays[key] = _on_grid(array, _within(kind, key, array.ndim), values)
    return made


def _layers(graph: LayerGraph) -> list[str]:
    """Layers with kernels in the order of the graph's calls, once each."""
    names = dict.fromkeys(node.layer for node in graph.nodes)
    layers = (graph.layers[name] for name in names)
    return [la.name for la in layers if la.class_name in _ROUNDED and la.opaque is None]


def _within(kind: str, key: str, rank: int) -> tuple[int, ...]:
    """The axes of a kernel along which a filter goes."""
    if kind.startswith("Depthwise") or key == "depthwise_kernel":
        return tuple(range(rank - 2))
    own = rank - 2 if kind.endswith("Transpose") else rank - 1
    return tuple(axis for axis in range(rank) if axis != own)


def _on_grid(kernel: np.ndarray, within: tuple[int, ...], values: int) -> np.ndarray:
    steps = (values - 1) // 2
    largest = np.abs(kernel).max(axis=within, keepdims=True).astype(np.float32)
    step = np.where(largest > 0, largest, np.float32(1)) / np.float32(steps)
    # what was a small negative weight is no negative zero, see Masks.finish
    return np.asarray(np.round(kernel / step) * step + 0.0, kernel.dtype)
