"""BatchNormalization by TensorFlow's fused kernel, in training and in inference.

Owns the kernel's call and the swap of classes in and out. Keras 3 composes a norm from a dozen
operations on TensorFlow, tf_keras had this kernel for it: a ResNet-20 step costs 1.25 times the CPU
time without. Weights, config, names and what is saved stay those of the stock layer: only the
class of the layer objects changes while a graph is traced, and comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from engine.training.model_parts import norm_layers

MIN_EPSILON = 1.001e-5
"""The fused kernel silently raises a smaller epsilon to this."""


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """The stock layer by the fused kernel; see :func:`fused_norms`."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As the stock layer's, for float32 inputs [batch, height, width, channels]."""
        if mask is not None:
            return super().call(inputs, training=training, mask=mask)
        if not (training and self.trainable):
            return fused_inference(self, inputs)
        outputs, mean, variance = fused_training(self, inputs)
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + found * (1.0 - self.momentum))
        return outputs


def fused_training(layer: keras.layers.BatchNormalization, inputs: Any) -> tuple[Any, Any, Any]:
    """Inputs normalised by their own statistics; their mean and (biased) variance."""
    gamma, beta = _scale_and_offset(layer, inputs)
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        inputs, gamma, beta, epsilon=layer.epsilon, is_training=True
    )
    # The kernel returns the unbiased variance, Keras keeps the biased one
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
    return outputs, mean, variance * (count - 1.0) / count


def fused_inference(layer: keras.layers.BatchNormalization, inputs: Any) -> Any:
    """Inputs normalised by the moving statistics."""
    gamma, beta = _scale_and_offset(layer, inputs)
    outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
        inputs,
        gamma,
        beta,
        mean=layer.moving_mean.value,
        variance=layer.moving_variance.value,
        epsilon=layer.epsilon,
        is_training=False,
    )
    return outputs


def _scale_and_offset(layer: keras.layers.BatchNormalization, inputs: Any) -> tuple[Any, Any]:
    """Gamma and beta, 1 and 0 where the layer has none."""
    channels = inputs.shape[-1]
    gamma = tf.ones((channels,)) if layer.gamma is None else layer.gamma.value
    beta = tf.zeros((channels,)) if layer.beta is None else layer.beta.value
    return gamma, beta


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
    """Within, a model's norms use the fused kernel where they can.

    To be held around a call that is being traced: the graph keeps the kernel, the model does not.
    Yields the number of layers that are changed.
    """
    layers = [layer for layer in norm_layers(model) if can_fuse(layer)]
    for layer in layers:
        object.__setattr__(layer, "__class__", FusedBatchNormalization)
    try:
        yield len(layers)
    finally:
        for layer in layers:
            object.__setattr__(layer, "__class__", keras.layers.BatchNormalization)
