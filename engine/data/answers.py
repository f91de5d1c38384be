"""What a model answers, class by class and sample by sample, for people to look into.

Owns confusion matrices, the figure of each class, and the class and confidence of each answer. It
judges nothing (:mod:`engine.data.metrics` does) and knows nothing of models and files.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from engine.data.metrics import per_sample
from engine.data.task import Task, TaskKind, predicted_classes

ClassFigure = Literal["accuracy", "f1", "iou"]
"""What is told of a class: the share of its samples that were found, F1, or pooled IoU."""

FIGURES: dict[TaskKind, ClassFigure] = {
    "classification": "accuracy",
    "binary": "accuracy",
    "multilabel": "f1",
    "segmentation": "iou",
    "binary_segmentation": "iou",
}
"""The figure of a class by kind of task; other kinds have no classes."""

_COUNTED: dict[ClassFigure, str] = {
    "accuracy": "balanced_accuracy",
    "f1": "macro_f1",
    "iou": "mean_iou",
}
"""The metric that counts what each figure is made of."""

_AT_A_TIME = 64  # samples of a confusion matrix: masks are large


def figures_by_class(
    outputs: np.ndarray, labels: np.ndarray, task: Task, *, ignore_label: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The figure of each class, float64 ``(classes,)``, and how much there is of it.

    NaN where a class does not occur. The count is of samples, or of pixels where these are judged.

    Raises
    ------
    KeyError
        Where the task has no classes.
    """
    figure = FIGURES[task.kind]
    rows = per_sample(_COUNTED[figure], outputs, labels, task, ignore_label=ignore_label)
    right, predicted, true = np.split(rows.sum(axis=0), 3)
    match figure:
        case "accuracy":
            upper, lower = right, true
        case "f1":
            upper, lower = 2 * right, predicted + true
        case "iou":
            upper, lower = right, predicted + true - right
    found = np.full(len(true), np.nan)
    np.divide(upper, lower, out=found, where=lower > 0)
    return found, true.astype(np.int64)


def confusion(
    outputs: np.ndarray, labels: np.ndarray, task: Task, *, ignore_label: int | None = None
) -> np.ndarray:
    """Samples (or pixels) by true class, down, and answered class, across: int64 ``(k, k)``.

    What is ignored, and answers that are no number, are not in it.
    """
    k = task.classes
    counts = np.zeros(k * k, np.int64)
    for start in range(0, len(labels), _AT_A_TIME):
        true = labels[start : start + _AT_A_TIME].astype(np.int64).ravel()
        found = predicted_classes(outputs[start : start + _AT_A_TIME], task).ravel()
        counted = (true >= 0) & (true < k) & (found >= 0)
        if ignore_label is not None:
            counted &= true != ignore_label
        counts += np.bincount(true[counted] * k + found[counted], minlength=k * k)
    return counts.reshape(k, k)


def answers(outputs: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Class of each sample, int64 ``(n,)``, and its probability, float64 ``(n,)``.

    For tasks with one class a sample, outputs ``(n, k)``; -1 and NaN where it is no number.
    """
    found = predicted_classes(outputs, task)
    values = outputs.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if task.outputs == 1:
            single = values[:, 0]
            one = 1.0 / (1.0 + np.exp(-single)) if task.from_logits else single
            sure = np.where(found == 1, one, 1.0 - one)
        else:
            if task.from_logits:
                values = np.exp(values - values.max(axis=1, keepdims=True))
                values /= values.sum(axis=1, keepdims=True)
            sure = values.max(axis=1)
    return found, np.where(found >= 0, sure, np.nan)
