"""Metrics as sums over samples, so that intervals and paired comparisons are always possible.

Owns what each metric counts in one sample and how counts become a value. Every metric is a
function of sums over samples: :func:`per_sample` gives one row a sample, and any sum of rows (all,
a bootstrap's) gives a value. It knows nothing of models, files and pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from engine.data.task import Task, TaskKind, predicted_classes
from engine.errors import UserError

_CLASSES: tuple[TaskKind, ...] = ("classification", "binary")
_MAPS: tuple[TaskKind, ...] = ("segmentation", "binary_segmentation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a metric's counting function gets."""

    outputs: np.ndarray
    labels: np.ndarray
    task: Task
    ignore_label: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric.

    Attributes
    ----------
    kinds
        Tasks that it can judge.
    count
        Samples to rows ``(n, m)`` of float64 sums.
    finish
        Summed rows ``(..., m)`` to values ``(...)``; NaN where nothing was counted.
    share
        Whether a row is (right 0/1, 1): a share of samples, with closed-form intervals.
    """

    name: str
    kinds: tuple[TaskKind, ...]
    count: Callable[[Counts], np.ndarray]
    finish: Callable[[np.ndarray], np.ndarray]
    higher_is_better: bool = True
    share: bool = False


def metric_named(name: str) -> Metric:
    """The metric of this name.

    Raises
    ------
    UserError
        ``data.metric`` where there is none.
    """
    if name in METRICS:
        return METRICS[name]
    raise UserError(
        "data.metric", f"There is no such metric: {name!r}.", f"Choose one of {', '.join(METRICS)}."
    )


def metrics_for(task: Task) -> tuple[str, ...]:
    """Names of the metrics that can judge a task; its default one first."""
    if task.kind == "script":
        return (task.metric,)
    names = [m.name for m in METRICS.values() if task.kind in m.kinds]
    if task.classes <= _TOP:
        names = [name for name in names if name != "top5"]
    if task.kind == "segmentation" and task.classes != 2:
        names = [name for name in names if name not in ("iou", "dice")]
    return tuple(sorted(names, key=lambda name: name != task.metric))


_COMPILED = {
    "meaniou": "mean_iou", "onehotmeaniou": "mean_iou", "binaryiou": "iou", "f1score": "macro_f1",
    "mae": "mae", "meanabsoluteerror": "mae", "rootmeansquarederror": "rmse",
}  # fmt: skip
"""What Keras's names of metrics mean here. Its accuracy is not among them: it is the default where
it says something, and for maps, most of which are background, it says little."""


def compiled_metric(names: Iterable[str], task: Task) -> str | None:
    """The first metric that a model was compiled with and that can judge the task; None: none."""
    known = metrics_for(task)
    for name in names:
        found = _COMPILED.get(name.replace("_", "").lower())
        if found in known:
            return found
    return None


def per_sample(
    metric: str,
    outputs: np.ndarray,
    labels: np.ndarray,
    task: Task,
    *,
    ignore_label: int | None = None,
) -> np.ndarray:
    """What a metric counts in each sample: float64 rows ``(n, m)``.

    Rows of batches can be concatenated.

    Parameters
    ----------
    outputs
        Of the model: ``(n, k)`` or ``(n, h, w, k)``.
    labels
        In the form of :class:`engine.data.parts.Part`.
    ignore_label
        Label of pixels (or samples) that do not count.

    Raises
    ------
    UserError
        ``data.metric`` where the metric cannot judge this task.
    """
    chosen = metric_named(metric)
    if metric not in metrics_for(task):
        raise UserError(
            "data.metric",
            f"This metric cannot judge a {task.kind} of {task.classes} classes: {metric}.",
            f"Choose one of {', '.join(metrics_for(task))}.",
        )
    if len(outputs) != len(labels):
        raise ValueError(f"{len(outputs)} outputs and {len(labels)} labels")
    counts = Counts(outputs=outputs, labels=labels, task=task, ignore_label=ignore_label)
    rows: np.ndarray = chosen.count(counts).astype(np.float64)
    return rows


def value(metric: str, rows: np.ndarray) -> float:
    """The metric's value over rows of :func:`per_sample`."""
    return float(metric_named(metric).finish(rows.sum(axis=0)))


def _counted(counts: Counts) -> np.ndarray:
    """1 for labels that count, 0 for ignored ones; float64, shape of the labels."""
    if counts.ignore_label is None:
        return np.ones(counts.labels.shape)
    return np.asarray(counts.labels != counts.ignore_label, dtype=np.float64)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), -1)


def _right(counts: Counts) -> np.ndarray:
    """(right, 1) a sample; a multilabel sample is right where all its labels are."""
    hits = predicted_classes(counts.outputs, counts.task) == counts.labels
    weight = _counted(counts)
    right = _flat(hits).all(axis=1) * _flat(weight).all(axis=1)
    return np.stack([right, _flat(weight).all(axis=1)], axis=1)


def _top(counts: Counts) -> np.ndarray:
    """(right class among the five strongest, 1) a sample."""
    weight = _counted(counts)
    safe = np.where(weight > 0, counts.labels, 0).astype(np.int64)
    own = np.take_along_axis(counts.outputs, safe[:, np.newaxis], axis=1)
    # equal outputs before the right class count against it, so that a constant model gains nothing
    earlier = np.arange(counts.outputs.shape[1])[np.newaxis, :] < safe[:, np.newaxis]
    ahead = (counts.outputs > own) | ((counts.outputs == own) & earlier)
    finite = np.isfinite(counts.outputs).all(axis=1)
    return np.stack([(ahead.sum(axis=1) < _TOP) * finite * weight, weight], axis=1)


