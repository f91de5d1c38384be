"""Layers that a person froze while training: a state of that training, not of the model.

Owns finding and lifting it in a graph. Transfer learning saves a frozen backbone; what is cut out
of it must be trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.modelfile.graph import LayerGraph, with_option


def frozen_layers(graph: LayerGraph) -> tuple[str, ...]:
    """Names of layers that would train but for being frozen, or that hold a layer which would."""
    return tuple(
        layer.name
        for layer in graph.layers.values()
        if any(weight.trainable for weight in layer.weights)
        and _thawed(layer.config) != layer.config
    )


def unfrozen(graph: LayerGraph) -> LayerGraph:
    """The graph with all its layers free to train."""
    layers = {
        name: replace(layer, config=_thawed(layer.config)) for name, layer in graph.layers.items()
    }
    return replace(graph, layers=layers)


def _thawed(config: Mapping[str, Any]) -> Any:
    return with_option(config, "trainable", (False,), True)
