"""Re-estimation of BatchNormalization statistics after a cut (EagleEye, Li et al., ECCV 2020).

Owns the pass that sets every moving mean and variance of a model to the exact statistics of
some training batches. Dropout and noise stay off, nothing but the statistics changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.training.compiled import Compiled
from engine.training.control import Control, FreeRun
from engine.training.fused import can_fuse, fused_training
from engine.training.model_parts import norm_layers, single_output
from engine.training.protocols import BatchTransform


class _Tally:
    """Sums of one layer's batch statistics: mean, variance, mean squared, number of calls."""

    def __init__(self, channels: int) -> None:
        self.mean = tf.Variable(np.zeros(channels, np.float64), trainable=False)
        self.square = tf.Variable(np.zeros(channels, np.float64), trainable=False)
        self.calls = tf.Variable(np.float64(0.0), trainable=False)

    def add(self, mean: Any, variance: Any) -> None:
        """Count a batch (inside the graph)."""
        mean, variance = tf.cast(mean, tf.float64), tf.cast(variance, tf.float64)
        self.mean.assign_add(mean)
        self.square.assign_add(variance + tf.square(mean))
        self.calls.assign_add(1.0)

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance over all that was counted."""
        calls = float(self.calls.numpy())
        mean = self.mean.numpy() / calls
        variance = np.maximum(self.square.numpy() / calls - mean**2, 0.0)
        return mean.astype(np.float32), variance.astype(np.float32)


class _Measuring(keras.layers.BatchNormalization):  # type: ignore[misc]
    """A norm that always uses and tallies batch statistics; stands in during the pass only."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise by the batch, whatever ``training`` says."""
        if self._fusible and mask is None:
            outputs, mean, variance = fused_training(self, inputs)
            self._count(mean, variance)
            return outputs
        x = keras.ops.cast(inputs, "float32")
        mean, variance = self._moments(x, mask)
        self._count(mean, variance)
        normed = keras.ops.batch_normalization(
            x=x,
            mean=mean,
            variance=variance,
            axis=self.axis,
            offset=self.beta,
            scale=self.gamma,
            epsilon=self.epsilon,
        )
        return keras.ops.cast(normed, self.compute_dtype)

    def _count(self, mean: Any, variance: Any) -> None:
        if self._tally is not None:
            self._tally.add(mean, variance)


@contextmanager
def _measuring(
    layers: list[keras.layers.BatchNormalization], tallies: Sequence[_Tally | None]
) -> Iterator[None]:
    """The layers as measuring ones; their classes come back whatever happens."""
    classes = [type(layer) for layer in layers]
    for layer, tally in zip(layers, tallies, strict=True):
        object.__setattr__(layer, "_tally", tally)
        object.__setattr__(layer, "_fusible", can_fuse(layer))
        object.__setattr__(layer, "__class__", _Measuring)
    try:
        yield
    finally:
        for layer, kind in zip(layers, classes, strict=True):
            object.__setattr__(layer, "__class__", kind)
            object.__delattr__(layer, "_tally")
            object.__delattr__(layer, "_fusible")


class BatchNormed:
    """A model's forward pass in which every batch norm uses the statistics of its own batch.

    What a re-estimation would give, without the pass for it: for a probe of a model whose weights
    are about to change again. Traced once; the weights are read anew at every call.

    Parameters
    ----------
    preprocess
        Makes the model's input of raw images.
    """

    def __init__(self, model: keras.Model, preprocess: BatchTransform) -> None:
        layers = norm_layers(model)

        def forward(images: Any) -> Any:
            with _measuring(layers, [None] * len(layers)):
                ready = preprocess(tf.cast(images, tf.float32))
                return tf.cast(single_output(model(ready, training=False)), tf.float32)

        self._forward = Compiled(forward)

    def __call__(
        self, images: np.ndarray, *, batch_size: int, control: Control | None = None
    ) -> np.ndarray:
        """Outputs float32 [samples, ...]; a tail shorter than a batch is left out.

        Raises
        ------
        Stopped
            Where the control asks for it.
        """
        control = control or FreeRun()
        parts = []
        for start in range(0, len(images) - batch_size + 1, batch_size):
            control.checkpoint()
            parts.append(self._forward(tf.constant(images[start : start + batch_size])).numpy())
        return np.concatenate(parts)


def reestimate_norms(
    model: keras.Model,
    images: np.ndarray,
    *,
    preprocess: BatchTransform,
    batch_size: int = 128,
    batches: int = 30,
    seed: int = 0,
    control: Control | None = None,
) -> int:
    """Set all BN statistics to those of ``batches`` random batches of training images.

    Every layer sees inputs that are normalised by batch statistics, as in training. The moving
    variance becomes the variance over all batches together (mean of variances plus variance of
    means), so it does not depend on the batch size where inputs do not. Frozen norms are measured
    too: a cut before them shifts what they see.

    Parameters
    ----------
    images
        Raw training images, uint8 or float32 [samples, height, width, channels].

    Returns
    -------
    int
        Number of batches used; 0 where the model has no such layer.

    Raises
    ------
    Stopped
        Where the control asks for it; the statistics are then as before.
    """
    layers = norm_layers(model)
    if not layers or len(images) == 0:
        return 0
    control = control or FreeRun()
    batch_size = min(batch_size, len(images))
    order = np.random.default_rng(seed).permutation(len(images))
    batches = min(batches, len(images) // batch_size)
    tallies = [_Tally(int(layer.moving_mean.shape[0])) for layer in layers]
    with _measuring(layers, tallies):

        def forward(batch: Any) -> Any:
            model(preprocess(tf.cast(batch, tf.float32)), training=False)

        compiled = Compiled(forward)
        for index in range(batches):
            control.checkpoint()
            chosen = np.sort(order[index * batch_size : (index + 1) * batch_size])
            compiled(tf.constant(images[chosen]))
        statistics = [tally.statistics() if tally.calls.numpy() else None for tally in tallies]
    for layer, found in zip(layers, statistics, strict=True):
        if found is not None:
            layer.moving_mean.assign(found[0])
            layer.moving_variance.assign(found[1])
    return batches
