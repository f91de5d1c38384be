"""Random changes of training images inside a TensorFlow graph.

Only the engine process imports this module. Everything random follows from the seed that comes
with each batch, so that a resumed run sees the same images. Masks move with their images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from engine.data.augment import Augmentation

_SEED = (20220731, 0)


def as_tf(augmentation: Augmentation, *, peak: float) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """The changes as a function of a batch; traceable without autograph.

    Parameters
    ----------
    peak
        Pixel value that means white; colours are kept between 0 and it.

    Returns
    -------
    callable
        ``(images float32 [n, h, w, c], labels, seed int32 [2]) -> (images, labels)``; labels of
        rank 3 are masks and move along, all others stay.
    """

    def apply(images: Any, labels: Any, seed: Any) -> tuple[Any, Any]:
        masks = labels if labels.shape.rank == 3 else None
        for index, (step, on) in enumerate(_steps(augmentation, peak)):
            if on:
                images, masks = step(images, masks, tf.random.fold_in(seed, index))
        return images, labels if masks is None else masks

    return apply


def apply_once(
    augmentation: Augmentation, images: np.ndarray, labels: np.ndarray, *, peak: float
) -> tuple[np.ndarray, np.ndarray]:
    """The changes on arrays, with a seed of their own; images come back as float32."""
    changed, moved = as_tf(augmentation, peak=peak)(
        tf.constant(images, tf.float32), tf.constant(labels), tf.constant(_SEED, tf.int32)
    )
    return changed.numpy(), moved.numpy()


def _steps(augmentation: Augmentation, peak: float) -> tuple[tuple[Any, bool], ...]:
    """Each change with whether it is on; their order fixes which random numbers each gets."""
    return (
        (_flip(2), augmentation.flip),
        (_flip(1), augmentation.flip_vertical),
        (_shift(augmentation.shift), augmentation.shift > 0),
        (_crop(augmentation.crop), augmentation.crop > 0),
        (_colour(augmentation.colour, peak), augmentation.colour > 0),
    )


def _flip(axis: int) -> Any:
    def step(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        chosen = tf.random.stateless_uniform([tf.shape(images)[0]], seed) < 0.5
        images = tf.where(chosen[:, None, None, None], tf.reverse(images, [axis]), images)
        if masks is not None:
            masks = tf.where(chosen[:, None, None], tf.reverse(masks, [axis]), masks)
        return images, masks

    return step


def _shift(share: float) -> Any:
    def step(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        for axis in (1, 2):
            size = tf.shape(images)[axis]
            most = tf.maximum(1, tf.cast(tf.round(share * tf.cast(size, tf.float32)), tf.int32))
            by = tf.random.stateless_uniform(
                [tf.shape(images)[0], 1], tf.random.fold_in(seed, axis), -most, most + 1, tf.int32
            )
            rows = tf.clip_by_value(tf.range(size)[None] + by, 0, size - 1)
            images = tf.gather(images, rows, axis=axis, batch_dims=1)
            if masks is not None:
                masks = tf.gather(masks, rows, axis=axis, batch_dims=1)
        return images, masks

    return step


def _crop(share: float) -> Any:
    def step(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        count, size = tf.shape(images)[0], tf.shape(images)[1:3]
        cut = tf.random.stateless_uniform([count, 1], tf.random.fold_in(seed, 0), 0.0, share)
        start = cut * tf.random.stateless_uniform([count, 2], tf.random.fold_in(seed, 1))
        boxes = tf.concat([start, start + 1.0 - cut], axis=1)
        which = tf.range(count)
        channels = images.shape[-1]
        images = tf.image.crop_and_resize(images, boxes, which, size)
        images = tf.ensure_shape(images, [None, None, None, channels])
        if masks is not None:
            moved = tf.image.crop_and_resize(
                tf.cast(masks, tf.float32)[..., None], boxes, which, size, method="nearest"
            )
            masks = tf.cast(moved[..., 0], masks.dtype)
        return images, masks

    return step


def _colour(share: float, peak: float) -> Any:
    def step(images: Any, masks: Any, seed: Any) -> tuple[Any, Any]:
        shape = [tf.shape(images)[0], 1, 1, 1]
        bright, contrast = (
            tf.random.stateless_uniform(shape, tf.random.fold_in(seed, i), 1 - share, 1 + share)
            for i in (0, 1)
        )
        mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
        images = ((images - mean) * contrast + mean) * bright
        return tf.clip_by_value(images, 0.0, peak), masks

    return step
