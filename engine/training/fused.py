"""BatchNormalization that trains with TensorFlow's fused kernel.

Owns the swap of classes in and out. Keras 3 composes the training pass of a norm from a dozen
operations on TensorFlow, tf_keras had one fused kernel for it. Weights, config, names and what is
saved stay those of the stock layer: only the class of the layer objects changes, and comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from engine.training.norms import norm_layers

MIN_EPSILON = 1.001e-5
"""The fused kernel silently raises a smaller epsilon to this."""


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """The stock layer with a fused training pass; see :func:`fused_norms`."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As the stock layer's, for float32 inputs [batch, height, width, channels]."""
        if mask is not None or not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        one, zero = tf.ones((channels,)), tf.zeros((channels,))
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            one if self.gamma is None else self.gamma.value,
            zero if self.beta is None else self.beta.value,
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel returns the unbiased variance, Keras keeps the biased one
        count = tf.cast(tf.size(inputs) // channels, tf.float32)
        variance *= (count - 1.0) / count
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + found * (1.0 - self.momentum))
        return outputs


def can_fuse(layer: keras.layers.Layer) -> bool:
    """Whether the fused kernel computes what this layer computes."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and not layer.renorm
        and not layer.synchronized
        and layer.dtype_policy.name == "float32"
        and layer.epsilon >= MIN_EPSILON
    )


@contextmanager
def fused_norms(model: keras.Model) -> Iterator[int]:
    """Within, a model's norms train with the fused kernel where they can.

    What is traced within keeps it. Yields the number of layers that were changed.
    """
    layers = [layer for layer in norm_layers(model) if can_fuse(layer)]
    for layer in layers:
        object.__setattr__(layer, "__class__", FusedBatchNormalization)
    try:
        yield len(layers)
    finally:
        for layer in layers:
            object.__setattr__(layer, "__class__", keras.layers.BatchNormalization)