def _per_class(counts: Counts) -> np.ndarray:
    """(right..., predicted..., true...) by class: ``3 k`` columns."""
    task = counts.task
    found = predicted_classes(counts.outputs, task)
    if task.kind == "multilabel":
        truth = (counts.labels > 0).astype(np.float64)
        positive = (found > 0).astype(np.float64)
        return np.concatenate([truth * positive, positive, truth], axis=1)
    weight = _flat(_counted(counts))
    labels, found = _flat(counts.labels), _flat(found)
    columns: list[np.ndarray] = []
    for hits in (_both, _found_it, _is_it):
        columns.extend((hits(found, labels, c) * weight).sum(axis=1) for c in range(task.classes))
    return np.stack(columns, axis=1)


def _both(found: np.ndarray, labels: np.ndarray, index: int) -> np.ndarray:
    return np.asarray((found == index) & (labels == index))


def _found_it(found: np.ndarray, labels: np.ndarray, index: int) -> np.ndarray:
    return np.asarray(found == index)


def _is_it(found: np.ndarray, labels: np.ndarray, index: int) -> np.ndarray:
    return np.asarray(labels == index)


def _foreground(counts: Counts) -> np.ndarray:
    """(intersection, union) of class 1, in pixels, a sample."""
    found = _flat(predicted_classes(counts.outputs, counts.task) == 1)
    truth = _flat(counts.labels == 1)
    weight = _flat(_counted(counts))
    return np.stack(
        [((found & truth) * weight).sum(axis=1), ((found | truth) * weight).sum(axis=1)], axis=1
    )


def _pixels(counts: Counts) -> np.ndarray:
    """(right pixels, pixels) a sample."""
    hits = _flat(predicted_classes(counts.outputs, counts.task) == counts.labels)
    weight = _flat(_counted(counts))
    return np.stack([(hits * weight).sum(axis=1), weight.sum(axis=1)], axis=1)


def _absolute_error(counts: Counts) -> np.ndarray:
    """(mean absolute error over the outputs, 1) a sample."""
    gap = np.abs(counts.outputs.astype(np.float64) - counts.labels).mean(axis=1)
    return np.stack([gap, np.ones(len(gap))], axis=1)


def _squared_error(counts: Counts) -> np.ndarray:
    """(mean squared error over the outputs, 1) a sample."""
    gap = ((counts.outputs.astype(np.float64) - counts.labels) ** 2).mean(axis=1)
    return np.stack([gap, np.ones(len(gap))], axis=1)


def _own(counts: Counts) -> np.ndarray:
    """What the data script's metric says of each sample."""
    assert counts.task.script is not None
    return counts.task.script.judged(counts.outputs, counts.labels)


def _divide(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Quotient; NaN where the lower one is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lower > 0, upper / np.where(lower > 0, lower, 1.0), np.nan)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without NaN; NaN where all are."""
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def _ratio(sums: np.ndarray) -> np.ndarray:
    return _divide(sums[..., 0], sums[..., 1])


def _root(sums: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_ratio(sums)))


def _dice(sums: np.ndarray) -> np.ndarray:
    """Twice the intersection over the sum of both areas, from (intersection, union)."""
    return _divide(2 * sums[..., 0], sums[..., 0] + sums[..., 1])


def _thirds(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, predicted and true counts by class."""
    right, predicted, true = np.split(sums, 3, axis=-1)
    return right, predicted, true


def _mean_recall(sums: np.ndarray) -> np.ndarray:
    right, _, true = _thirds(sums)
    return _mean_of_known(_divide(right, true))


def _mean_f1(sums: np.ndarray) -> np.ndarray:
    """Mean F1 over classes that are true or predicted somewhere."""
    right, predicted, true = _thirds(sums)
    return _mean_of_known(_divide(2 * right, predicted + true))


def _mean_iou(sums: np.ndarray) -> np.ndarray:
    """Mean of the pooled class IoUs over classes that are true or predicted somewhere."""
    right, predicted, true = _thirds(sums)
    return _mean_of_known(_divide(right, predicted + true - right))


_TOP = 5

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="accuracy", kinds=(*_CLASSES, "multilabel"), count=_right, finish=_ratio,
               share=True),
        Metric(name="balanced_accuracy", kinds=_CLASSES, count=_per_class, finish=_mean_recall),
        Metric(name="top5", kinds=("classification",), count=_top, finish=_ratio, share=True),
        Metric(name="macro_f1", kinds=(*_CLASSES, "multilabel"), count=_per_class,
               finish=_mean_f1),
        Metric(name="iou", kinds=_MAPS[::-1], count=_foreground, finish=_ratio),
        Metric(name="dice", kinds=_MAPS[::-1], count=_foreground, finish=_dice),
        Metric(name="mean_iou", kinds=_MAPS, count=_per_class, finish=_mean_iou),
        Metric(name="mean_dice", kinds=_MAPS, count=_per_class, finish=_mean_f1),
        Metric(name="pixel_accuracy", kinds=_MAPS, count=_pixels, finish=_ratio),
        Metric(name="mae", kinds=("regression",), count=_absolute_error, finish=_ratio,
               higher_is_better=False),
        Metric(name="rmse", kinds=("regression",), count=_squared_error, finish=_root,
               higher_is_better=False),
        Metric(name="script", kinds=("script",), count=_own, finish=_ratio),
        Metric(name="script_error", kinds=("script",), count=_own, finish=_ratio,
               higher_is_better=False),
    )
}  # fmt: skip
"""All metrics by name. ``iou`` and ``dice`` are those of class 1 of two, pooled over the set;
``mean_iou`` and ``mean_dice`` are the means of the classes' pooled ones."""
