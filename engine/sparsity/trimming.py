"""More zeros without training: the weights that are left of each filter make up for them.

Owns what they become, by least squares (optimal brain surgeon, Hassibi and Stork 1993, filter by
filter as in optimal brain compression); which weights become zero others say. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.modelfile.graph import LayerGraph, Weights
from engine.sparsity.least_squares import Part, columns, filters, unhindered


def made_up(
    graph: LayerGraph,
    before: Weights,
    zeroed: Weights,
    moments: Mapping[str, np.ndarray],
    checkpoint: Callable[[], None] = unhindered,
) -> Weights:
    """The weights with the zeros of ``zeroed``, changed so that outputs are what they were.

    Parameters
    ----------
    graph, before
        The model as it was; nothing of it is changed.
    zeroed
        Its weights with some more zeros.
    moments
        By layer, see :func:`engine.training.second_moments.second_moments`; the others are taken
        from ``zeroed`` as they are.
    checkpoint
        As for :func:`engine.sparsity.least_squares.filters`.
    """
    made: Weights = {name: dict(arrays) for name, arrays in zeroed.items()}
    for name, seen in moments.items():
        depthwise = graph.layers[name].class_name.startswith("Depthwise")
        for key, kernel in before[name].items():
            if not key.endswith("kernel"):
                continue
            stays = columns(zeroed[name][key], depthwise=depthwise) != 0
            was = columns(kernel, depthwise=depthwise)
            flat = np.zeros_like(was)
            for column, parts in filters(was, seen, checkpoint):
                for part in parts:
                    flat[part.places, column] = _left(part, stays[part.places, column])
            made[name][key] = flat.reshape(kernel.shape)
    return made


def _left(part: Part, stays: np.ndarray) -> np.ndarray:
    """A part's weights where some become zero; the others by least squares."""
    goes = ~stays
    if not goes.any():
        return part.weights
    left = np.zeros(len(stays))
    if stays.any():
        lost = part.moments[np.ix_(stays, goes)] @ part.weights[goes]
        among = part.moments[np.ix_(stays, stays)]
        left[stays] = part.weights[stays] + np.linalg.solve(among, lost)
    return left
