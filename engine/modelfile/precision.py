"""Mixed precision as a state of training on a GPU: its weights are float32 already.

Owns taking a graph out of it. Neither LiteRT's built-in operators nor a CPU compute in float16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.modelfile.graph import LayerGraph, with_option

_MIXED = ("mixed_float16", "mixed_bfloat16")
_HALF = ("float16", "bfloat16")


def is_mixed(graph: LayerGraph) -> bool:
    """Whether layers compute in half precision with weights in float32."""
    return any(_whole(layer.config) != layer.config for layer in graph.layers.values())


def in_float32(graph: LayerGraph) -> LayerGraph:
    """The graph with such layers computing in float32, as their weights are; else the same graph.

    Values that were cast to half precision by hand stay so.
    """
    if not is_mixed(graph):
        return graph
    layers = {
        name: replace(layer, config=_whole(layer.config)) for name, layer in graph.layers.items()
    }
    fixed = {
        tensor
        for node in graph.nodes
        if graph.layers[node.layer].config.get("dtype") in _HALF
        for tensor in node.outputs
    }
    tensors = tuple(
        replace(tensor, dtype="float32") if tensor.dtype in _HALF and place not in fixed else tensor
        for place, tensor in enumerate(graph.tensors)
    )
    return replace(graph, layers=layers, tensors=tensors)


def _whole(config: Mapping[str, Any]) -> Any:
    return with_option(config, "dtype", _MIXED, "float32")
