"""Prediction over many images: a compiled forward pass, one shape, stoppable between batches.

Owns the forward function of a model and the handling of the tail batch. It computes no metric
(:mod:`engine.data.metrics` does) and never changes the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.training.beside import Beside, seen_in
from engine.training.compiled import Compiled
from engine.training.control import Control, FreeRun
from engine.training.fused import fused_norms
from engine.training.model_parts import single_output
from engine.training.protocols import BatchTransform

_BATCH_BYTES = 16 << 20  # of float32 input: activations are some tens of times that
_MOST, _LEAST = 256, 8


def batch_for(images: np.ndarray) -> int:
    """Images of this size [samples, height, width, channels] that are predicted at a time."""
    each = 4 * int(np.prod(images.shape[1:], dtype=np.int64))
    return max(1, min(_MOST, len(images), max(_LEAST, _BATCH_BYTES // max(1, each))))


def padded_batches(images: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of exactly ``batch_size`` in order, each with its count of real images.

    The tail repeats its last image, so that every batch has the one traced shape.
    """
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        real = len(batch)
        if real < batch_size:
            batch = np.concatenate([batch, np.repeat(batch[-1:], batch_size - real, axis=0)])
        yield batch, real


class Predictor:
    """A model's compiled forward pass; keep it to predict with the same model again.

    The weights are read anew at every call, with what is trained ``beside`` them; the batch size
    is fixed so that nothing is traced twice. It holds the model: drop it with the model.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocess: BatchTransform,
        *,
        batch_size: int = 256,
        beside: Beside | None = None,
    ) -> None:
        self.batch_size = batch_size

        def forward(images: Any) -> Any:
            ready = preprocess(tf.cast(images, tf.float32))
            with fused_norms(model), seen_in(model, beside):
                return tf.cast(single_output(model(ready, training=False)), tf.float32)

        self._forward = Compiled(forward)

    def __call__(self, images: np.ndarray, *, control: Control | None = None) -> np.ndarray:
        """Outputs float32 [samples, ...] of raw images [samples, height, width, channels]."""
        control = control or FreeRun()
        parts = []
        for batch, real in padded_batches(images, self.batch_size):
            control.checkpoint()
            parts.append(self._forward(tf.constant(batch)).numpy()[:real])
        if not parts:
            raise ValueError(f"no images to predict: array of shape {images.shape}")
        return np.concatenate(parts)


def predict_outputs(
    model: keras.Model,
    images: np.ndarray,
    *,
    preprocess: BatchTransform,
    batch_size: int | None = None,
    control: Control | None = None,
) -> np.ndarray:
    """Outputs of a model, float32 [samples, ...], inference mode.

    Parameters
    ----------
    images
        Raw images, uint8 or float32 [samples, height, width, channels].
    batch_size
        None: fewer, the larger the images are.

    Raises
    ------
    Stopped
        Where the control asks for it.
    """
    size = max(1, min(batch_size or batch_for(images), len(images)))
    return Predictor(model, preprocess, batch_size=size)(images, control=control)
