"""First-order Taylor: how much the loss would change without a unit (Molchanov et al., CVPR 2019).

Needs the gradients of the loss with respect to the weights, summed or averaged over data; whoever
has Keras and data computes them. A unit's score is \\|sum of weight x gradient\\| over all the
arrays that it makes or that go along with it; readers are not counted twice.
"""

from __future__ import annotations

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.criteria.base import Inputs, Scores, axes_of, per_unit
from engine.errors import EngineFailure


def group_taylor(inputs: Inputs, group: ChannelGroup) -> np.ndarray:
    """Scores of a group's units."""
    gradients = inputs.gradients or {}
    total = np.zeros(group.channels)
    for axis in axes_of(inputs, group):
        gradient = gradients.get(axis.layer, {}).get(axis.weight)
        if axis.role == "in" or gradient is None:
            continue
        product = inputs.weights[axis.layer][axis.weight].astype(np.float64) * gradient
        others = tuple(a for a in range(product.ndim) if a != axis.axis)
        total += per_unit(group, axis.units, product.sum(axis=others))
    return np.abs(total)


def taylor(inputs: Inputs) -> Scores:
    """Scores of all groups.

    Raises
    ------
    EngineFailure
        Without gradients: whoever asks for this criterion must compute them.
    """
    if inputs.gradients is None:
        raise EngineFailure(
            "criterion.no_gradients",
            "The criterion 'taylor' needs gradients of the loss, and none were given.",
            "Use it where data are given, or choose another criterion.",
        )
    return {g.id: group_taylor(inputs, g) for g in inputs.channels.groups}
