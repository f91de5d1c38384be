"""Image files decoded and brought to size.

Owns what a picture's bytes become: 8-bit pixels with the channels and the size that a model
takes. Decoding runs in threads; a corrupt file is an answer, not an exception. It knows nothing
of folders and labels.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from engine.data.images import ImageTarget

SUFFIXES = frozenset(
    [
        ".bmp",
        ".gif",
        ".jpeg",
        ".jpg",
        ".jpe",
        ".png",
        ".ppm",
        ".pgm",
        ".pnm",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
"""Endings of files that are read as images."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_PILLOW = {
    "bilinear-aa": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def is_image(path: Path) -> bool:
    """Whether a file is read as an image, by its ending; hidden files are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def decode_image(data: bytes, target: ImageTarget) -> np.ndarray | None:
    """Pixels uint8 ``(height, width, channels)`` at the target's size; None for a corrupt file.

    16-bit grey is reduced to its high byte, alpha is dropped where the model takes none, and a
    rotation that the file asks for is not applied: all as Keras's loader does.
    """
    pixels = open_pixels(data, _MODES.get(target.channels or 3, "RGB"))
    if pixels is None:
        return None
    return to_size(pixels, target)


def decode_mask(data: bytes, target: ImageTarget) -> np.ndarray | None:
    """Class ids ``(height, width)`` of a mask image, nearest pixel; None for a corrupt file.

    A palette image gives its indices, a colour image its first channel. The mask is cropped or
    padded as its image is.
    """
    pixels = open_pixels(data, None)
    if pixels is None:
        return None
    return to_size(pixels[..., :1], replace(target, resize="nearest", channels=1))[..., 0]


def image_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of an image from its header; None for a corrupt file."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None


def open_pixels(data: bytes, mode: str | None) -> np.ndarray | None:
    """Pixels uint8 ``(height, width, channels)`` in a Pillow mode (None: indices as they are).

    Pillow warns of odd metadata; who calls this in threads silences it once, outside of them.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
                grey = _grey8(np.asarray(image))
                pixels = grey if mode is None else np.asarray(Image.fromarray(grey).convert(mode))
            elif mode is None:
                keep = image.mode in ("L", "P", "RGB", "RGBA", "LA")
                pixels = np.asarray(image if keep else image.convert("L"))
            else:
                pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return np.atleast_3d(pixels)


def _grey8(pixels: np.ndarray) -> np.ndarray:
    """Deep grey as 8 bits: the high byte where values go beyond 255."""
    if pixels.size and pixels.max() > 255:
        return (pixels.astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
    return pixels.clip(0, 255).astype(np.uint8)


def to_size(pixels: np.ndarray, target: ImageTarget) -> np.ndarray:
    """Pixels uint8 ``(h, w, c)`` cropped or padded to the target's aspect, then resized."""
    height = target.height or pixels.shape[0]
    width = target.width or pixels.shape[1]
    if pixels.shape[:2] == (height, width):
        return pixels
    if target.fit == "crop":
        pixels = _crop_to_aspect(pixels, height, width)
    elif target.fit == "pad":
        pixels = _pad_to_aspect(pixels, height, width)
    if pixels.shape[:2] == (height, width):
        return pixels
    if target.resize == "bilinear":
        return resize_bilinear(pixels, height, width)
    if target.resize == "nearest":
        rows, columns = _nearest(pixels.shape[0], height), _nearest(pixels.shape[1], width)
        nearest: np.ndarray = pixels[rows][:, columns]
        return nearest
    grey = pixels.shape[2] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    out = np.asarray(image.resize((width, height), _PILLOW[target.resize]))
    return np.atleast_3d(out)


def _crop_to_aspect(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest centred cut of the wanted aspect, as Keras's ``crop_to_aspect_ratio``."""
    have_h, have_w = pixels.shape[:2]
    crop_h = min(have_h, int(have_w * height / width))
    crop_w = min(have_w, int(have_h * width / height))
    top, left = (have_h - crop_h) // 2, (have_w - crop_w) // 2
    return pixels[top : top + max(crop_h, 1), left : left + max(crop_w, 1)]


def _pad_to_aspect(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image centred on black of the wanted aspect, as Keras's ``pad_to_aspect_ratio``."""
    have_h, have_w = pixels.shape[:2]
    want_h = max(have_h, int(have_w * height / width))
    want_w = max(have_w, int(have_h * width / height))
    top, left = (want_h - have_h) // 2, (want_w - have_w) // 2
    return np.pad(pixels, ((top, want_h - have_h - top), (left, want_w - have_w - left), (0, 0)))


def resize_bilinear(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, half-pixel centres, no antialiasing: ``tf.image.resize``'s default, rounded.

    Parameters
    ----------
    pixels
        uint8 ``(h, w, c)``.
    """
    top, bottom, down = _weights(pixels.shape[0], height)
    left, right, across = _weights(pixels.shape[1], width)
    channels = pixels.shape[2]
    wide = pixels.reshape(len(pixels), -1).astype(np.float32)  # long rows: NumPy's inner loop
    rows = wide[top]
    rows += (wide[bottom] - rows) * down[:, np.newaxis]
    columns = np.arange(channels)
    first = (left[:, np.newaxis] * channels + columns).ravel()
    second = (right[:, np.newaxis] * channels + columns).ravel()
    out = np.take(rows, first, axis=1)
    out += (np.take(rows, second, axis=1) - out) * np.repeat(across, channels)
    rounded: np.ndarray = np.rint(out, out=out).astype(np.uint8)
    return rounded.reshape(height, width, channels)


def _weights(have: int, want: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower index, upper index and weight of the upper one, for each output position."""
    place = (np.arange(want, dtype=np.float32) + 0.5) * np.float32(have / want) - 0.5
    low = np.floor(place)
    weight = place - low
    first = np.clip(low, 0, have - 1).astype(np.int64)
    second = np.clip(low + 1, 0, have - 1).astype(np.int64)
    return first, second, weight.astype(np.float32)


def _nearest(have: int, want: int) -> np.ndarray:
    """Index of the nearest pixel for each output position (half-pixel centres)."""
    place = np.floor((np.arange(want) + 0.5) * have / want)
    return np.minimum(place.astype(np.int64), have - 1)
