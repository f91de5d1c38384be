"""The default: gamma wherever every norm of the group has one, scale times norm elsewhere."""

from __future__ import annotations

from engine.criteria.base import Inputs, Scores
from engine.criteria.gamma import every_norm_has_gamma, group_gamma
from engine.criteria.gamma_norm import group_gamma_norm


def auto(inputs: Inputs) -> Scores:
    """Scores of all groups."""
    out: Scores = {}
    for group in inputs.channels.groups:
        score = group_gamma(inputs, group) if every_norm_has_gamma(inputs, group) else None
        out[group.id] = group_gamma_norm(inputs, group) if score is None else score
    return out
