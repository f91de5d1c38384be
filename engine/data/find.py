"""Which preprocessing a model was trained with, found by trying.

Owns the candidates, the trial on train samples, the choice and its doubts: near ties, a poor best,
labels in another order. The model is a function from input to outputs; nothing else is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.data.metrics import metric_named, per_sample, value
from engine.data.naming import PreprocessWish
from engine.data.parts import Part
from engine.data.preprocess import Preprocess, channel_statistics
from engine.data.statistics import guess_rate, paired_drop
from engine.data.task import Task, predicted_classes

Predict = Callable[[np.ndarray], np.ndarray]
"""A model's input, float32 ``(n, h, w, c)``, to its outputs."""

FIRST, SAMPLES = 100, 500
"""Train samples for the first look at every candidate, and for those that are left after it."""

_LARGE_PIXELS = 96 * 96
_LARGE = (48, 160)  # the same for larger images,
_MASKS = (24, 64)  # and where every pixel is judged
_PASS_BYTES = 1 << 28  # of model input at a time

_MOST_LEFT = 6  # candidates after the first look
_CLEARLY = 3.0  # standard errors behind the best: left out after the first look
_FAR_BELOW = 0.9  # of the type's white: a smaller maximum is a scale of its own
_POOR_SKILL = 0.4
_GOOD_SKILL = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The preprocessing that was found.

    Attributes
    ----------
    values
        The metric under each candidate, by name; best first.
    samples
        Train samples behind each value.
    near_ties
        Names of candidates that these samples cannot tell from the best one.
    poor
        Whether even the best is not much better than guessing.
    permutation
        Output index of the model for each class of the data, where labels in another order
        would explain a poor best; else None.
    warnings
        The same in sentences.
    """

    preprocess: Preprocess
    values: dict[str, float]
    samples: dict[str, int]
    near_ties: tuple[str, ...] = ()
    poor: bool = False
    permutation: tuple[int, ...] | None = None
    warnings: tuple[str, ...] = ()


def data_peak(images: np.ndarray) -> tuple[float, float]:
    """(value that means white by the images' type, largest value that occurs)."""
    largest = float(images.max()) if images.size else 0.0
    if images.dtype == np.uint16:
        return 65535.0, largest
    return (1.0 if images.dtype.kind == "f" and largest <= 1.0 else 255.0), largest


def candidates(images: np.ndarray, wish: PreprocessWish | None = None) -> tuple[Preprocess, ...]:
    """What a model might have been trained with, the plainest first.

    Parameters
    ----------
    images
        Raw train images ``(n, h, w, c)``.
    wish
        What the person fixed: other modes and orders are then left out.
    """
    wish = wish or PreprocessWish()
    peak, largest = data_peak(images)
    colour = images.shape[-1] == 3
    mean, std = channel_statistics(images)
    made = [Preprocess(mode="none"), Preprocess(mode="0-1", peak=peak)]
    if 0 < largest < _FAR_BELOW * peak:
        made.append(Preprocess(mode="max", peak=largest))
    made.append(Preprocess(mode="-1-1", peak=peak))
    if peak != 255.0:
        made.append(Preprocess(mode="0-255", peak=peak))
    if colour:
        made += [Preprocess(mode="caffe", peak=peak), Preprocess(mode="torch", peak=peak)]
    made += [Preprocess(mode="per-image"), Preprocess(mode="per-channel", mean=mean, std=std)]
    if peak == 1.0:
        made = [p for p in made if p.mode != "0-1"]  # the same as none
    if wish.mode is not None:
        exact = [p for p in made if p.mode == wish.mode]
        made = exact or [Preprocess(mode=wish.mode, peak=largest if wish.mode == "max" else peak)]
    turned = [replace(p, channel_order="bgr") for p in made if p.mode != "caffe"] if colour else []
    if wish.order is not None:
        made = turned if wish.order == "bgr" else made
    elif wish.mode is None:
        made = made + [p for p in turned if p.mode in ("none", "0-1", "-1-1", "0-255")]
    return tuple(replace(p, resize=wish.resize, fit=wish.fit) for p in made)


def find_preprocess(
    predict: Predict,
    part: Part,
    task: Task,
    *,
    wish: PreprocessWish | None = None,
    class_names: Sequence[str] = (),
    ignore_label: int | None = None,
    samples: int | None = None,
) -> Found:
    """Try each candidate on train samples and take the best.

    All candidates see the same first samples; those that trail clearly are left out, the others
    see more.

    Parameters
    ----------
    predict
        The model, on input that is ready for it.
    part
        The train part.
    class_names
        For the warning about labels in another order.
    samples
        Samples after the first look; None for :data:`SAMPLES`, fewer for large images.
    """
    first, usual = _look_sizes(part, task)
    samples = samples or usual
    if part.ready:
        wish = PreprocessWish(mode="none", order="rgb")
    options = candidates(part.sample(SAMPLES).images, wish)
    judge = _Judge(predict, task, ignore_label)
    rows = judge.rows(options, part.sample(first))
    if len(options) > 1 and len(part) > first:
        left = _still_possible(task.metric, rows)
        rows.update(judge.rows(left, part.sample(samples)))
    else:
        left = list(options)
    best = _best(task, {p: rows[p] for p in left})
    ties = tuple(p.name for p in left if p != best and _near(task.metric, rows[best], rows[p]))
    metric = metric_named(task.metric)
    sign = 1 if metric.higher_is_better else -1
    figures = {p: value(task.metric, rows[p]) for p in options}
    order = sorted(options, key=lambda p: (p != best, -sign * figures[p]))
    poor = _is_poor(figures[best], task)
    permutation = None
    warnings = []
    if ties:
        warnings.append(
            f"Preprocessing {best.name!r} and {', '.join(map(repr, ties))} do equally well on the "
            f"train images; --preprocess says which one is right."
        )
    if poor:
        permutation = _permutation(judge, options, part.sample(first), part.sample(samples), task)
        warnings.append(_poor_sentence(figures[best], best, task, permutation, class_names))
    return Found(
        preprocess=best,
        values={p.name: figures[p] for p in order},
        samples={p.name: len(rows[p]) for p in order},
        near_ties=ties,
        poor=poor,
        permutation=permutation,
        warnings=tuple(warnings),
    )


def _look_sizes(part: Part, task: Task) -> tuple[int, int]:
    """Samples of the first look and of the second."""
    if task.kind in ("segmentation", "binary_segmentation"):
        return _MASKS
    height, width = part.images.shape[1:3]
    return _LARGE if height * width > _LARGE_PIXELS else (FIRST, SAMPLES)


class _Judge:
    """Runs the model under candidates, all of them in as few passes as memory allows."""

    def __init__(self, predict: Predict, task: Task, ignore_label: int | None) -> None:
        self._predict = predict
        self._task = task
        self._ignore_label = ignore_label
        self._seen: dict[tuple[Preprocess, int], np.ndarray] = {}

    def outputs(
        self, options: Sequence[Preprocess], part: Part
    ) -> Iterator[tuple[Preprocess, np.ndarray]]:
        """The model's outputs under each candidate; what was asked before is not run again."""
        count = len(part)
        yield from ((p, self._seen[p, count]) for p in options if (p, count) in self._seen)
        options = [p for p in options if (p, count) not in self._seen]
        size_bytes = 4 * int(np.prod(part.images.shape, dtype=np.int64))
        at_once = max(1, _PASS_BYTES // size_bytes)
        for start in range(0, len(options), at_once):
            some = options[start : start + at_once]
            ready = np.concatenate([p.apply_numpy(part.images) for p in some])
            together = self._predict(ready)
            for index, preprocess in enumerate(some):
                outputs = together[index * count : (index + 1) * count]
                if outputs.ndim == 2:  # maps are large, and never asked for twice
                    self._seen[preprocess, count] = outputs
                yield preprocess, outputs

    def rows(self, options: Sequence[Preprocess], part: Part) -> dict[Preprocess, np.ndarray]:
        """What the metric counts, by candidate."""
        return {
            preprocess: per_sample(
                self._task.metric, found, part.labels, self._task, ignore_label=self._ignore_label
            )
            for preprocess, found in self.outputs(options, part)
        }


def _still_possible(metric: str, rows: dict[Preprocess, np.ndarray]) -> list[Preprocess]:
    """Candidates that do not clearly trail the best of the first look; the best few of them."""
    higher = metric_named(metric).higher_is_better
    pick = max if higher else min
    top = pick(rows, key=lambda p: value(metric, rows[p]))
    left = []
    for preprocess, own in rows.items():
        drop = paired_drop(metric, rows[top], own)
        if drop.value <= _CLEARLY * drop.se:
            left.append(preprocess)
    sign = -1 if higher else 1
    best = sorted(left, key=lambda p: sign * value(metric, rows[p]))[:_MOST_LEFT]
    return [p for p in left if p in best]


def _best(task: Task, rows: dict[Preprocess, np.ndarray]) -> Preprocess:
    """The best value; of equals the first, which is the plainest."""
    sign = 1 if metric_named(task.metric).higher_is_better else -1
    return max(rows, key=lambda p: sign * value(task.metric, rows[p]))


def _near(metric: str, best: np.ndarray, other: np.ndarray) -> bool:
    """Whether the difference is within what these samples can tell."""
    return paired_drop(metric, best, other).interval[0] <= 0


def _skill(figure: float, task: Task) -> float:
    """Value scaled so that guessing is 0 and all right is 1."""
    guess = guess_rate(metric_named(task.metric), task.classes)
    return (figure - guess) / (1 - guess)


def _is_poor(figure: float, task: Task) -> bool:
    return task.kind not in ("regression", "script") and _skill(figure, task) < _POOR_SKILL


def _permutation(
    judge: _Judge, options: Sequence[Preprocess], first: Part, more: Part, task: Task
) -> tuple[int, ...] | None:
    """Output of the model for each class of the data, if that explains a poor best.

    The best assignment on the confusion matrix: the candidate that gains most from one on the
    first samples is run on more; one half of these gives the assignment, the other half judges it.
    """
    if task.kind not in ("classification", "binary"):
        return None

    def gain(item: tuple[Preprocess, np.ndarray]) -> float:
        found = predicted_classes(item[1], task)
        return _share(_assignment(found, first.labels, task.classes), found, first.labels)

    likely = max(judge.outputs(options, first), key=gain)[0]
    (_, outputs), *_ = judge.outputs([likely], more)
    found = predicted_classes(outputs, task)
    assigned = _assignment(found[::2], more.labels[::2], task.classes)
    if _skill(_share(assigned, found[1::2], more.labels[1::2]), task) < _GOOD_SKILL:
        return None
    assigned = _assignment(found, more.labels, task.classes)
    return None if assigned == tuple(range(task.classes)) else assigned


def _assignment(found: np.ndarray, labels: np.ndarray, classes: int) -> tuple[int, ...]:
    """Output for each class under which the most samples are right."""
    from scipy.optimize import linear_sum_assignment

    confusion = np.zeros((classes, classes), np.int64)
    known = found >= 0
    np.add.at(confusion, (labels[known], found[known]), 1)
    return tuple(int(column) for column in linear_sum_assignment(confusion, maximize=True)[1])


def _share(assigned: tuple[int, ...], found: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples that are right under an assignment."""
    return float(np.mean(np.asarray(assigned)[labels] == found)) if len(found) else 0.0


def _poor_sentence(
    figure: float,
    best: Preprocess,
    task: Task,
    permutation: tuple[int, ...] | None,
    class_names: Sequence[str],
) -> str:
    start = f"Under the best preprocessing ({best.name}) the {task.metric} is only {figure:.3f}"
    if permutation is None:
        return f"{start}: data and model may not belong together, or the preprocessing is unusual."
    names = list(class_names) or [str(i) for i in range(task.classes)]
    moved = [
        f"{names[own]} is output {output}"
        for own, output in enumerate(permutation)
        if own != output
    ]
    shown = ", ".join(moved[:4]) + (", ..." if len(moved) > 4 else "")
    return f"{start}: the classes seem to be in another order than the model's ({shown})."
