"""How much of each kernel becomes zero: from one share of the whole model to levels by layer.

Owns which weights can be made sparse, the counting of zeros in plain arrays, and the allocation.
NumPy only: it knows neither Keras nor TF-MOT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from engine.modelfile.graph import Layer, LayerGraph, Weights
from engine.sparsity.settings import ReachedSparsity, WeightKey

Ranking = Literal["lamp", "magnitude"]

PRUNABLE = {
    "Dense": "kernel",
    "Conv1D": "kernel",
    "Conv2D": "kernel",
    "Conv3D": "kernel",
    "Conv1DTranspose": "kernel",
    "Conv2DTranspose": "kernel",
    "Conv3DTranspose": "kernel",
    "SeparableConv1D": "pointwise_kernel",
    "SeparableConv2D": "pointwise_kernel",
}
"""The weight that is made sparse, by layer class. Depthwise kernels are not: they are small, and
each of their zeros costs much (TF-MOT leaves them alone too)."""


def prunable_weights(graph: LayerGraph) -> tuple[WeightKey, ...]:
    """Weights that can be made sparse, in the order of the graph's calls, once each."""
    keys: dict[WeightKey, None] = {}
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        weight = PRUNABLE.get(layer.class_name)
        if weight is not None and layer.opaque is None and not _is_depthwise(layer):
            keys[(layer.name, weight)] = None
    return tuple(keys)


def _is_depthwise(layer: Layer) -> bool:
    """Whether a grouped convolution sees one channel a group."""
    groups = layer.config.get("groups", 1)
    kernels = [spec for spec in layer.weights if spec.name == "kernel"]
    return isinstance(groups, int) and groups > 1 and any(k.shape[-2] == 1 for k in kernels)


def sparsity_of(weights: Weights, keys: Iterable[WeightKey]) -> dict[WeightKey, ReachedSparsity]:
    """Exact zeros of each weight."""
    found = {}
    for layer, weight in keys:
        array = weights[layer][weight]
        zeros = array.size - int(np.count_nonzero(array))
        found[(layer, weight)] = ReachedSparsity(zeros=zeros, size=array.size)
    return found


def total_sparsity(found: Mapping[WeightKey, ReachedSparsity]) -> float:
    """Share of zeros over all weights together; 0 without any."""
    size = sum(reached.size for reached in found.values())
    return sum(reached.zeros for reached in found.values()) / size if size else 0.0


def levels_uniform(
    weights: Weights, keys: Iterable[WeightKey], target: float
) -> dict[WeightKey, float]:
    """The same share of zeros everywhere; a weight that has more keeps it."""
    return {
        key: max(target, reached.share) if reached.share < 1.0 else target
        for key, reached in sparsity_of(weights, keys).items()
    }


def levels_global(
    weights: Weights,
    keys: Iterable[WeightKey],
    target: float,
    *,
    ranking: Ranking = "lamp",
    cap: float = 0.98,
    edge_cap: float = 0.9,
) -> dict[WeightKey, float]:
    """Levels by layer that follow from one ranking of all weights of the model.

    Parameters
    ----------
    weights
        The arrays; zeros that are there stay.
    keys
        The weights to rank, first to last as :func:`prunable_weights` gives them.
    target
        Share of zeros over all of them together, 0..1 without 1.
    ranking
        ``magnitude``: by absolute value. ``lamp``: by the square over the sum of all squares
        that are not smaller in the same weight (Lee et al., ICLR 2021), which does not depend
        on a layer's scale, and a norm behind a layer makes that scale arbitrary.
    cap, edge_cap
        No weight gets a larger share of zeros than ``cap``, the first and the last one not
        more than ``edge_cap``; where the target cannot be had so, all give alike.

    Returns
    -------
    dict
        Share of zeros by weight; together they give the target to within one element.
    """
    names = list(keys)
    scores = [np.sort(_scores(weights[layer][weight], ranking))[::-1] for layer, weight in names]
    if not scores:
        return {}
    sizes = np.array([len(score) for score in scores])
    alive = np.array([int(np.count_nonzero(score)) for score in scores])
    keep = min(round((1.0 - target) * int(sizes.sum())), int(alive.sum()))
    caps = np.full(len(names), cap)
    caps[0] = caps[-1] = min(cap, edge_cap)
    floor = np.minimum(np.ceil((1.0 - caps) * sizes).astype(int), alive)
    if floor.sum() > keep:
        floor = np.maximum(np.floor(floor * (keep / floor.sum())).astype(int), 1)
    rest = [score[low:high] for score, low, high in zip(scores, floor, alive, strict=True)]
    left = max(0, keep - int(floor.sum()))
    owner = np.repeat(np.arange(len(rest)), [len(part) for part in rest])
    best = np.argsort(-np.concatenate(rest), kind="stable")[:left]
    kept = floor + np.bincount(owner[best], minlength=len(rest))
    return {
        key: float(1.0 - count / size) for key, count, size in zip(names, kept, sizes, strict=True)
    }


def zeroed(weights: Weights, levels: Mapping[WeightKey, float]) -> Weights:
    """The arrays with each weight's smallest elements zero, to its level; nothing is trained."""
    found = {layer: dict(arrays) for layer, arrays in weights.items()}
    for (layer, weight), level in levels.items():
        array = np.array(found[layer][weight], order="C")
        count = round(level * array.size)
        smallest = np.argsort(np.abs(array), axis=None, kind="stable")[:count]
        array.ravel()[smallest] = 0
        found[layer][weight] = array
    return found


def _scores(array: np.ndarray, ranking: Ranking) -> np.ndarray:
    """Scores of all elements, flat; 0 exactly where the element is 0."""
    size = np.abs(array.astype(np.float64).ravel())
    if ranking == "magnitude":
        return size
    order = np.argsort(-size, kind="stable")
    squares = size[order] ** 2
    scores = np.empty_like(size)
    not_smaller = np.cumsum(squares)
    scores[order] = np.divide(
        squares, not_smaller, out=np.zeros_like(squares), where=not_smaller > 0
    )
    return scores
