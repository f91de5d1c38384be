"""Few values a filter: kernels rounded so that a file of them packs smaller.

Owns the grid that a filter's weights are rounded to, and how one weight's error is made up for by
the others (optimal brain compression, Frantar, Singh and Alistarh, NeurIPS 2022, section 5; in a
fixed order, as in GPTQ, Frantar et al., ICLR 2023). Sharing values among weights is the second
stage of deep compression (Han, Mao and Dally, ICLR 2016, section 3); theirs are found by k-means
and one set for a layer. These are equally spaced and one set for each filter, symmetric around
zero, as int8 has them with a scale for each channel: rounded to 15 values a filter, a layer has 15
int8 codes, however much its filters differ in scale. Norms stay as they are, and so do the first
kernel and the last: they hold few of the weights, and rounding them costs as much as all others do
(a VGG with 9,000 weights left, to 15 values: 0.40 points with them, 0.02 without; as in DoReFa-Net,
Zhou et al. 2016). NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from engine.modelfile.graph import LayerGraph, Weights
from engine.sparsity.least_squares import Part, columns, filters, unhindered
from engine.sparsity.levels import PRUNABLE

_REACHES = np.array([1.0, 0.9, 0.8, 0.7])
"""How far a grid may reach, in parts of the filter's largest magnitude: a shorter one is finer."""

_AT_ONCE = 64
"""Parts of filters that are rounded side by side: calls of numpy would else take half the time."""

_ROUNDED = (*PRUNABLE, "DepthwiseConv1D", "DepthwiseConv2D")


def rounded(
    graph: LayerGraph,
    weights: Weights,
    values: int,
    moments: Mapping[str, np.ndarray] | None = None,
    checkpoint: Callable[[], None] = unhindered,
) -> Weights:
    """The weights with at most ``values`` different ones in each filter of each kernel.

    They are multiples of the filter's largest magnitude over ``(values - 1) / 2``, or of a share of
    it where there are moments. Zeros stay zeros, and what is nearer to zero than to the next
    multiple becomes one. The first kernel and the last, in the order of the graph's calls, are left
    alone.

    Parameters
    ----------
    graph, weights
        The model; nothing of it is changed.
    values
        An odd number, at least 3.
    moments
        By layer, the second moments of what its filters see
        (:func:`engine.training.second_moments.second_moments`): with them the weights that are not
        zero are chosen so that the outputs of each filter change least.
    checkpoint
        As for :func:`engine.sparsity.least_squares.filters`.

    Raises
    ------
    ValueError
        For another number.
    """
    if values < 3 or values % 2 == 0:
        raise ValueError(f"an odd number of values, at least 3, is needed: {values}")
    made: Weights = {name: dict(arrays) for name, arrays in weights.items()}
    for name in layers_rounded(graph):
        kind, arrays = graph.layers[name].class_name, made[name]
        for key, array in arrays.items():
            if not key.endswith("kernel"):
                continue
            if moments is not None and name in moments:
                depthwise = kind.startswith("Depthwise")
                flat = columns(array, depthwise=depthwise)
                found = filters(flat, moments[name], checkpoint)
                arrays[key] = _made_up(flat, found, values).reshape(array.shape)
            else:
                arrays[key] = _on_grid(array, _within(kind, key, array.ndim), values)
    return made


def layers_rounded(graph: LayerGraph) -> list[str]:
    """Layers with kernels in the order of the graph's calls, once each; not the first and last."""
    names = dict.fromkeys(node.layer for node in graph.nodes)
    layers = (graph.layers[name] for name in names)
    return [la.name for la in layers if la.class_name in _ROUNDED and la.opaque is None][1:-1]


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


def _made_up(flat: np.ndarray, found: Iterable[tuple[int, list[Part]]], values: int) -> np.ndarray:
    """Filters [inputs, filters] on a grid each, errors made up for by the weights that follow."""
    steps = (values - 1) // 2
    made = np.zeros_like(flat)
    for batch in _batches(found):
        parts = [(column, part) for column, own in batch for part in own]
        largest = np.abs(flat[:, [column for column, _ in parts]]).max(axis=0).astype(np.float64)
        tried, off = _on_grids(
            [part for _, part in parts], np.outer(largest, _REACHES) / steps, steps
        )
        at = 0
        for column, own in batch:
            best = np.argmin(off[at : at + len(own)].sum(axis=0))
            for number, part in enumerate(own, at):
                # what was a small negative weight is no negative zero, see Masks.finish
                made[part.places, column] = tried[number, best, : len(part.places)] + 0.0
            at += len(own)
    return made


def _batches(
    found: Iterable[tuple[int, list[Part]]],
) -> Iterator[list[tuple[int, list[Part]]]]:
    """Filters, so many that they have :data:`_AT_ONCE` parts."""
    batch: list[tuple[int, list[Part]]] = []
    for one in found:
        batch.append(one)
        if sum(len(parts) for _, parts in batch) >= _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _on_grids(parts: list[Part], grids: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of each part on each of its grids, and how far the sums with what they see are off.

    One after another is rounded, those that see most first, and the others take up its error.

    Parameters
    ----------
    grids
        Distances of neighbouring values [parts, grids].

    Returns
    -------
    tuple
        [parts, grids, weights of the longest part], in the order of the part's places and then
        zeros; [parts, grids].
    """
    longest = max(len(part.places) for part in parts)
    wanted = np.zeros((len(parts), longest))
    moments = np.tile(np.eye(longest), (len(parts), 1, 1))
    order = np.tile(np.arange(longest), (len(parts), 1))
    for i, part in enumerate(parts):
        count = len(part.places)
        first = np.argsort(-np.diag(part.moments), kind="stable")
        order[i, :count] = first
        wanted[i, :count] = part.weights[first]
        moments[i, :count, :count] = part.moments[np.ix_(first, first)]
    pull = np.linalg.cholesky(np.linalg.inv(moments)).transpose(0, 2, 1)
    moved = np.tile(wanted[:, None], (1, grids.shape[1], 1))
    made = np.zeros_like(moved)
    for at in range(longest):
        made[:, :, at] = np.clip(np.round(moved[:, :, at] / grids), -steps, steps) * grids
        error = (moved[:, :, at] - made[:, :, at]) / pull[:, at, at, None]
        moved[:, :, at + 1 :] -= error[:, :, None] * pull[:, None, at, at + 1 :]
    off = made - wanted[:, None]
    back = np.argsort(order, axis=1)[:, None]
    return np.take_along_axis(made, back, axis=2), np.einsum("pgi,pij,pgj->pg", off, moments, off)
