"""A trained threshold as a criterion: how far a channel's size lies above its group's.

After Manessi et al. (ICPR 2018, arXiv 1712.01721). :mod:`engine.training.gate` trains them.
"""

from __future__ import annotations

from engine.criteria.base import Inputs, Scores, measured


def gate(inputs: Inputs) -> Scores:
    """Scores of all groups that can be cut."""
    return measured(inputs, "gate")
