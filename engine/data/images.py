"""Images brought into the shape that a model takes.

Owns the fitting of arrays (channel axis, grey and colour, channels first, flattened pixels) and
of decoded pictures (resize, crop, pad). Pixel values stay raw. It knows nothing of files and
labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.data.store import StreamedArray, allocate, rows_at_once
from engine.errors import UserError

Resize = Literal["bilinear", "nearest", "bilinear-aa", "bicubic", "lanczos"]
"""``bilinear`` is Keras's (half-pixel centres, no antialiasing); ``-aa`` and the last two are
Pillow's, which smooth when they shrink."""

Fit = Literal["stretch", "crop", "pad"]
"""How an image of another aspect ratio is brought to size."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow and libjpeg


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTarget:
    """The image that a model takes: size in pixels (None: any) and channels."""

    height: int | None
    width: int | None
    channels: int | None
    resize: Resize = "bilinear"
    fit: Fit = "stretch"

    def describe(self) -> str:
        """Such as ``28x28x1``; ``?`` for what is open."""
        return "x".join(
            "?" if n is None else str(n) for n in (self.height, self.width, self.channels)
        )


def target_of(
    input_shape: tuple[int | None, ...], *, resize: Resize = "bilinear", fit: Fit = "stretch"
) -> ImageTarget:
    """The image that an input of this shape (no batch axis, channels last) takes.

    Raises
    ------
    UserError
        ``model.input`` where the input is no image.
    """
    if len(input_shape) != 3:
        raise UserError(
            "model.input",
            f"The model's input is not one image (height, width, channels): {input_shape}.",
            "Give the data through a data script.",
        )
    height, width, channels = input_shape
    return ImageTarget(height=height, width=width, channels=channels, resize=resize, fit=fit)


def fit_array(images: np.ndarray, target: ImageTarget, origin: str) -> tuple[np.ndarray, list[str]]:
    """Images of an array as ``(n, height, width, channels)`` for a model, with notes.

    Sizes are never changed here: an array of another size is an error.

    Raises
    ------
    UserError
        ``data.image_size`` where they cannot be the model's images; ``data.images`` where they
        are no images.
    """
    notes: list[str] = []
    images = _numbers(np.asarray(images), origin)
    if images.ndim == 2 and None not in (target.height, target.width, target.channels):
        images = _unflatten(images, target, origin, notes)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4:
        raise UserError(
            "data.images",
            f"{origin} must be images (n, height, width, channels): received {images.shape}.",
            "Save them in that shape.",
        )
    images = _channels_last(images, target, notes)
    images = _fit_channels(images, target, origin, notes)
    wanted = (target.height, target.width)
    if any(w is not None and w != got for w, got in zip(wanted, images.shape[1:3], strict=True)):
        size = "x".join(str(n) for n in images.shape[1:])
        raise UserError(
            "data.image_size",
            f"The model takes images of {target.describe()}, but those of {origin} are {size}.",
            "Resize the images, or give them as a folder of image files, which are resized.",
        )
    return images, notes


def fit_images(
    images: np.ndarray, target: ImageTarget, origin: str
) -> tuple[np.ndarray, list[str]]:
    """:func:`fit_array`, piece by piece for images that are kept on disk."""
    if not isinstance(images, StreamedArray):
        return fit_array(images, target, origin)
    at_once = rows_at_once(images)
    first, notes = fit_array(images[:at_once], target, origin)
    if first.shape[1:] == images.shape[1:] and first.dtype == images.dtype:
        return images, notes
    out = allocate((len(images), *first.shape[1:]), first.dtype, streamed=True)
    for start in range(0, len(images), at_once):
        piece, said = fit_array(images[start : start + at_once], target, origin)
        if piece.dtype != first.dtype:
            raise UserError(
                "data.images",
                f"{origin} has pixels of several scales: {first.dtype} and {piece.dtype}.",
                "Save all images as uint8.",
            )
        out[start : start + len(piece)] = piece
        notes.extend(note for note in said if note not in notes)
    return out, notes


def _numbers(images: np.ndarray, origin: str) -> np.ndarray:
    """Pixels as uint8 where nothing is lost, else uint16 or float32."""
    kind = images.dtype.kind
    if kind == "b":
        return images.astype(np.uint8)
    if kind in "ui":
        if images.dtype in (np.uint8, np.uint16) or not images.size:
            return images
        low, high = int(images.min()), int(images.max())
        if low >= 0 and high <= 65535:
            return images.astype(np.uint8 if high <= 255 else np.uint16)
        return images.astype(np.float32)
    if kind == "f":
        if not np.isfinite(images).all():
            raise UserError(
                "data.images",
                f"{origin} has pixels that are no numbers (NaN or infinity).",
                "Remove these images.",
            )
        return images.astype(np.float32, copy=False)
    raise UserError(
        "data.images",
        f"{origin} must hold numbers: received {images.dtype}.",
        "Save the images as a uint8 array.",
    )


def _unflatten(
    images: np.ndarray, target: ImageTarget, origin: str, notes: list[str]
) -> np.ndarray:
    height, width, channels = target.height, target.width, target.channels
    assert height is not None
    assert width is not None
    assert channels is not None
    if images.shape[1] == height * width * channels:
        notes.append(f"Images of {origin} are flat; they were read as {target.describe()}.")
        return images.reshape(len(images), height, width, channels)
    if images.shape[1] == height * width:
        return images.reshape(len(images), height, width)
    return images


def _channels_last(images: np.ndarray, target: ImageTarget, notes: list[str]) -> np.ndarray:
    """Channels-first images turned round, where only that reading fits the model."""
    _, first, height, width = images.shape
    if images.shape[3] in (1, 3, 4) or first not in (1, 3, 4):
        return images
    if target.height not in (None, height) or target.width not in (None, width):
        return images
    notes.append("Images have their channels first; the axes were moved.")
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def _fit_channels(
    images: np.ndarray, target: ImageTarget, origin: str, notes: list[str]
) -> np.ndarray:
    """Grey to colour and back, alpha dropped, where the model wants another channel count."""
    have, want = images.shape[3], target.channels
    if want is None or have == want:
        return images
    if have == 1 and want == 3:
        notes.append(f"Images of {origin} are grey; their channel is used three times.")
        return np.repeat(images, 3, axis=3)
    if have == 4 and want in (1, 3):
        notes.append(f"Images of {origin} have an alpha channel, which was dropped.")
        return _fit_channels(images[..., :3], target, origin, notes)
    if have == 3 and want == 1:
        notes.append(f"Images of {origin} have colour; the model takes their brightness.")
        grey = images @ _LUMA
        if images.dtype.kind == "u":
            grey = np.rint(grey).astype(images.dtype)
        return grey[..., np.newaxis]
    raise UserError(
        "data.image_size",
        f"The model takes images with {want} channels, but those of {origin} have {have}.",
        "Check that data and model belong together.",
    )
