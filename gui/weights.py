"""What the weights of a model file look like, layer by layer: histograms and the zeros of a kernel.

Owns the request that reads the arrays (in a short-lived child of the engine's) and the small answer
that is drawn. Called in a thread of :mod:`gui.tasks`; NumPy and the reader are imported there. No
Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BINS = 48
PICTURE = 96
"""Most cells of a kernel's picture along a side."""

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts in equal bins from ``low`` to ``high``; ``zeros`` of ``total`` are not in them.

    ``threshold`` is the smallest magnitude that is left where some are zero.
    """

    counts: tuple[int, ...]
    low: float
    high: float
    total: int
    zeros: int
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPicture:
    """Share of weights that are not zero, 0..255 a byte, row by row.

    Rows are inputs, columns outputs; ``outputs`` counts the channels that the columns stand for.
    """

    width: int
    height: int
    cells: bytes
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """What can be drawn of a layer."""

    kernel: Histogram | None = None
    gamma: Histogram | None = None
    picture: KernelPicture | None = None


def read_weights_of(path: Path, custom: Path | None = None) -> dict[str, LayerWeights]:
    """Every layer of a model file, drawn small; blocks while the file is read.

    Raises
    ------
    UserError
        Where the file is no Keras model that Secateur opens.
    """
    from engine.modelfile.reader import open_model

    _, arrays = open_model(path, custom=custom)
    return {name: _of_layer(weights) for name, weights in arrays.items()}


def _of_layer(weights: dict[str, np.ndarray]) -> LayerWeights:
    short = {name.rsplit("/", 1)[-1]: array for name, array in weights.items()}
    kernel = next((short[k] for k in KERNELS if k in short and short[k].size), None)
    gamma = short.get("gamma")
    return LayerWeights(
        kernel=None if kernel is None else histogram(kernel),
        gamma=None if gamma is None or not gamma.size else histogram(gamma),
        picture=None if kernel is None or kernel.ndim < 2 else picture(kernel),
    )


def histogram(array: np.ndarray) -> Histogram:
    """Histogram of the finite values that are not zero."""
    import numpy as np

    values = np.asarray(array, np.float32).ravel()
    values = values[np.isfinite(values)]
    left = values[values != 0.0]
    zeros = int(values.size - left.size)
    if not left.size:
        return Histogram(counts=(), low=0.0, high=0.0, total=int(values.size), zeros=zeros)
    counts, edges = np.histogram(left, bins=BINS)
    return Histogram(
        counts=tuple(int(c) for c in counts),
        low=float(edges[0]),
        high=float(edges[-1]),
        total=int(values.size),
        zeros=zeros,
        threshold=float(np.abs(left).min()) if zeros else None,
    )


def picture(kernel: np.ndarray) -> KernelPicture:
    """Inputs by outputs of a kernel, each cell the share of its weights that are not zero."""
    import numpy as np

    flat = (np.asarray(kernel) != 0.0).reshape(-1, *kernel.shape[-2:]).mean(axis=0)
    small = _shrunk(_shrunk(flat, 0), 1)
    return KernelPicture(
        width=int(small.shape[1]),
        height=int(small.shape[0]),
        cells=np.round(small * 255).astype(np.uint8).tobytes(),
        outputs=int(kernel.shape[-1]),
    )


def _shrunk(values: np.ndarray, axis: int) -> Any:
    """Means of neighbours, so that an axis has no more than :data:`PICTURE` cells."""
    import numpy as np

    size = values.shape[axis]
    if size <= PICTURE:
        return values
    edges = np.linspace(0, size, PICTURE + 1).astype(int)
    sums = np.add.reduceat(values, edges[:-1], axis=axis)
    shape = [1, 1]
    shape[axis] = -1
    return sums / np.diff(edges).reshape(shape)
