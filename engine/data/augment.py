"""Which random changes of training images a fine-tune may use, decided by measuring.

Owns the choice: a change is used only if the model itself still recognises the changed images.
Digits and traffic signs are so never flipped, without anybody saying so. How images are changed is
in :mod:`engine.data.tf_augment`; this module knows neither TensorFlow nor files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.data.metrics import metric_named, per_sample, value
from engine.data.parts import Part
from engine.data.task import Task
from engine.errors import UserError

MOST = 0.01
"""Largest fall of a share, whatever the tolerance: what a model was not trained with costs a
short fine-tune more than it gives (measured on the digits at a tolerance of 0.05)."""

SAMPLES = 500
_LARGE_PIXELS = 96 * 96
_LARGE = 100  # samples of larger images,
_MASKS = 64  # and where every pixel is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Random changes of a training image; the default changes nothing.

    Attributes
    ----------
    flip, flip_vertical
        Left-right and up-down, each for half of the images.
    shift
        Largest shift, as a share of height and width; the border pixel is repeated.
    crop
        Largest share of height and width that is cut away before resizing back.
    colour
        Largest relative change of brightness and of contrast.
    """

    flip: bool = False
    flip_vertical: bool = False
    shift: float = 0.0
    crop: float = 0.0
    colour: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the changes that are used."""
        return tuple(name for name, single in SINGLE.items() if self._has(single))

    def _has(self, single: Augmentation) -> bool:
        return any(getattr(self, field) and getattr(single, field) for field in _FIELDS)


_FIELDS = ("flip", "flip_vertical", "shift", "crop", "colour")

SINGLE: dict[str, Augmentation] = {
    "flip": Augmentation(flip=True),
    "flip_vertical": Augmentation(flip_vertical=True),
    "shift": Augmentation(shift=0.125),
    "crop": Augmentation(crop=0.125),
    "colour": Augmentation(colour=0.2),
}
"""The changes that are tried, one at a time, at the strength at which they are used."""


def parse_augment(text: str) -> Augmentation | None:
    """The changes that ``--augment`` names; None for ``auto``.

    Raises
    ------
    UserError
        ``data.augment`` for a word that names no change.
    """
    if text == "auto":
        return None
    chosen = Augmentation()
    for word in (w.strip() for w in text.split(",")):
        if word in SINGLE:
            chosen = joined(chosen, SINGLE[word])
        elif word != "none":
            raise UserError(
                "data.augment",
                f"There is no such change of training images: {word!r}.",
                f"Use auto, none, or some of {', '.join(SINGLE)}.",
            )
    return chosen


def joined(one: Augmentation, other: Augmentation) -> Augmentation:
    """Both changes."""
    return replace(one, **{f: getattr(other, f) for f in _FIELDS if getattr(other, f)})


Apply = Callable[[Augmentation, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Changes raw images and their labels (masks move along), always in the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The changes that passed, and by how much the metric fell under each (below 0: it rose)."""

    chosen: Augmentation
    drops: dict[str, float]
    samples: int


def measure_augmentation(
    outputs_of: Callable[[np.ndarray], np.ndarray],
    apply: Apply,
    part: Part,
    task: Task,
    *,
    tolerance: float,
    metric: str | None = None,
    ignore_label: int | None = None,
) -> Measured:
    """Try each change on train samples and keep those under which the model holds.

    The mildest is taken first, another one only if the model holds under all of them together.

    Parameters
    ----------
    outputs_of
        The dense model on raw images ``(n, h, w, c)``: preprocessing is its business.
    tolerance
        Largest fall of the metric, in its own unit; of a share at most :data:`MOST`.
    metric
        None for the task's own.
    """
    masks = task.kind in ("segmentation", "binary_segmentation")
    large = part.images.shape[1] * part.images.shape[2] > _LARGE_PIXELS
    some = part.sample(_MASKS if masks else _LARGE if large else SAMPLES)
    name = metric or task.metric
    sign = 1 if metric_named(name).higher_is_better else -1

    def judged(images: np.ndarray, labels: np.ndarray) -> float:
        rows = per_sample(name, outputs_of(images), labels, task, ignore_label=ignore_label)
        return value(name, rows)

    plain = judged(some.images, some.labels)
    drops = {
        change: sign * (plain - judged(*apply(single, some.images, some.labels)))
        for change, single in SINGLE.items()
    }
    limit = tolerance if task.kind == "regression" else min(tolerance, MOST)
    chosen = Augmentation()
    for change in sorted(SINGLE, key=drops.__getitem__):
        both = joined(chosen, SINGLE[change])
        if drops[change] >= limit:
            break
        if (
            not chosen.names
            or sign * (plain - judged(*apply(both, some.images, some.labels))) < limit
        ):
            chosen = both
    return Measured(chosen=chosen, drops=drops, samples=len(some))
