"""Thumbnails of labelled images, for the eyes of who set up a run.

Owns the sheets: ``train.png``, ``search.png`` and ``report.png`` with a row for each class (or one
of any images), and ``tie-0.png``, ... with what the model sees under each preprocessing that does
as well as the best. Written into a folder, whole or not at all; the window cuts nothing out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from engine.data.naming import parse_preprocess
from engine.data.parts import LoadedData, Part
from engine.data.preprocess import Preprocess

CELL_PX = 40
COLUMNS = 8
MOST_ROWS = 12
_LOOKED_AT = 2000  # samples among which a class's are looked for


def write_preview(
    data: LoadedData, chosen: Preprocess, near_ties: Sequence[str], folder: Path
) -> None:
    """Write the sheets into a folder, which is made.

    Parameters
    ----------
    chosen
        The preprocessing that is used; ``tie-0.png`` shows it, the next ones those of
        ``near_ties`` in their order. Without near ties there are none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", data.train), ("search", data.search), ("report", data.report)):
        rows = _rows(part, data)
        save_sheet(
            np.concatenate([_strip(part.images[row]) for row in rows]), folder / f"{name}.png"
        )
    if near_ties:
        some = data.train.sample(COLUMNS).images
        for index, name in enumerate((chosen.name, *near_ties)):
            order = parse_preprocess(name).order or "rgb"
            turned = some[..., ::-1] if order == "bgr" else some
            save_sheet(_strip(turned), folder / f"tie-{index}.png")


def _rows(part: Part, data: LoadedData) -> list[np.ndarray]:
    """Indices of the samples of each row: a class each, or any."""
    count = min(len(part), _LOOKED_AT)
    looked = np.unique(np.linspace(0, len(part) - 1, count).astype(np.int64))
    if data.labels_are != "classes":
        return [looked[:: max(1, len(looked) // COLUMNS)][:COLUMNS]]
    labels = part.labels[looked]
    classes = range(min(len(data.class_names), MOST_ROWS))
    return [looked[labels == index][:COLUMNS] for index in classes]


def sheet(images: np.ndarray, *, columns: int = COLUMNS, cell_px: int = CELL_PX) -> np.ndarray:
    """Thumbnails row by row, uint8 ``(rows * cell_px, columns * cell_px, 3)``, white where none is.

    Parameters
    ----------
    images
        Raw pixels ``(n, height, width, channels)``, see :func:`in_rgb`.
    """
    rows = max(1, -(-len(images) // columns))
    pixels = np.full((rows * cell_px, columns * cell_px, 3), 255, np.uint8)
    for index, small in enumerate(in_rgb(images)):
        y, x = (cell_px * place for place in divmod(index, columns))
        pixels[y + 1 : y + cell_px - 1, x + 1 : x + cell_px - 1] = np.asarray(
            Image.fromarray(small).resize((cell_px - 2, cell_px - 2))
        )
    return pixels


def in_rgb(images: np.ndarray) -> Iterator[np.ndarray]:
    """Images as they can be shown, each uint8 ``(height, width, 3)``.

    Parameters
    ----------
    images
        Raw pixels ``(n, height, width, channels)``; all are scaled by their common maximum, where
        they are not bytes already or too dark for bytes.
    """
    top = float(images.max()) if images.size else 0.0
    scale = 255.0 / top if top > 0 and (top < 128 or images.dtype != np.uint8) else 1.0
    for image in images:
        pixels = np.clip(image[..., :3] * scale, 0, 255).astype(np.uint8)
        yield pixels if pixels.shape[-1] == 3 else np.repeat(pixels[..., :1], 3, axis=-1)


def _strip(images: np.ndarray) -> np.ndarray:
    """One row of thumbnails."""
    return sheet(images[:COLUMNS])


def save_sheet(pixels: np.ndarray, path: Path) -> None:
    """Write pixels as PNG, whole or not at all."""
    partial = path.with_suffix(".partial")
    Image.fromarray(pixels).save(partial, format="PNG")
    partial.replace(path)
