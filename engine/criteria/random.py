"""Random scores: the control that every criterion must beat."""

from __future__ import annotations

import numpy as np

from engine.criteria.base import Inputs, Scores


def random(inputs: Inputs) -> Scores:
    """Uniform numbers, the same for the same seed and groups."""
    rng = np.random.default_rng(inputs.seed)
    return {g.id: rng.random(g.channels) for g in inputs.channels.groups}
