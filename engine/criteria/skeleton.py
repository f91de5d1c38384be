"""Filter skeletons as a criterion: what is left of a filter's stripes after a short training.

Li et al., AI Communications 36(4):311-323, 2023: ``||FS_f||_1``, over the number of stripes, as the
mean over all filters that make a unit. :mod:`engine.sparsity.skeleton` trains the skeletons.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.channels.groups import Channels
from engine.criteria.base import Inputs, Scores, measured, per_unit, positions


def skeleton(inputs: Inputs) -> Scores:
    """Scores of the groups whose units are made by filters with skeletons."""
    return measured(inputs, "skeleton")


def by_group(channels: Channels, sizes: Mapping[str, np.ndarray]) -> Scores:
    """Mean size of each unit's filters; ``sizes`` are by layer and filter."""
    scores: Scores = {}
    for group in channels.groups:
        total, count = np.zeros(group.channels), np.zeros(group.channels)
        for axis in channels.axes:
            if axis.role == "out" and axis.layer in sizes:
                total += per_unit(group, axis.units, sizes[axis.layer])
                count += positions(group, axis.units)
        if group.prunable and (count > 0).all():
            scores[group.id] = total / count
    return scores
