"""Shrinking by hand, as numbers: what keeping and zeroing so much would leave of a model.

Owns the estimate that stands beside a person's choices, layer by layer. Nothing is cut and nothing
is run: ``secateur slim`` does that, with the same shares. Neither Keras nor Qt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.channels.groups import ChannelGroup
from engine.channels.plan import rounded
from engine.channels.price import WidthCost
from engine.channels.trace import trace
from engine.events import LayerState
from engine.modelfile.reader import read_model
from engine.sparsity.levels import prunable_weights


class ByHand:
    """A model that was read, and its price at other widths.

    Parameters
    ----------
    layers
        Its layers as they are.
    """

    def __init__(
        self,
        path: Path,
        layers: tuple[LayerState, ...],
        *,
        weights: Path | None = None,
        custom: Path | None = None,
    ) -> None:
        graph = read_model(path, weights=weights, custom=custom).graph
        channels = trace(graph)
        self.layers = layers
        self.groups: dict[str, ChannelGroup] = {g.id: g for g in channels.groups}
        self.sparse = frozenset(layer for layer, _ in prunable_weights(graph))
        self._prunable = frozenset(prunable_weights(graph))
        self._price = WidthCost(channels)

    def width(self, group: str, keep: float) -> int:
        """Channels that a share leaves of a group, as ``slim`` counts them."""
        found = self.groups[group]
        if not found.prunable or keep >= 1.0:
            return found.channels
        return max(found.pinned, rounded(round(keep * found.channels), found.channels, 1))

    def left(
        self, keep: Mapping[str, float], sparsity: Mapping[str, float]
    ) -> tuple[LayerState, ...]:
        """The layers that would be left; a cut may add a few biases, see ``WidthCost`` for more.

        Parameters
        ----------
        keep
            Share of the channels kept, by group id; those that are not named stay whole.
        sparsity
            Share of zeros, by layer; a kernel keeps those that it has.
        """
        widths = {group: self.width(group, share) for group, share in keep.items()}
        params: dict[str, float] = {}
        macs: dict[str, float] = {}
        kernels: dict[str, float] = {}
        for weight in self._price.weights(widths):
            name = weight.layer
            params[name] = params.get(name, 0.0) + weight.elements
            macs[name] = macs.get(name, 0.0) + weight.macs
            if (name, weight.weight) in self._prunable:
                kernels[name] = weight.elements
        return tuple(
            self._layer(s, widths, params, macs, kernels, sparsity.get(s.name, 0.0))
            for s in self.layers
        )

    def _layer(
        self,
        layer: LayerState,
        widths: Mapping[str, int],
        params: Mapping[str, float],
        macs: Mapping[str, float],
        kernels: Mapping[str, float],
        sparsity: float,
    ) -> LayerState:
        if layer.name not in params:
            return layer
        kept, zeros, shape = layer.channels, layer.zeros, layer.output_shape
        group = layer.group
        if group is not None and group in widths and layer.channels is not None:
            kept = round(layer.channels * widths[group] / self.groups[group].channels)
            if shape and shape[-1] == layer.channels:
                shape = (*shape[:-1], kept)
        size = layer.prunable_weights
        if layer.name in kernels:
            had = 0.0 if not zeros or not size else zeros / size
            size = round(kernels[layer.name])
            zeros = round(max(had, sparsity) * size)
        return replace(
            layer,
            output_shape=shape,
            params=round(params[layer.name]),
            macs=None if layer.macs is None else round(macs[layer.name]),
            channels_kept=kept,
            prunable_weights=size,
            zeros=zeros,
        )
