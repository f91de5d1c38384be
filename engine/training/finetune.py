"""The fine-tune: a compiled step in a loop of ours, pausable between any two batches.

Owns one training of a model from settings to result: shuffle, learning rate, loss, teacher,
L1 on BN scales, masks, resume. It changes the model in place and knows nothing of trials,
metrics and files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from engine.errors import TrialError
from engine.sparsity.masks import Masks
from engine.sparsity.settings import ReachedSparsity, SparsitySettings, WeightKey
from engine.training.beside import Beside
from engine.training.compiled import Compiled
from engine.training.control import Control, FreeRun
from engine.training.protocols import Augment, BatchTransform, OnBatch, OnEpoch
from engine.training.settings import (
    FineTuneSettings,
    LossSpec,
    learning_rate_at,
    steps_per_epoch,
)
from engine.training.state import TrainState, capture_state, restore_state, seed_dropout
from engine.training.step import compile_step, make_optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneResult:
    """What a fine-tune did. ``losses`` has the mean loss of every epoch that ran here.

    ``steps`` counts those of all epochs so far, ``seconds`` is wall time, pauses included;
    ``sparsity`` is counted in the finished kernels.
    """

    losses: tuple[float, ...]
    steps: int
    seconds: float
    sparsity: dict[WeightKey, ReachedSparsity] = field(default_factory=dict)


def fine_tune(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    preprocess: BatchTransform,
    loss: LossSpec,
    settings: FineTuneSettings,
    sparsity: SparsitySettings | None = None,
    teacher: keras.Model | np.ndarray | None = None,
    augment: Augment | None = None,
    beside: Beside | None = None,
    control: Control | None = None,
    on_batch: OnBatch | None = None,
    on_epoch: OnEpoch | None = None,
    on_state: Callable[[TrainState], None] | None = None,
    start: TrainState | None = None,
) -> FineTuneResult:
    """Train a model in place.

    Parameters
    ----------
    images
        Raw images, uint8 or float32 [samples, height, width, channels].
    labels
        Class ids [samples] or maps [samples, height, width(, 1)], any integer type.
    sparsity
        What is to become zero meanwhile; the zeros reached are in the result.
    teacher
        A model on the same input, or its outputs for ``images`` (same ``from_logits``, computed
        once for many fine-tunes; with ``augment`` they stand for the changed images too, and must
        be no maps).
    beside
        What is trained with the model; the caller folds it in.
    on_epoch
        May end the training before its last epoch; the rate has then not fallen to 0.
    on_state
        Given all that is needed to go on, after every epoch but one that ended it.
    start
        Go on from there, with the model, data and settings of the beginning; the weights come
        from the state. The result is that of an uninterrupted run.

    Raises
    ------
    TrialError
        Where the loss stops being a number; the model is then worthless.
    Stopped
        Where the control asks for it; the model is left in the middle.
    """
    began = time.monotonic()
    control = control or FreeRun()
    batch_size = min(settings.batch_size, len(images))
    per_epoch = steps_per_epoch(len(images), batch_size)
    steps = settings.epochs * per_epoch
    masks = Masks(model, sparsity, steps) if sparsity is not None else None
    optimizer = make_optimizer(model, settings, () if beside is None else beside.variables)
    seed_dropout(model, settings.seed)
    if start is not None:
        restore_state(start, model, optimizer, masks, beside)
    step_function = compile_step(
        model=model,
        optimizer=optimizer,
        masks=masks,
        preprocess=preprocess,
        loss=loss,
        settings=settings,
        teacher=teacher if isinstance(teacher, keras.Model) else None,
        augment=augment,
        beside=beside,
    )
    recorded = _recorded_outputs(teacher, len(images), settings, augment)
    means: list[float] = []
    first = start.epoch if start is not None else 0
    for epoch in range(first, settings.epochs):
        order = np.random.default_rng((settings.seed, epoch)).permutation(len(images))
        total = 0.0
        for index in range(per_epoch):
            control.checkpoint()
            step = epoch * per_epoch + index + 1
            chosen = order[index * batch_size : (index + 1) * batch_size]
            optimizer.learning_rate = learning_rate_at(step, steps, settings)
            if masks is not None:
                masks.begin_step(step)
            value = _run_step(
                step_function,
                (images[chosen], labels[chosen], recorded[chosen]),
                seed=(settings.seed, step),
                steps=steps,
            )
            total += value
            if on_batch is not None:
                on_batch(step, steps, value)
        if masks is not None:
            masks.finish()
        means.append(total / per_epoch)
        if on_epoch is not None and on_epoch(epoch + 1, means[-1]):
            break
        if on_state is not None:
            on_state(capture_state(epoch + 1, model, optimizer, masks, beside))
    return FineTuneResult(
        losses=tuple(means),
        steps=(first + len(means)) * per_epoch,
        seconds=time.monotonic() - began,
        sparsity=masks.finish() if masks is not None else {},
    )


def _run_step(
    step_function: Compiled,
    batch: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    seed: tuple[int, int],
    steps: int,
) -> float:
    """One step; what can go wrong in it, as a trial's error. ``seed`` ends with the step."""
    try:
        arrays = [tf.constant(array) for array in batch]
        value = float(step_function(*arrays, tf.constant(seed, tf.int32)))
    except tf.errors.ResourceExhaustedError as error:
        raise TrialError(
            "training.memory",
            f"The memory is too small for a training step on images of shape {batch[0].shape}.",
            "A smaller batch size may help.",
        ) from error
    if not math.isfinite(value):
        raise TrialError(
            "training.diverged",
            f"The loss stopped being a number at step {seed[-1]} of {steps}: {value}.",
            "A smaller learning rate may help.",
        )
    return value


def _recorded_outputs(
    teacher: keras.Model | np.ndarray | None,
    samples: int,
    settings: FineTuneSettings,
    augment: Augment | None,
) -> np.ndarray:
    """The teacher's outputs by sample, or an empty row each where none are recorded."""
    if settings.distill == 0 or not isinstance(teacher, np.ndarray):
        return np.zeros((samples, 0), np.float32)
    if augment is not None and teacher.ndim > 2:
        raise ValueError("recorded maps do not move with augmented images")
    if len(teacher) != samples:
        raise ValueError(f"{samples} images need as many teacher outputs: {len(teacher)}")
    return teacher
