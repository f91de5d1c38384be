"""Doubts about data: images that were trained on after all, classes of very different size.

Owns the arithmetic behind such warnings; who warns, and when, is decided elsewhere.
"""

from __future__ import annotations

import math

import numpy as np

from engine.data.metrics import metric_named, value
from engine.data.statistics import standard_error

UNEVEN = 3.0
"""Largest class over smallest one from which classes are called uneven."""

_TELLING_SE = 0.01
_MOST_WEIGHT = 10.0


def looks_seen(metric: str, trained: np.ndarray, unseen: np.ndarray) -> bool:
    """Whether a model is as good on "unseen" images as on those it was trained on.

    Models nearly always do better on their training images; where they do not, the others were
    probably trained on too. False where there are too few images to tell a gap of one point.

    Parameters
    ----------
    trained, unseen
        Rows of ``per_sample`` on train images and on those that are said to be new.
    """
    error = math.hypot(standard_error(metric, trained), standard_error(metric, unseen))
    if not error < _TELLING_SE:
        return False
    sign = 1 if metric_named(metric).higher_is_better else -1
    return sign * (value(metric, trained) - value(metric, unseen)) < 0.5 * error


def unevenness(counts: tuple[int, ...]) -> float:
    """Largest class over smallest one, of the classes that occur; 1 where there is but one."""
    known = [count for count in counts if count]
    return max(known) / min(known) if known else 1.0


def balanced_weights(counts: tuple[int, ...]) -> tuple[float, ...]:
    """Loss weights by class that make all classes count alike (mean 1 over samples, at most 10).

    scikit-learn's ``balanced``: samples / (classes * samples of the class).
    """
    known = sum(1 for count in counts if count)
    total = sum(counts)
    return tuple(min(_MOST_WEIGHT, total / (known * count)) if count else 1.0 for count in counts)
