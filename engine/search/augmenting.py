"""Random changes of training images in a search: measured on the dense model, used in fine-tunes.

Owns the way from a job's wish to a function of the compiled step. Everything random in it follows
from the step's seed, so that a resumed run sees the same images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine import data as rooms
from engine import events as ev
from engine.control import EngineControl
from engine.data.find import data_peak
from engine.data.tf_augment import apply_once, as_tf
from engine.job import Job, Strategy
from engine.training.evaluate import Predictor
from engine.training.protocols import Augment

_PEAK_SAMPLES = 100

FEWEST_EPOCHS = 8
"""Changes are chosen for fine-tunes of so many epochs. In fewer a cut net has no time to learn an
image by heart, and with its changes has twice as much to learn: on a VGG that bears flips as well
as its own images they cost 0.5 points at 3 epochs and 0.3 at 5 with all images, and gave 0.2 at 10
(``tests.bench.recipe``). It does not ask how many fine-tunes there may be, so that a new goal with
a smaller budget goes on as the run began."""

FEWEST_OF: dict[Strategy, int] = {"importance": 5}
"""Strategies whose fine-tunes are many small steps, each from the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmenting:
    """The changes as an event tells them and as the step makes them (None: no change)."""

    event: ev.AugmentationChosen
    apply: Augment | None


def choose_augmentation(
    job: Job,
    predictor: Predictor,
    data: rooms.LoadedData,
    task: rooms.Task,
    metric: str,
    epochs: int,
    control: EngineControl,
) -> Augmenting:
    """The changes that the job asks for, or those that the dense model bears.

    Parameters
    ----------
    predictor
        The dense model on raw images.
    epochs
        Of a fine-tune.

    Raises
    ------
    Stopped
        Where the control asks for it.
    UserError
        Where the job names no known change.
    """
    peak, _ = data_peak(data.train.sample(_PEAK_SAMPLES).images)
    if data.script.augment is not None and job.data.augment == "auto":
        return Augmenting(
            event=ev.AugmentationChosen(chosen=("script",)), apply=data.script.augment
        )
    wanted = rooms.parse_augment(job.data.augment)
    if wanted is None and (data.train.ready or task.kind == "script"):
        wanted = rooms.Augmentation()
    if wanted is None and epochs < FEWEST_OF.get(job.strategy, FEWEST_EPOCHS):
        return Augmenting(event=ev.AugmentationChosen(chosen=(), too_few=epochs), apply=None)
    if wanted is not None:
        event = ev.AugmentationChosen(chosen=wanted.names)
    else:
        found = rooms.measure_augmentation(
            lambda images: predictor(images, control=control),
            lambda change, images, labels: apply_once(change, images, labels, peak=peak),
            data.train, task, tolerance=job.goal.tolerance, metric=metric,
            ignore_label=data.ignore_label,
        )  # fmt: skip
        wanted = found.chosen
        event = ev.AugmentationChosen(chosen=wanted.names, drops=found.drops, samples=found.samples)
    return Augmenting(event=event, apply=as_tf(wanted, peak=peak) if wanted.names else None)


def teacher_of(
    augmenting: Augmenting, predictor: Predictor, images: np.ndarray, control: EngineControl
) -> np.ndarray | None:
    """The dense model's answers on the training images; None for maps, which would have to move.

    Changes were chosen because the model's answers hold under them, so that one answer an image
    will do; labels alone teach where each pixel has its own.
    """
    first = predictor(images[:1], control=control)
    if augmenting.apply is not None and first.ndim > 2:
        return None
    return predictor(images, control=control)
