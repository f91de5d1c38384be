"""Random flips and shifts of training images, inside the compiled step.

Owns the augmentation that suits small natural images; whether it suits a data set (digits have no
mirror image) is decided elsewhere. Label maps move with their images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipAndShift:
    """An :class:`engine.training.protocols.Augment`: each image on its own.

    Parameters
    ----------
    flip
        Mirror left and right with probability one half.
    shift_px
        Move by up to so many pixels in both directions; the border is reflected.
    """

    flip: bool = True
    shift_px: int = 4

    def __call__(self, images: Any, labels: Any, seed: Any) -> tuple[Any, Any]:
        """Images float32 [batch, height, width, channels], labels of any kind, seed int32 [2]."""
        moves = self._transforms(tf.shape(images)[0], tf.shape(images)[2], seed)
        moved = _transform(images, moves)
        if labels.shape.rank == 4:
            return moved, _transform(labels, moves)
        if labels.shape.rank == 3:
            return moved, tf.squeeze(_transform(labels[..., None], moves), axis=-1)
        return moved, labels

    def _transforms(self, count: Any, width: Any, seed: Any) -> Any:
        """Projective transforms [batch, 8]: the source of every output pixel."""
        seeds = tf.random.split(seed, 2)
        shifts = tf.random.stateless_uniform(
            (count, 2), seeds[0], -self.shift_px, self.shift_px + 1, tf.int32
        )
        shift_x, shift_y = tf.unstack(tf.cast(shifts, tf.float32), axis=1)
        zero = tf.zeros((count,))
        sign = zero + 1.0
        if self.flip:
            mirrored = tf.random.stateless_uniform((count,), seeds[1]) < 0.5
            sign = tf.where(mirrored, -1.0, 1.0)
            shift_x += tf.where(mirrored, tf.cast(width - 1, tf.float32), 0.0)
        one = zero + 1.0
        return tf.stack([sign, zero, shift_x, zero, one, shift_y, zero, zero], axis=1)


def _transform(images: Any, moves: Any) -> Any:
    return tf.ensure_shape(
        tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=moves,
            output_shape=tf.shape(images)[1:3],
            fill_value=0.0,
            interpolation="NEAREST",
            fill_mode="REFLECT",
        ),
        images.shape,
    )
