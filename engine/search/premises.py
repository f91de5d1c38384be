"""What must hold before a search can mean anything: answers and metric that are numbers, labels
that differ. Pure looks at arrays; who tells and who ends is decided in the session.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine import events as ev
from engine.data import LoadedData
from engine.errors import UserError

SAME_VALUES = 5
"""So many trials with exactly the baseline's value make one doubt the metric."""


def check_baseline(outputs: Any, value: float, metric: str) -> None:
    """Refuse a model whose answers, or whose metric, are no numbers.

    Parameters
    ----------
    outputs
        The uncut model's on the search split, an array or several.
    value
        The metric's value for them.

    Raises
    ------
    UserError
        Where they are none.
    """
    arrays = outputs if isinstance(outputs, list | tuple) else [outputs]
    wrong = sum(int(np.isnan(array).sum()) for array in arrays)
    if wrong:
        raise UserError(
            "model.not_numbers",
            "The model, as it is, answers with values that are no numbers (NaN) on the search"
            f" split: {wrong} of {sum(array.size for array in arrays)}.",
            "Check its preprocessing (--preprocess) and that its weights are whole.",
        )
    if not math.isfinite(value):
        raise UserError(
            "metric.not_a_number",
            f"The metric is no number for the model as it is: {metric} is {value}.",
            "Choose another with --metric, or check the labels of the search split.",
        )


def doubts(data: LoadedData, outputs: Any) -> Iterator[ev.Warned]:
    """What of labels and answers makes a search say little, as warnings."""
    if data.labels_are != "classes":
        return
    parts = {"train": data.train, "search": data.search, "report": data.report}
    single = [name for name, part in parts.items() if len(np.unique(part.labels)) == 1]
    if single:
        yield ev.Warned(
            code="data.single_class",
            message="All labels are of one class in a part of the data, which then says nothing of"
            f" telling classes apart: {', '.join(single)}.",
        )
    answers = np.asarray(outputs)
    if "search" not in single and answers.ndim == 2 and answers.shape[1] > 1:
        found = np.unique(answers.argmax(axis=1))
        if len(found) == 1:
            yield ev.Warned(
                code="model.constant",
                message="The model, as it is, gives the same answer for every search image: class"
                f" {found[0]}.",
            )


def constant_metric(baseline: float, trials: Sequence[ev.TrialDone]) -> ev.Warned | None:
    """A warning where the metric has not moved, however the model was cut."""
    values = [trial.value for trial in trials if trial.value is not None]
    just_now = trials[-1].value is not None and len(values) == SAME_VALUES
    if not just_now or any(value != baseline for value in values):
        return None
    return ev.Warned(
        code="metric.constant",
        message=f"The metric was exactly {baseline:.6g} for the first {SAME_VALUES} models, however"
        " they were cut: it may not depend on the model, or the data may be too easy to tell.",
    )
