"""Criteria: what ranks the channels of a group. One file each, one signature.

:func:`score` is the one door. Nothing here imports Keras; gradients come as arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.channels.groups import Channels
from engine.criteria.auto import auto
from engine.criteria.base import Criterion, Gradients, Inputs, Measured, Scores
from engine.criteria.gamma import gamma
from engine.criteria.gamma_norm import gamma_norm
from engine.criteria.gate import gate
from engine.criteria.greedy import greedy
from engine.criteria.importance import importance
from engine.criteria.norm import norm, norm_l1
from engine.criteria.random import random
from engine.criteria.skeleton import skeleton
from engine.criteria.taylor import taylor
from engine.criteria.user import find_file, is_user_criterion, user
from engine.errors import UserError
from engine.modelfile.graph import LayerGraph, Weights

__all__ = ["CRITERIA", "Gradients", "Inputs", "Measured", "Scores", "check_name", "score"]

CRITERIA: Final[dict[str, Criterion]] = {
    "auto": auto,
    "gamma": gamma,
    "norm": norm,
    "norm-l1": norm_l1,
    "gamma-norm": gamma_norm,
    "taylor": taylor,
    "importance": importance,
    "skeleton": skeleton,
    "greedy": greedy,
    "gate": gate,
    "random": random,
}
"""The built-in criteria by name."""


def check_name(criterion: str) -> None:
    """Refuse what is no criterion, without running anything.

    Raises
    ------
    UserError
        Where the name is not known, or a person's own file is not there or may not run.
    """
    if is_user_criterion(criterion):
        find_file(criterion)
    elif criterion not in CRITERIA:
        raise UserError(
            "criterion.unknown",
            f"There is no criterion of that name: {criterion}.",
            f"Use one of {', '.join(CRITERIA)}, or FILE.py:function.",
        )


def score(
    criterion: str,
    graph: LayerGraph,
    weights: Weights,
    channels: Channels,
    *,
    seed: int = 0,
    gradients: Iterable[Gradients] | None = None,
    measured: Measured | None = None,
) -> Scores:
    """Score every unit of every group that the criterion can judge.

    Parameters
    ----------
    criterion
        A name of :data:`CRITERIA`, or ``FILE.py:function``.
    seed
        For ``random`` (and a person's own).
    gradients
        For ``taylor``: the loss's gradients by layer and weight, batch by batch.
    measured
        For the criteria that are learned: what a phase with training images finds.

    Returns
    -------
    dict
        Per group id an array of one number a unit, higher is more important. Groups compare only
        after :func:`engine.channels.plan.normalised`.

    Raises
    ------
    UserError
        Where the criterion is not known, or can judge no group of this model.
    """
    check_name(criterion)
    inputs = Inputs(
        graph=graph, weights=weights, channels=channels, seed=seed, gradients=gradients,
        measured=measured,
    )  # fmt: skip
    if is_user_criterion(criterion):
        return user(inputs, criterion)
    found = CRITERIA[criterion](inputs)
    if channels.groups and not found:
        raise UserError(
            "criterion.nothing_to_judge",
            f"No channel group of this model has what the criterion looks at: {criterion}.",
            "Use 'auto' or 'norm'.",
        )
    return found
