"""What the loss becomes when single channels go: the measurement behind the criterion ``greedy``.

Owns the forward passes with channels taken from their readers. Every batch norm uses the statistics
of its batch (EagleEye, Li et al., ECCV 2020). One pass over the images for each channel and round;
the model is as before when it ends.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from engine.channels.groups import Channels
from engine.criteria.base import Scores
from engine.criteria.greedy import ROUNDS, order_of_removal
from engine.training import losses
from engine.training.control import Control, FreeRun
from engine.training.norms import BatchNormed
from engine.training.protocols import BatchTransform
from engine.training.readers import Readers
from engine.training.settings import LossSpec

BATCH = 128
MOST_SAMPLES, LEAST_SAMPLES = 512, 64
MOST_MACS = 2e12
"""Multiply-adds that all passes together may take, about: it bounds the images."""


def samples_for(units: int, macs: int | None) -> int:
    """Images that so many channels can be measured on, in whole batches where they fill one."""
    passes = max(1.0, units * (2.0 - 0.5 ** (ROUNDS - 1)))
    wanted = int(MOST_MACS / (max(1, macs or 1) * passes))
    wanted = min(MOST_SAMPLES, max(LEAST_SAMPLES, wanted))
    return wanted if wanted < BATCH else wanted // BATCH * BATCH


def greedy_scores(
    model: keras.Model,
    channels: Channels,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    preprocess: BatchTransform,
    loss: LossSpec,
    rounds: int = ROUNDS,
    control: Control | None = None,
) -> Scores:
    """By group and unit: how late it goes, above 0 to 1; what cannot be removed has 1.

    Parameters
    ----------
    model, channels
        A model that :func:`engine.modelfile.rebuild.build` made, and the groups of its graph.
    images, labels
        Raw samples [samples, ...]; a tail shorter than a batch is left out.

    Raises
    ------
    Stopped
        Where the control asks for it.
    """
    control = control or FreeRun()
    batch = min(BATCH, len(images))
    forward, readers = BatchNormed(model, preprocess), Readers(model, channels)
    before = [(v, v.numpy()) for v, _ in readers.scaled(tf.ones(channels.unit_group.size))]
    wanted = labels[: len(images) // batch * batch]

    def loss_without(there: np.ndarray, unit: int) -> float:
        for variable, array in before:
            variable.assign(array)
        factors = there.astype(np.float32)
        factors[unit] = 0.0
        for variable, array in readers.scaled(tf.constant(factors)):
            variable.assign(array)
        return _loss(forward(images, batch_size=batch, control=control), wanted, loss)

    prunable = np.array([group.prunable for group in channels.groups], dtype=bool)
    units = np.flatnonzero(channels.removable & prunable[channels.unit_group])
    there = np.ones(channels.unit_group.size, dtype=bool)
    try:
        when = order_of_removal(units, there, loss_without, rounds)
    finally:
        for variable, array in before:
            variable.assign(array)
    late = np.ones(channels.unit_group.size)
    late[units] = (when + 1.0) / units.size
    return {
        group.id: late[group.first_unit : group.first_unit + group.channels]
        for group in channels.groups
        if group.prunable
    }


def _loss(outputs: np.ndarray, labels: np.ndarray, spec: LossSpec) -> float:
    """Mean loss of a model's outputs."""
    logits = losses.logits_of(tf.constant(outputs), spec)
    fitted = losses.fit_labels(tf.constant(labels), logits, spec)
    return float(losses.weighted_mean(*losses.label_loss(logits, fitted, spec)))
