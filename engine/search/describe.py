"""What a model looks like from outside: layers, counts, multiply-adds, zeros. Plain data.

Owns how a graph with its arrays becomes :class:`engine.events.LayerState` rows and counts. It needs
no Keras; bytes are measured elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine import ranges
from engine.channels.cost import cost
from engine.channels.groups import Channels
from engine.events import LayerState, Sizes
from engine.modelfile.graph import Layer, LayerGraph, Shape, Weights
from engine.search.origin import Origins

KERNELS = frozenset({"kernel", "depthwise_kernel", "pointwise_kernel"})
"""Weights whose zeros count."""


def is_kernel(name: str) -> bool:
    """Whether a weight's zeros count: kernels, also those inside a composite layer."""
    return name.rsplit("/", 1)[-1] in KERNELS


def layer_states(
    graph: LayerGraph,
    channels: Channels,
    *,
    weights: Weights | None,
    before: LayerGraph,
    origins: Origins | None = None,
) -> tuple[LayerState, ...]:
    """One row a layer, in the order of the graph.

    Parameters
    ----------
    graph, weights
        The model now; without ``weights`` the zeros are those that the file's reader counted.
    channels
        The channel groups of the model before any cut.
    before
        The model before any cut: channel counts are compared with it.
    origins
        Which of its channels the layers that were cut have; None: not known.
    """
    costs = cost(graph).layers
    shapes_now, shapes_before = output_shapes(graph), output_shapes(before)
    rows = []
    for name, layer in graph.layers.items():
        kernels = [w for w in layer.weights if is_kernel(w.name)]
        own = bool(layer.weights)
        group = channels.layer_group(name)
        macs = costs[name].macs if name in costs else None
        shape = shapes_now.get(name)
        rows.append(
            LayerState(
                name=name,
                class_name=layer.class_name,
                output_shape=None if shape is None else shape[1:],
                params=layer.params,
                macs=macs,
                channels=_channels(shapes_before.get(name)) if own else None,
                channels_kept=_channels(shape) if own else None,
                prunable_weights=sum(w.size for w in kernels),
                zeros=_zeros(layer, None if weights is None else weights.get(name, {})),
                group=group,
                prunable=group is not None and channels.layer_reason(name) is None,
                reason=channels.layer_reason(name) if own else None,
                kept=ranges.to_text(origins[name]) if origins and name in origins else None,
            )
        )
    return tuple(rows)


def output_shapes(graph: LayerGraph) -> dict[str, Shape | None]:
    """Output shape by layer, of its first call."""
    shapes: dict[str, Shape | None] = {}
    for node in graph.nodes:
        if node.outputs:
            shapes.setdefault(node.layer, graph.shape(node.outputs[0]))
    return shapes


def count_zeros(weights: Weights) -> int:
    """Exact zeros in kernels."""
    return sum(
        int(array.size - np.count_nonzero(array))
        for arrays in weights.values()
        for name, array in arrays.items()
        if is_kernel(name)
    )


def counts(graph: LayerGraph, weights: Weights) -> Sizes:
    """Parameters, nonzero parameters and multiply-adds; bytes are left unmeasured."""
    return Sizes(
        params=graph.params, nonzero=graph.params - count_zeros(weights), macs=cost(graph).macs
    )


def _channels(shape: Shape | None) -> int | None:
    return None if shape is None or len(shape) < 2 else shape[-1]


def _zeros(layer: Layer, arrays: Mapping[str, np.ndarray] | None) -> int | None:
    kernels = [w for w in layer.weights if is_kernel(w.name)]
    if arrays is not None:
        present = [arrays[w.name] for w in kernels if w.name in arrays]
        return sum(int(a.size - np.count_nonzero(a)) for a in present)
    known = [w.zeros for w in kernels]
    return None if any(z is None for z in known) else sum(z for z in known if z is not None)
