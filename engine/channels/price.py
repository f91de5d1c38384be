"""What a model would cost at other widths, without cutting it.

Owns the price of widths: parameters and multiply-adds as a function of how many channels each group
has. Pure; it knows nothing of arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.channels.cost import cost
from engine.channels.groups import Channels

Widths = Mapping[str, int]
"""Channels by group id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightPrice:
    """One weight at some widths: its elements, and the multiply-adds that they take a sample."""

    layer: str
    weight: str
    elements: float
    macs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """One weight: its size is ``rest`` times each axis's width, its MACs ``macs`` an element."""

    layer: str
    weight: str
    rest: int
    axes: tuple[tuple[int, tuple[tuple[str, int], ...]], ...]
    macs: float

    def elements(self, share: Mapping[str, float]) -> float:
        """Its size where that share is left of each group."""
        size = float(self.rest)
        for fixed, held in self.axes:
            size *= fixed + sum(count * share[group] for group, count in held)
        return size


class WidthCost:
    """Parameters and multiply-adds of a model as a function of its groups' widths.

    Every position of a weight's axis belongs to a group or to none, so the size of the weight is a
    product of sums that are linear in the widths. Exact where every channel of a group is read as
    often as the others, which a slice or a flatten of part of a tensor breaks.
    """

    def __init__(self, channels: Channels) -> None:
        graph = channels.graph
        self._whole = {group.id: group.channels for group in channels.groups}
        ids = [group.id for group in channels.groups]
        macs = {name: layer.macs or 0 for name, layer in cost(graph).layers.items()}
        self._terms = []
        for layer in graph.layers.values():
            elements = sum(w.size for w in layer.weights if len(w.shape) > 1)
            for spec in layer.weights:
                rest, axes = 1, []
                for index, size in enumerate(spec.shape):
                    units = channels.weight_units(layer.name, spec.name, index)
                    if units is None:
                        rest *= size
                        continue
                    owners = channels.unit_group[units[units >= 0]]
                    numbers, counts = np.unique(owners, return_counts=True)
                    held = tuple(
                        (ids[n], c) for n, c in zip(numbers.tolist(), counts.tolist(), strict=True)
                    )
                    axes.append((int((units < 0).sum()), held))
                counted = len(spec.shape) > 1 and elements > 0
                each = macs[layer.name] / elements if counted else 0.0
                self._terms.append(
                    _Term(
                        layer=layer.name, weight=spec.name, rest=rest, axes=tuple(axes), macs=each
                    )
                )

    def __call__(self, widths: Widths) -> tuple[float, float]:
        """Parameters and multiply-adds; a group that is not named is whole."""
        share = self._shares(widths)
        params = macs = 0.0
        for term in self._terms:
            size = term.elements(share)
            params += size
            macs += size * term.macs
        return params, macs

    def weights(self, widths: Widths) -> tuple[WeightPrice, ...]:
        """The same weight by weight."""
        share = self._shares(widths)
        sizes = [(term, term.elements(share)) for term in self._terms]
        return tuple(
            WeightPrice(layer=t.layer, weight=t.weight, elements=size, macs=size * t.macs)
            for t, size in sizes
        )

    def _shares(self, widths: Widths) -> dict[str, float]:
        return {group: widths.get(group, whole) / whole for group, whole in self._whole.items()}
