"""What every criterion shares: the members of a unit, and sums over them.

Owns how an array of a weight is gathered into one number per unit of a group. A criterion is a
function of graph, arrays and channel groups; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from engine.channels.groups import Axis, ChannelGroup, Channels
from engine.errors import UserError
from engine.modelfile.graph import LayerGraph, Weights

Scores = dict[str, np.ndarray]
"""Per group id one number a unit; higher is more important."""

Gradients = Mapping[str, Mapping[str, np.ndarray]]
"""Like weights: the loss's gradient on one batch, by layer and weight name."""


Measured = Callable[[str], Scores]
"""What a short phase with training images found for the criterion of that name, by group and
unit; it begins when it is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """All that a criterion may look at. ``gradients`` and ``measured`` are None without data."""

    graph: LayerGraph
    weights: Weights
    channels: Channels
    seed: int = 0
    gradients: Iterable[Gradients] | None = None
    measured: Measured | None = None


Criterion = Callable[[Inputs], Scores]
"""Scores of each group it can judge; a group that it leaves out is not cut."""


def measured(inputs: Inputs, criterion: str) -> Scores:
    """What a phase with training images found for a criterion.

    Raises
    ------
    UserError
        Without data there is no such phase.
    """
    if inputs.measured is None:
        raise UserError(
            "criterion.needs_data",
            f"This criterion is learned on labelled images, and there are none: {criterion}.",
            "Use it with 'secateur prune', or choose another criterion.",
        )
    return inputs.measured(criterion)


def axes_of(inputs: Inputs, group: ChannelGroup) -> Iterator[Axis]:
    """The weight axes that hold units of a group."""
    last = group.first_unit + group.channels
    for axis in inputs.channels.axes:
        if axis.layer in inputs.weights and axis.weight in inputs.weights[axis.layer]:
            units = axis.units
            if ((units >= group.first_unit) & (units < last)).any():
                yield axis


def per_unit(group: ChannelGroup, units: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of ``values`` (one per position) over each unit of a group."""
    local = units - group.first_unit
    inside = (local >= 0) & (local < group.channels)
    return np.bincount(local[inside], values[inside], minlength=group.channels)


def positions(group: ChannelGroup, units: np.ndarray) -> np.ndarray:
    """How many positions of an axis each unit of a group holds."""
    return per_unit(group, units, np.ones(units.size))


def is_kernel(inputs: Inputs, axis: Axis) -> bool:
    """Whether it is a kernel that makes or reads channels, or a depthwise one."""
    return inputs.weights[axis.layer][axis.weight].ndim > 1


def norm_layers(inputs: Inputs, group: ChannelGroup) -> list[str]:
    """The batch norms among a group's members."""
    layers = inputs.graph.layers
    return [n for n in group.layers if layers[n].class_name == "BatchNormalization"]
