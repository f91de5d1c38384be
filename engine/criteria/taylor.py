"""First-order Taylor: how much the loss would change without a unit (Molchanov et al., CVPR 2019).

Needs the gradients of the loss with respect to the weights on a few batches; whoever has Keras and
data computes them. A unit's score is \\|sum of weight x gradient\\| over all the arrays that it
makes or that go along with it, averaged over the batches; readers are not counted twice.
"""

from __future__ import annotations

import numpy as np

from engine.channels.groups import ChannelGroup
from engine.criteria.base import Gradients, Inputs, Scores, axes_of, per_unit
from engine.errors import UserError


def group_taylor(inputs: Inputs, group: ChannelGroup, gradients: Gradients) -> np.ndarray:
    """Scores of a group's units from the gradients of one batch."""
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
    UserError
        Without gradients: there are none without data.
    """
    if inputs.gradients is None:
        raise UserError(
            "criterion.needs_data",
            "This criterion needs gradients of the loss, and so labelled data: taylor.",
            "Use it with 'secateur prune', or choose another criterion.",
        )
    groups = inputs.channels.groups
    scores = {g.id: np.zeros(g.channels) for g in groups}
    batches = 0
    for batches, gradients in enumerate(inputs.gradients, 1):  # noqa: B007
        for group in groups:
            scores[group.id] += group_taylor(inputs, group, gradients)
    return {group_id: total / max(batches, 1) for group_id, total in scores.items()}
