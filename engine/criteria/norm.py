"""Group norm: the size of all kernels that a unit holds, in every layer (DepGraph, CVPR 2023).

Each kernel (those that make the channels, those that go along, those that read them) first counts
relative to its own mean, so that a large layer does not drown a small one.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, Literal

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.channels.tracer import Role
from engine.criteria.base import Inputs, Scores, axes_of, is_kernel, per_unit, positions

_ALL: Final[frozenset[Role]] = frozenset({"out", "in", "through"})


def group_norm(
    inputs: Inputs, group: ChannelGroup, order: Literal[1, 2] = 2, *, roles: Container[Role] = _ALL
) -> np.ndarray:
    """Mean relative norm of each unit over the group's kernels, L2 (of squares) or L1.

    ``roles`` says which kernels count: those that make, read or go along with the channels.
    """
    total, count = np.zeros(group.channels), np.zeros(group.channels)
    for axis in axes_of(inputs, group):
        if axis.role not in roles or not is_kernel(inputs, axis):
            continue
        held = positions(group, axis.units)
        array = inputs.weights[axis.layer][axis.weight].astype(np.float64)
        others = tuple(a for a in range(array.ndim) if a != axis.axis)
        values = per_unit(group, axis.units, (np.abs(array) ** order).sum(axis=others))
        mean = values.sum() / max(held.sum(), 1)
        if mean > 0:
            total += values / mean
        count += held
    mean_power: np.ndarray = total / np.maximum(count, 1)
    return mean_power ** (1 / order)


def norm(inputs: Inputs) -> Scores:
    """L2 scores of all groups."""
    return {g.id: group_norm(inputs, g) for g in inputs.channels.groups}


def norm_l1(inputs: Inputs) -> Scores:
    """L1 scores of all groups (Li et al., ICLR 2017, over the whole group)."""
    return {g.id: group_norm(inputs, g, 1) for g in inputs.channels.groups}
