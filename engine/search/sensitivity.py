"""Sensitivity first: what each channel group's narrowing costs, probed one group at a time.

Owns the probes and their fixed subset. Each group alone is cut to a ladder of widths
(:mod:`engine.search.narrowing`), and the answers are compared with the dense model's. What follows
from the curves is :mod:`engine.search.allocation`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from engine import events as ev
from engine.channels.groups import ChannelGroup
from engine.control import EngineControl
from engine.criteria import Scores
from engine.search.context import Context
from engine.search.narrowing import BATCH, Narrowing
from engine.training.settings import LossSpec

LADDER = (0.75, 0.5, 0.3, 0.15, 0.08)
"""Keep ratios at which each group is probed."""

MOST_SAMPLES = 1024
LEAST_SAMPLES = 128

MOST_MACS = 4e12
"""Multiply-adds that all probes together may take, about: it bounds the subset."""

_SMALLEST = 1e-7

Emit = Callable[[ev.Event], None]


def samples_for(groups: int, macs: int | None) -> int:
    """Images of the fixed subset, in whole batches."""
    each = max(1, macs or 1) * max(1, groups) * len(LADDER)
    wanted = min(MOST_SAMPLES, max(LEAST_SAMPLES, int(MOST_MACS / each)))
    return wanted // BATCH * BATCH


def measure_sensitivity(
    context: Context,
    scores: Scores,
    done: Sequence[ev.SensitivityMeasured],
    emit: Emit,
    control: EngineControl,
    *,
    macs: int | None,
) -> tuple[ev.SensitivityMeasured, ...]:
    """Probe every removable group, telling of each point; points of an earlier session stand.

    Parameters
    ----------
    scores
        What ranks the channels of each group.
    done
        What the journal holds already.
    macs
        Multiply-adds of the whole model a sample, None where unknown.

    Raises
    ------
    Stopped
        Where a stop was asked for.
    """
    channels = context.channels
    groups = [g for g in channels.groups if g.prunable and g.id in scores]
    found = {(point.group, point.kept): point for point in done}
    wanted = [
        (group, kept) for group in groups for kept in ladder(group, channels.least_of(group.id))
    ]
    if all((group.id, kept) in found for group, kept in wanted):
        return tuple(found.values())
    part = context.data.train.sample(samples_for(len(groups), macs))
    probe = Narrowing(context, context.candidate, channels, scores, part.images, control)
    labels = part.labels[: len(probe.dense)]
    for group, kept in wanted:
        if (group.id, kept) in found:
            continue
        control.checkpoint()
        outputs = probe({group.id: kept / group.channels})
        point = ev.SensitivityMeasured(
            group=group.id, keep=kept / group.channels, kept=kept,
            value=context.measure.value(context.measure.rows(outputs, labels)),
            loss=divergence(probe.dense, outputs, context.loss),
        )  # fmt: skip
        emit(point)
        found[group.id, kept] = point
    keras.backend.clear_session()
    return tuple(found.values())


def ladder(group: ChannelGroup, least: int = 1) -> tuple[int, ...]:
    """Widths at which a group is probed, falling, each narrower than the whole."""
    least = max(least, group.pinned)
    widths = {max(least, round(keep * group.channels)) for keep in LADDER}
    return tuple(sorted((w for w in widths if w < group.channels), reverse=True))


def divergence(dense: np.ndarray, outputs: np.ndarray, loss: LossSpec) -> float:
    """Mean Kullback-Leibler divergence of outputs from the dense model's, in nats a label.

    For outputs that are no probabilities the mean squared difference over the variance.
    """
    if loss.kind not in ("categorical", "binary"):
        spread = float(np.var(dense.astype(np.float64)))
        return float(np.mean((outputs.astype(np.float64) - dense) ** 2)) / max(spread, _SMALLEST)
    if loss.kind == "categorical":
        p, q = _classes(dense, loss.from_logits), _classes(outputs, loss.from_logits)
        return float(np.mean(np.sum(p * (np.log(p) - np.log(q)), axis=-1)))
    p, q = _binary(dense, loss.from_logits), _binary(outputs, loss.from_logits)
    both = p * (np.log(p) - np.log(q)) + (1.0 - p) * (np.log1p(-p) - np.log1p(-q))
    return float(np.mean(both))


def _classes(outputs: np.ndarray, from_logits: bool) -> np.ndarray:
    values = outputs.astype(np.float64)
    if from_logits:
        values = np.exp(values - values.max(axis=-1, keepdims=True))
        values /= values.sum(axis=-1, keepdims=True)
    return np.clip(values, _SMALLEST, 1.0)


def _binary(outputs: np.ndarray, from_logits: bool) -> np.ndarray:
    values = outputs.astype(np.float64)
    if from_logits:
        values = 1.0 / (1.0 + np.exp(-values))
    return np.clip(values, _SMALLEST, 1.0 - _SMALLEST)
