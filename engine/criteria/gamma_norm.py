"""Scale times norm: gamma, where there is one, times the group norm."""

from __future__ import annotations

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.criteria.base import Inputs, Scores, norm_layers, per_unit, positions
from engine.criteria.norm import group_norm


def group_gamma_norm(inputs: Inputs, group: ChannelGroup) -> np.ndarray:
    """A unit without gamma (``scale=False``, or no norm at all) has scale 1."""
    total, count = np.zeros(group.channels), np.zeros(group.channels)
    for name in norm_layers(inputs, group):
        gamma = inputs.weights.get(name, {}).get("gamma")
        units = inputs.channels.weight_units(name, "gamma", 0)
        if gamma is not None and units is not None:
            total += per_unit(group, units, np.abs(gamma.astype(np.float64)))
            count += positions(group, units)
    scale = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    scores: np.ndarray = scale * group_norm(inputs, group)
    return scores


def gamma_norm(inputs: Inputs) -> Scores:
    """Scores of all groups."""
    return {g.id: group_gamma_norm(inputs, g) for g in inputs.channels.groups}
