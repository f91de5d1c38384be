"""Which channels of the model as opened each layer of a cut one still makes.

Owns how one cut after another comes to positions in the first model, and how the journal holds
them, from which a resumed search goes on. It decides nothing and knows nothing of weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from engine import ranges
from engine.channels.groups import Channels
from engine.events import LayerState

Origins: TypeAlias = Mapping[str, tuple[int, ...]]
"""By layer, the original position of each channel that it makes; layers that are whole are left
out."""


def narrowed(
    origins: Origins | None, channels: Channels, keep: Mapping[str, tuple[int, ...]]
) -> Origins | None:
    """The origins after one more cut.

    Parameters
    ----------
    origins
        Those before it; None: not known.
    channels
        The channel groups of the model that is cut.
    keep
        What its plan keeps, by group.
    """
    if origins is None:
        return None
    mask = channels.keep_mask(keep)
    found = dict(origins)
    for layer, tensor in _outputs(channels).items():
        units = channels.tensor_units[tensor]
        if units is None:
            continue
        stays = ((units < 0) | mask[units]).ravel()
        if not stays.all():
            before = origins.get(layer, range(stays.size))
            found[layer] = tuple(itertools.compress(before, stays.tolist()))
    return found


def origins_told(layers: Iterable[LayerState]) -> Origins | None:
    """The origins that the journal has of a model; None where it was cut and does not say how."""
    found = {}
    for layer in layers:
        if layer.kept is not None:
            found[layer.name] = ranges.from_text(layer.kept)
        elif layer.channels_kept != layer.channels:
            return None
    return found


def _outputs(channels: Channels) -> dict[str, int]:
    """The tensor of the first call of each layer with weights."""
    graph, found = channels.graph, dict[str, int]()
    for node in graph.nodes:
        if node.outputs and graph.layers[node.layer].weights:
            found.setdefault(node.layer, node.outputs[0])
    return found
