"""Masks as pictures: the image, its true mask and what two models answer, side by side.

Owns the IoU of single images, by which they are put in order, and the sheet with a row each. It
judges nothing (:mod:`engine.data.metrics` does).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.data.metrics import per_sample
from engine.data.preview import in_rgb
from engine.data.task import Task, predicted_classes

COLOURS = np.array(
    [
        (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233),
        (213, 94, 0), (240, 228, 66), (148, 103, 189), (140, 86, 75), (23, 190, 207),
        (188, 189, 34), (127, 127, 127),
    ],
    np.float32,
)  # fmt: skip
"""RGB of the classes, over and over; the first seven can be told apart by all eyes (Okabe and Ito,
but for black, which is left for what does not count)."""

SHARE = 0.6
"""How much of a pixel is its class's colour; the rest is the image, grey."""

PICTURES = 4
"""Of a row: image, truth, before, after."""

GAP_PX = 4


def iou_by_image(
    outputs: np.ndarray, labels: np.ndarray, task: Task, *, ignore_label: int | None = None
) -> np.ndarray:
    """IoU of each image alone, float64 ``(n,)``: of the foreground, or the mean over its classes.

    A class that neither truth nor answer has does not count; NaN where none is left.
    """
    rows = per_sample("mean_iou", outputs, labels, task, ignore_label=ignore_label)
    right, predicted, true = np.split(rows, 3, axis=1)
    if task.kind == "binary_segmentation":
        right, predicted, true = (part[:, 1:] for part in (right, predicted, true))
    either = predicted + true - right
    counts = either > 0
    found = np.divide(right, either, out=np.zeros_like(right), where=counts)
    with np.errstate(invalid="ignore"):
        return np.asarray(found.sum(axis=1) / counts.sum(axis=1), np.float64)


def worst_first(before: np.ndarray, after: np.ndarray, most: int) -> np.ndarray:
    """Images by how much IoU they lost, int64, at most so many; those without one come last."""
    return np.argsort(-np.nan_to_num(before - after, nan=-np.inf), kind="stable")[:most]


def painted(
    image: np.ndarray, classes: np.ndarray | None, task: Task, *, ignore_label: int | None = None
) -> np.ndarray:
    """An image with classes laid over it, uint8 ``(height, width, 3)``.

    Parameters
    ----------
    image
        uint8 ``(height, width, 3)``; it takes the size of ``classes``.
    classes
        Class ids ``(height, width)``, None for the image alone. The background of one foreground
        stays as it is; what does not count, and answers that are no number, become black.
    """
    if classes is None:
        return image
    if classes.shape != image.shape[:2]:
        image = np.asarray(Image.fromarray(image).resize(classes.shape[::-1]))
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    known = (classes >= 0) & (classes < task.classes)
    hue = COLOURS[np.where(known, classes, 0) % len(COLOURS)]
    if task.kind == "binary_segmentation":
        laid = np.where((classes == 1)[..., None], (1 - SHARE) * grey + SHARE * COLOURS[1], grey)
    else:
        laid = (1 - SHARE) * grey + SHARE * hue
    laid = np.where(known[..., None], laid, 0.0)
    if ignore_label is not None:
        laid = np.where((classes == ignore_label)[..., None], 0.0, laid)
    return laid.astype(np.uint8)


def mask_sheet(
    images: np.ndarray,
    labels: np.ndarray,
    outputs: tuple[np.ndarray, np.ndarray],
    task: Task,
    *,
    ignore_label: int | None = None,
    longest_px: int,
) -> tuple[np.ndarray, tuple[int, int]]:
    """A row of :data:`PICTURES` for each image, and the width and height of each.

    Rows lie one below the other, uint8 ``(n * height, PICTURES * width, 3)``; each picture has
    :data:`GAP_PX` of white at its right and below.

    Parameters
    ----------
    images
        Raw pixels ``(n, h, w, channels)``, see :func:`engine.data.preview.in_rgb`.
    labels
        Class ids ``(n, h, w)``, or with a last axis of 1.
    outputs
        Of both models, ``(n, h, w, k)``.
    longest_px
        Of a picture's longer side, its gap included.
    """
    tall, wide = images.shape[1:3]
    scale = (longest_px - GAP_PX) / max(tall, wide)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    width, height = size[0] + GAP_PX, size[1] + GAP_PX
    pixels = np.full((len(images) * height, PICTURES * width, 3), 255, np.uint8)
    true = labels.reshape(labels.shape[:3])
    answers = [predicted_classes(one, task) for one in outputs]
    for row, image in enumerate(in_rgb(images)):
        for column, classes in enumerate((None, true[row], *(one[row] for one in answers))):
            ignored = ignore_label if column == 1 else None
            picture = painted(image, classes, task, ignore_label=ignored)
            small = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
            y, x = row * height, column * width
            pixels[y : y + size[1], x : x + size[0]] = np.asarray(small)
    return pixels, (width, height)
