"""Preprocessing as plain data, and what it does to pixels.

Owns the arithmetic from raw pixels to what a model takes; :mod:`engine.data.tf_preprocess` is its
twin on tensors. It knows nothing of models and of how a preprocessing is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.images import Fit, Resize
from engine.data.naming import Mode, Order

CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Blue, green, red means of ImageNet, as Keras's ``caffe`` mode subtracts them (0-255)."""

TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STD = (0.229, 0.224, 0.225)
"""Red, green, blue statistics of ImageNet (0-1), as in Keras's ``torch`` mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How raw pixels become a model's input.

    With ``peak`` the pixel value that means white (255 for 8-bit images, 1 for unit floats):

    ============= ==========================================================================
    ``none``      pixels as they are
    ``0-1``       pixel / peak; ``max`` the same with the largest value of the data as peak
    ``-1-1``      2 * pixel / peak - 1
    ``0-255``     255 * pixel / peak
    ``caffe``     0-255 in BGR, less ImageNet's means
    ``torch``     0-1, less ImageNet's means, over its deviations
    ``per-image`` each image less its mean, over its deviation (at least 1 / sqrt(elements))
    ``per-channel`` less ``mean``, over ``std``: the data's own, by channel, in raw units
    ============= ==========================================================================

    ``channel_order`` ``bgr`` turns RGB round first (``caffe`` always does so itself).
    ``resize`` and ``fit`` say how image files were brought to size before.
    """

    mode: Mode = "none"
    channel_order: Order = "rgb"
    peak: float = 255.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: Resize = "bilinear"
    fit: Fit = "stretch"

    @property
    def name(self) -> str:
        """The words of ``--preprocess`` that stand for it, such as ``0-1,bgr``."""
        words: list[str] = [self.mode]
        words += [self.channel_order] if self.channel_order != "rgb" else []
        words += [self.resize] if self.resize != "bilinear" else []
        words += [self.fit] if self.fit != "stretch" else []
        return ",".join(words)

    def describe(self) -> dict[str, Any]:
        """All of it as JSON, with the scale and offset by channel where it is affine."""
        affine = self.affine()
        return {
            "name": self.name,
            "mode": self.mode,
            "channel_order": self.channel_order,
            "peak": self.peak,
            "scale": None if affine is None else list(affine[0]),
            "offset": None if affine is None else list(affine[1]),
            "resize": self.resize,
            "fit": self.fit,
        }

    def affine(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """``scale`` and ``offset`` (one for all channels, or one each): pixel * scale + offset.

        Applied after the channel order; None for ``per-image``, which is not affine.
        """
        peak = self.peak
        if self.mode in ("0-1", "max"):
            return (1 / peak,), (0.0,)
        if self.mode == "-1-1":
            return (2 / peak,), (-1.0,)
        if self.mode == "0-255":
            return (255 / peak,), (0.0,)
        if self.mode == "caffe":
            return (255 / peak,) * 3, tuple(-m for m in CAFFE_MEAN)
        if self.mode == "torch":
            pairs = tuple(zip(TORCH_MEAN, TORCH_STD, strict=True))
            return tuple(1 / (peak * s) for _, s in pairs), tuple(-m / s for m, s in pairs)
        if self.mode == "per-channel":
            if self.mean is None or self.std is None:
                raise ValueError("per-channel needs the mean and std of the data")
            pairs = tuple(zip(self.mean, self.std, strict=True))
            return tuple(1 / s for _, s in pairs), tuple(-m / s for m, s in pairs)
        return None if self.mode == "per-image" else ((1.0,), (0.0,))

    @property
    def reverses_channels(self) -> bool:
        """Whether RGB is turned round."""
        return self.mode == "caffe" or self.channel_order == "bgr"

    def apply_numpy(self, images: np.ndarray) -> np.ndarray:
        """Raw images ``(n, h, w, c)`` as the model's float32 input."""
        out = images[..., ::-1] if self.reverses_channels else images
        out = out.astype(np.float32)
        affine = self.affine()
        if affine is None:
            return _per_image(out)
        if affine == ((1.0,), (0.0,)):
            return out
        out *= np.asarray(affine[0], np.float32)
        out += np.asarray(affine[1], np.float32)
        return out


def _per_image(images: np.ndarray) -> np.ndarray:
    """``tf.image.per_image_standardization``."""
    axes = (1, 2, 3)
    mean = images.mean(axis=axes, keepdims=True, dtype=np.float64)
    std = images.std(axis=axes, keepdims=True, dtype=np.float64)
    floor = 1.0 / np.sqrt(np.prod(images.shape[1:]))
    out: np.ndarray = (images - mean) / np.maximum(std, floor)
    return out.astype(np.float32)


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation by channel, in raw units; a deviation of 0 becomes 1."""
    pixels = images.reshape(-1, images.shape[-1])
    mean = pixels.mean(axis=0, dtype=np.float64)
    std = pixels.std(axis=0, dtype=np.float64)
    std = np.where(std > 0, std, 1.0)
    return tuple(float(m) for m in mean), tuple(float(s) for s in std)
