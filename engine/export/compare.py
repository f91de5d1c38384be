"""How far two sets of outputs are apart, and whether that is too far.

Owns the arithmetic of a promise check and its limits; metrics are the data room's. It knows
nothing of files and interpreters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.data.metrics import per_sample, value
from engine.data.task import Task, predicted_classes

FLOAT_LIMIT = 1e-4
"""Largest difference of a float32 export, relative to the largest output (at least 1)."""

RATIO_LIMITS = {"none": 1e-3, "float16": 0.05, "dynamic": 0.9, "int8": 0.9}
"""Root mean square of the difference over the outputs' standard deviation.

1 is what a file would reach that always gives the mean output: such a file is broken, however it
was quantised.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Outputs of a file against outputs of the model it came from.

    ``max_abs`` is absolute; ``ratio`` the root mean square of the difference over the standard
    deviation of the reference (None where the reference is constant); ``agreement`` the share of
    equal decisions, None where the outputs are none.
    """

    max_abs: float
    scale: float
    ratio: float | None
    agreement: float | None


def compare(
    reference: Sequence[np.ndarray],
    got: Sequence[np.ndarray],
    *,
    thresholds: Sequence[float | None],
    task: Task | None = None,
) -> Difference:
    """Compare all outputs, sample by sample.

    Parameters
    ----------
    reference, got
        One array an output, batch axis first, of equal shapes.
    thresholds
        For each output with a single channel the value above which it says yes; None: no decision.
    task
        What the labels make of a lone output; decides how its decisions are read.

    Raises
    ------
    ValueError
        Where number or shapes differ.
    """
    if len(reference) != len(got):
        raise ValueError(f"{len(got)} outputs instead of {len(reference)}")
    differences: list[Difference] = []
    for want, have, threshold in zip(reference, got, thresholds, strict=True):
        if want.shape != have.shape:
            raise ValueError(f"an output of shape {have.shape} instead of {want.shape}")
        differences.append(_compare_one(want, have, threshold, task))
    ratios = [d.ratio for d in differences if d.ratio is not None]
    agreements = [d.agreement for d in differences if d.agreement is not None]
    return Difference(
        max_abs=max(d.max_abs for d in differences),
        scale=max(d.scale for d in differences),
        ratio=max(ratios) if ratios else None,
        agreement=min(agreements) if agreements else None,
    )


def decide(
    output: np.ndarray, threshold: float | None, task: Task | None = None
) -> np.ndarray | None:
    """Decisions of an output: as the task reads them; without one the largest channel, or above
    the threshold for a single channel."""
    if task is not None:
        return None if task.kind == "regression" else predicted_classes(output, task)
    if output.ndim < 2:
        return None
    if output.shape[-1] > 1:
        return np.asarray(np.argmax(output, axis=-1))
    return None if threshold is None else np.asarray(output[..., 0] > threshold)


def too_far(difference: Difference, quantize: str) -> str | None:
    """Why these outputs are not those of the model, as a clause; None where they are."""
    if not np.isfinite(difference.max_abs):
        return "its outputs are not finite"
    limit = FLOAT_LIMIT * max(1.0, difference.scale)
    if quantize == "none" and difference.max_abs > limit:
        return f"its outputs differ by {difference.max_abs:.3g}, more than {limit:.1g}"
    if difference.ratio is not None and difference.ratio > RATIO_LIMITS[quantize]:
        return (
            f"its outputs are off by {difference.ratio:.2g} of their spread, "
            f"more than {RATIO_LIMITS[quantize]:g}"
        )
    return None


def judge(
    output: np.ndarray, labels: np.ndarray, task: Task, metric: str | None = None
) -> tuple[str, float]:
    """Name and value of a metric (the task's own by default) on labelled samples."""
    name = metric or task.metric
    return name, value(name, per_sample(name, output, labels, task))


def _compare_one(
    want: np.ndarray, have: np.ndarray, threshold: float | None, task: Task | None
) -> Difference:
    want, have = want.astype(np.float64), have.astype(np.float64)
    if not want.size:
        return Difference(max_abs=0.0, scale=0.0, ratio=None, agreement=None)
    difference = np.abs(have - want)
    spread = float(want.std())
    scale = float(np.abs(want).max())
    chosen, given = decide(want, threshold, task), decide(have, threshold, task)
    return Difference(
        max_abs=float(difference.max()) if np.isfinite(difference).all() else float("inf"),
        scale=scale,
        ratio=float(np.sqrt(np.mean(difference**2)) / spread) if spread > 1e-6 * scale else None,
        agreement=None if chosen is None or given is None else float(np.mean(chosen == given)),
    )
