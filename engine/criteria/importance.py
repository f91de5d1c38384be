"""Importance weights: a trained scale for each channel, times the norm of its filter.

Sawant et al., Applied Sciences 12(21):11184, 2022: the criterion of nets without batch norms, in
which network slimming has nothing to look at. Where every norm of a group has a gamma, that is the
scale already (one before a batch norm would be cancelled by it), and the filter's norm, which the
batch norm cancels too, does not count. :mod:`engine.training.importance` trains the scales.
"""

from __future__ import annotations

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.criteria.base import Inputs, Scores, measured
from engine.criteria.gamma import every_norm_has_gamma, group_gamma
from engine.criteria.norm import group_norm


def has_own_scale(inputs: Inputs, group: ChannelGroup) -> bool:
    """Whether batch norms scale every channel of a group, so that gamma is its importance."""
    return every_norm_has_gamma(inputs, group) and group_gamma(inputs, group) is not None


def filter_norm(inputs: Inputs, group: ChannelGroup) -> np.ndarray:
    """Norm of the filters that make each unit, relative to their mean."""
    return group_norm(inputs, group, roles=("out",))


def importance(inputs: Inputs) -> Scores:
    """Scores of all groups that can be cut.

    The scales are relative to those that the training began with, so that a product is the norm of
    the filter with its scale folded in: what the split into scale and filter cannot change.
    """
    scales = measured(inputs, "importance")
    scores: Scores = {}
    for group in inputs.channels.groups:
        if group.id in scales:
            own = has_own_scale(inputs, group)
            scale = np.abs(scales[group.id])
            scores[group.id] = scale if own else scale * filter_norm(inputs, group)
    return scores


def folded_scales(inputs: Inputs) -> Scores:
    """The scales of a model into which they are folded: gamma where it is one, else 1."""
    scales: Scores = {}
    for group in inputs.channels.groups:
        if group.prunable:
            gamma = group_gamma(inputs, group) if has_own_scale(inputs, group) else None
            scales[group.id] = np.ones(group.channels) if gamma is None else gamma
    return scales
