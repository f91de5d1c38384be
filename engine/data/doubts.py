"""Doubts about data: images that were trained on after all, classes of very different size.

Owns the arithmetic behind such warnings; who warns, and when, is decided elsewhere.
"""

from __future__ import annotations

import math

import numpy as np

from engine.data.metrics import metric_named, value
from engine.data.parts import LoadedData, Part
from engine.data.statistics import standard_error
from engine.job import DataSpec

UNEVEN = 3.0
"""Largest class over smallest one from which classes are called uneven."""

_BY_CLASS = ("balanced_accuracy", "macro_f1")
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
    return sign * (value(metric, trained) - value(metric, unseen)) <= 0.0


def unevenness(counts: tuple[int, ...]) -> float:
    """Largest class over smallest one, of the classes that occur; 1 where there is but one."""
    known = [count for count in counts if count]
    return max(known) / min(known) if known else 1.0


def counts_by_part(data: LoadedData) -> tuple[tuple[int, ...], ...]:
    """Samples by class of the train, search and report parts; empty without classes."""
    if data.labels_are != "classes":
        return ()
    classes = len(data.class_names)
    return tuple(class_counts(part, classes) for part in (data.train, data.search, data.report))


def class_counts(part: Part, classes: int) -> tuple[int, ...]:
    """Samples of each class, for labels that are class ids; others do not count."""
    known = part.labels[(part.labels >= 0) & (part.labels < classes)]
    return tuple(int(count) for count in np.bincount(known, minlength=classes))


def imbalance(data: LoadedData, metric: str) -> tuple[str, ...]:
    """A sentence where classes are uneven and the metric does not count them alike."""
    counts = counts_by_part(data)
    if not counts or unevenness(counts[0]) < UNEVEN or metric in _BY_CLASS:
        return ()
    most, least = int(np.argmax(counts[0])), int(np.argmin(counts[0]))
    names = data.class_names
    return (
        f"Classes are uneven ({names[most]}: {counts[0][most]:,}, {names[least]}: "
        f"{counts[0][least]:,} train images); --metric balanced_accuracy or macro_f1 counts them "
        "alike, and the fine-tunes then do too.",
    )


def class_weights(data: LoadedData, spec: DataSpec, metric: str) -> tuple[float, ...] | None:
    """Weights of the loss by class: a person's, a script's, or balanced; None for none."""
    counts = counts_by_part(data)
    if not counts or spec.class_weight == "none":
        return None
    if data.script.class_weights:
        given = dict(data.script.class_weights)
        return tuple(given.get(index, 1.0) for index in range(len(data.class_names)))
    uneven = unevenness(counts[0]) >= UNEVEN and metric in _BY_CLASS
    return balanced_weights(counts[0]) if uneven or spec.class_weight == "balanced" else None


def seen_sentence(metric: str, trained: float, unseen: float) -> str:
    """What to say where :func:`looks_seen` is true."""
    return (
        f"The {metric} on the search images ({unseen:.4f}) is as good as on the train images "
        f"({trained:.4f}): either the model was trained on both, and figures promise too much "
        "(--seen yes says so), or it was trained too briefly for a difference."
    )


def balanced_weights(counts: tuple[int, ...]) -> tuple[float, ...]:
    """Loss weights by class that make all classes count alike (mean 1 over samples, at most 10).

    scikit-learn's ``balanced``: samples / (classes * samples of the class).
    """
    known = sum(1 for count in counts if count)
    total = sum(counts)
    return tuple(min(_MOST_WEIGHT, total / (known * count)) if count else 1.0 for count in counts)
