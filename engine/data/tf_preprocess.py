"""Preprocessing on tensors: the twin of :mod:`engine.data.preprocess` inside a TensorFlow graph.

Only the engine process imports this module. It owns no arithmetic of its own: scale, offset and
channel order come from the :class:`Preprocess`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from engine.data.preprocess import Preprocess


def as_tf(preprocess: Preprocess) -> Callable[[Any], Any]:
    """The preprocessing as a function of a batch of raw images.

    Returns
    -------
    callable
        Tensor ``(n, h, w, c)`` of any number type -> float32 tensor of the same shape; traceable
        without autograph.
    """
    affine = preprocess.affine()
    reverse = preprocess.reverses_channels

    def apply(images: Any) -> Any:
        out = tf.cast(images, tf.float32)
        if reverse:
            out = tf.reverse(out, axis=[-1])
        if affine is None:
            return tf.image.per_image_standardization(out)
        if affine == ((1.0,), (0.0,)):
            return out
        scale, offset = affine
        return out * tf.constant(scale, tf.float32) + tf.constant(offset, tf.float32)

    return apply
