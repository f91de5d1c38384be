"""Group norm: the L2 norm of all kernels that a unit holds, in every layer (DepGraph, CVPR 2023).

Each kernel (those that make the channels, those that go along, those that read them) first counts
relative to its own mean, so that a large layer does not drown a small one.
"""

from __future__ import annotations

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.criteria.base import Inputs, Scores, axes_of, is_kernel, per_unit, positions, squares


def group_norm(inputs: Inputs, group: ChannelGroup) -> np.ndarray:
    """Root of the mean of the units' relative squared norms over the group's kernels."""
    total, count = np.zeros(group.channels), np.zeros(group.channels)
    for axis in axes_of(inputs, group):
        if not is_kernel(inputs, axis):
            continue
        held = positions(group, axis.units)
        values = per_unit(
            group, axis.units, squares(inputs.weights[axis.layer][axis.weight], axis.axis)
        )
        mean = values.sum() / max(held.sum(), 1)
        if mean > 0:
            total += values / mean
        count += held
    return np.sqrt(total / np.maximum(count, 1))


def norm(inputs: Inputs) -> Scores:
    """Scores of all groups."""
    return {g.id: group_norm(inputs, g) for g in inputs.channels.groups}
