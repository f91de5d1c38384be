"""Network slimming's criterion: the size of a batch norm's gamma (Liu et al., ICCV 2017).

A unit's score is the mean of \\|gamma\\| over all positions of all batch norms that it holds.
"""

from __future__ import annotations

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.criteria.base import Inputs, Scores, norm_layers, per_unit, positions


def group_gamma(inputs: Inputs, group: ChannelGroup) -> np.ndarray | None:
    """Mean \\|gamma\\| of each unit; None where a unit has no gamma."""
    total, count = np.zeros(group.channels), np.zeros(group.channels)
    for name in norm_layers(inputs, group):
        gamma = inputs.weights.get(name, {}).get("gamma")
        units = inputs.channels.weight_units(name, "gamma", 0)
        if gamma is None or units is None:
            continue
        total += per_unit(group, units, np.abs(gamma.astype(np.float64)))
        count += positions(group, units)
    return total / count if (count > 0).all() else None


def every_norm_has_gamma(inputs: Inputs, group: ChannelGroup) -> bool:
    """Whether the group has a batch norm, and each has a gamma."""
    names = norm_layers(inputs, group)
    return bool(names) and all("gamma" in inputs.weights.get(n, {}) for n in names)


def gamma(inputs: Inputs) -> Scores:
    """Scores of the groups whose units all have a gamma."""
    found = {g.id: group_gamma(inputs, g) for g in inputs.channels.groups}
    return {group_id: score for group_id, score in found.items() if score is not None}
