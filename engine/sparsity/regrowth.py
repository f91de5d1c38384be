"""Masks that move while a model is trained: the smallest weights left make room for zeroed ones.

Gradual pruning with regeneration (GraNet; Liu et al., NeurIPS 2021): which of the zeros come back
is told by what training makes of them (Evci et al., RigL, ICML 2020; Dettmers and Zettlemoyer,
2019), ever fewer of them, until the zeros stand still. Owns which and how many; NumPy only.
"""

from __future__ import annotations

import math

import numpy as np

from engine.sparsity.settings import Ramp


def share_at(step: int, ramp: Ramp, first: float) -> float:
    """Share of the weights left that change places in this step: from ``first`` to 0, a cosine."""
    length = max(1, ramp.end - ramp.begin)
    done = min(1.0, max(0.0, (step - ramp.begin) / length))
    return 0.5 * first * (1.0 + math.cos(math.pi * done))


def regrown(weight: np.ndarray, mask: np.ndarray, share: float) -> np.ndarray:
    """The mask with so many ones as before, some of them elsewhere.

    Parameters
    ----------
    weight
        Any shape; where the mask is 0 what the optimiser's last step has made of the zero there: a
        step down the (averaged) gradient.
    mask
        Ones and zeros of the same shape; it is not changed.
    share
        How many of the ones at most, 0..1, become zeros: the smallest weights. As many zeros
        become ones: those that were moved the farthest. One that was not moved stays.
    """
    size, left = np.abs(weight).ravel(), mask.ravel() != 0
    here, there = np.flatnonzero(left), np.flatnonzero(~left & (size > 0))
    count = min(int(share * len(here)), len(there))
    if count == 0:
        return mask
    moved = mask.ravel().copy()
    moved[here[np.argpartition(size[here], count - 1)[:count]]] = 0
    moved[there[np.argpartition(-size[there], count - 1)[:count]]] = 1
    return moved.reshape(mask.shape)
