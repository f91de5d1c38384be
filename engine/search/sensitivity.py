"""Sensitivity first: what each channel group's narrowing costs, probed one group at a time.

Owns the probes and their fixed subset. Each group alone is cut to a ladder of widths on the
full-width model (readers of a removed channel see nothing), every batch norm takes the statistics
of its batch (EagleEye, Li et al., ECCV 2020), and the answers are compared with the dense model's.
One traced function serves them all: only weights are exchanged. What follows from the curves is
:mod:`engine.search.allocation`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from engine import events as ev
from engine.channels.groups import ChannelGroup
from engine.channels.oracle import reference
from engine.channels.plan import plan_uniform
from engine.control import EngineControl
from engine.criteria import Scores
from engine.modelfile.rebuild import build, keras_name
from engine.search.context import Context
from engine.training.norms import BatchNormed
from engine.training.settings import LossSpec

LADDER = (0.75, 0.5, 0.3, 0.15, 0.08)
"""Keep ratios at which each group is probed."""

MOST_SAMPLES = 1024
LEAST_SAMPLES = 128
BATCH = 128

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
    probe = _Probe(context, scores, part.images, control)
    labels = part.labels[: len(probe.dense)]
    for group, kept in wanted:
        if (group.id, kept) in found:
            continue
        control.checkpoint()
        outputs = probe(group, kept)
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


class _Probe:
    """The full-width model, its outputs dense and with one group narrowed."""

    def __init__(
        self, context: Context, scores: Scores, images: np.ndarray, control: EngineControl
    ) -> None:
        self._context = context
        self._scores = scores
        self._images = images
        self._control = control
        self._batch = min(BATCH, len(images))
        candidate = context.candidate
        self._model = build(candidate.graph, candidate.weights)
        self._forward = BatchNormed(self._model, context.transform)
        self._variables = {
            (name, spec.name): variable
            for name, layer in candidate.graph.layers.items()
            if layer.weights and layer.opaque is None
            for spec, variable in zip(
                layer.weights, self._model.get_layer(keras_name(name)).weights, strict=True
            )
        }
        self.dense = self._run(self._forward)

    def __call__(self, group: ChannelGroup, kept: int) -> np.ndarray:
        """Outputs with the group cut to so many channels."""
        candidate, channels = self._context.candidate, self._context.channels
        plan = plan_uniform(channels, self._scores, {group.id: kept / group.channels})
        graph, weights = reference(candidate.graph, candidate.weights, channels, plan)
        if graph.layers != candidate.graph.layers:
            # A new bias would need a new model, and all that it changes is a mean.
            graph, weights = reference(
                candidate.graph, candidate.weights, channels, plan, fold=False
            )
        if graph.layers != candidate.graph.layers:
            model = build(graph, weights)
            return self._run(BatchNormed(model, self._context.transform))
        changed = [
            (layer, name)
            for layer, arrays in weights.items()
            for name, array in arrays.items()
            if array is not candidate.weights[layer][name]
        ]
        for layer, name in changed:
            self._variables[layer, name].assign(weights[layer][name])
        outputs = self._run(self._forward)
        for layer, name in changed:
            self._variables[layer, name].assign(candidate.weights[layer][name])
        return outputs

    def _run(self, forward: BatchNormed) -> np.ndarray:
        return forward(self._images, batch_size=self._batch, control=self._control)
