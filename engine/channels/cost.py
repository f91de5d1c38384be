"""Parameters and multiply-adds of a graph, per layer, without running it.

Owns the sums; each op knows its own MACs. MACs are multiply-adds per sample of convolutions
(plain, transposed, depthwise, separable) and dense layers at the declared input, a shared layer
once per call. After a cut they are simply those of the narrower graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.channels.ops import op_of
from engine.channels.trace import call_of
from engine.modelfile.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """Parameters of a layer, and multiply-adds a sample (None where a size is unknown)."""

    params: int
    macs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of a model. ``macs`` is None where any layer's is."""

    params: int
    macs: int | None
    layers: Mapping[str, LayerCost]


def cost(graph: LayerGraph) -> Cost:
    """Params and MACs per layer; params are Keras's count (norm statistics in)."""
    macs: dict[str, int | None] = dict.fromkeys(graph.layers, 0)
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        call = call_of(graph, node)
        op = op_of(layer)
        each = op.macs(call) if call is not None else (None if op.reads else 0)
        before = macs[node.layer]
        macs[node.layer] = None if each is None or before is None else before + each
    layers = {
        name: LayerCost(params=layer.params, macs=macs[name])
        for name, layer in graph.layers.items()
    }
    known = [n for n in macs.values() if n is not None]
    return Cost(
        params=graph.params,
        macs=sum(known) if len(known) == len(macs) else None,
        layers=layers,
    )
