"""What the weights of a model file look like, layer by layer: histograms and the zeros of a kernel.

Owns the request that reads the arrays (in a short-lived child of the engine's) and the small answer
that is drawn. Called in a thread of :mod:`gui.tasks`; NumPy and the reader are imported there. No
Qt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BINS = 48
PICTURE = 96
"""Most rows of a kernel's picture."""

TILES = 16
"""Filters side by side in the picture of their skeletons."""

MOST_TILES = 512
"""Filters that are drawn, at most; the first of them."""

MOST_SORTED = 100_000
"""Values of a weight that are sorted for its thresholds, at most."""

KERNELS = ("kernel", "pointwise_kernel", "depthwise_kernel")
CONVOLUTIONS = ("Conv2D", "Conv2DTranspose")
"""Layer classes whose filters have a skeleton to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts in equal bins from ``low`` to ``high``; ``zeros`` of ``total`` are not in them.

    ``threshold`` is the smallest magnitude that is left where some are zero, or removed;
    ``removed`` counts those, in the same bins. ``magnitudes`` are those below which 0, 1, ... 100
    percent of all values are, of a sample where there are many.
    """

    counts: tuple[int, ...]
    low: float
    high: float
    total: int
    zeros: int
    threshold: float | None = None
    magnitudes: tuple[float, ...] = ()
    removed: tuple[int, ...] = ()

    def cut(self, share: float) -> Histogram:
        """The same with the threshold at which this share of the smallest values would go."""
        place = min(max(round(100 * share), 0), 100)
        return replace(self, threshold=self.magnitudes[place] if self.magnitudes else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPicture:
    """Share of weights that are not zero, 1 (all are) to 255 a byte, row by row.

    Rows are inputs, neighbours together where there are many; columns are outputs.
    """

    outputs: int
    height: int
    cells: bytes

    def spread(self, places: tuple[int, ...], width: int) -> bytes:
        """The cells with the columns at these places of so many, and 0 between them."""
        import numpy as np

        found = np.zeros((self.height, width), np.uint8)
        found[:, list(places)] = self._array()
        return found.tobytes()

    def density(self, output: int) -> float:
        """Share of an output's weights that are not zero."""
        return float((self._array()[:, output].mean() - 1) / 254)

    def _array(self) -> np.ndarray:
        import numpy as np

        return np.frombuffer(self.cells, np.uint8).reshape(self.height, self.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonPicture:
    """The skeletons of a convolution's filters, a tile each, :data:`TILES` in a row.

    A stripe is one place of one filter over all inputs. ``cells`` are bytes row by row: 0 a gap, 1
    a stripe that is zero, up to 255 the largest one. ``dead`` of ``filters`` have no stripe left,
    ``zeros`` of ``stripes`` are zero.
    """

    width: int
    height: int
    cells: bytes
    filters: int
    dead: int
    stripes: int
    zeros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """What can be drawn of a layer.

    ``channels`` has the magnitude of gamma of each channel, or the norm of each filter.
    """

    kernel: Histogram | None = None
    gamma: Histogram | None = None
    picture: KernelPicture | None = None
    skeletons: SkeletonPicture | None = None
    channels: tuple[float, ...] = ()


def read_weights_of(
    path: Path, custom: Path | None = None, weights: Path | None = None
) -> dict[str, LayerWeights]:
    """Every layer of a model file, drawn small; blocks while the file is read.

    Raises
    ------
    UserError
        Where the file is no Keras model that Secateur opens.
    """
    from engine.modelfile.reader import open_model

    file, arrays = open_model(path, custom=custom, weights=weights)
    kinds = {name: layer.class_name for name, layer in file.graph.layers.items()}
    return {name: _of_layer(kinds[name], found) for name, found in arrays.items()}


def _of_layer(kind: str, weights: dict[str, np.ndarray]) -> LayerWeights:
    import numpy as np

    short = {name.rsplit("/", 1)[-1]: array for name, array in weights.items()}
    kernels = [short[k] for k in KERNELS if k in short and short[k].size]
    gamma = short.get("gamma", np.zeros(0))
    matrix = by_output(kernels[0], kind) if kernels and kernels[0].ndim >= 2 else None
    sizes = np.abs(gamma) if matrix is None else np.sqrt((matrix**2).sum(axis=(0, 1)))
    return LayerWeights(
        kernel=histogram(np.concatenate([k.ravel() for k in kernels])) if kernels else None,
        gamma=histogram(gamma) if gamma.size else None,
        picture=None if matrix is None else picture(matrix),
        skeletons=skeletons(kernels[0], transposed=kind == "Conv2DTranspose")
        if kernels and kind in CONVOLUTIONS
        else None,
        channels=tuple(sizes.ravel().tolist()),
    )


def by_output(kernel: np.ndarray, kind: str) -> np.ndarray:
    """A kernel as [places, inputs, outputs], as its layer's class keeps them."""
    import numpy as np

    if kind.startswith("Depthwise"):
        return np.asarray(kernel, np.float32).reshape(-1, 1, kernel.shape[-2] * kernel.shape[-1])
    if kind.endswith("Transpose"):
        kernel = kernel.swapaxes(-1, -2)
    return np.asarray(kernel, np.float32).reshape(-1, *kernel.shape[-2:])


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
    some = values[:: -(-values.size // MOST_SORTED)]
    return Histogram(
        counts=tuple(int(c) for c in counts),
        low=float(edges[0]),
        high=float(edges[-1]),
        total=int(values.size),
        zeros=zeros,
        threshold=float(np.abs(left).min()) if zeros else None,
        magnitudes=tuple(np.percentile(np.abs(some), range(101)).tolist()),
    )


def picture(matrix: np.ndarray) -> KernelPicture:
    """Inputs by outputs of a kernel, each cell the share of its weights that are not zero.

    Parameters
    ----------
    matrix
        [places, inputs, outputs], see :func:`by_output`.
    """
    import numpy as np

    small = _shrunk((matrix != 0.0).mean(axis=0))
    return KernelPicture(
        outputs=int(small.shape[1]),
        height=int(small.shape[0]),
        cells=np.round(1 + small * 254).astype(np.uint8).tobytes(),
    )


def divided(sizes: tuple[float, ...], kept: tuple[int, ...]) -> Histogram:
    """Histogram of one size a channel, those told apart that were removed.

    The threshold is the smallest that was kept, where all that were removed are below it.
    """
    import numpy as np

    values, gone = np.array(sizes), np.ones(len(sizes), bool)
    gone[list(kept)] = False
    counts, edges = np.histogram(values, bins=BINS)
    removed, _ = np.histogram(values[gone], bins=edges)
    least = float(values[~gone].min())
    return Histogram(
        counts=tuple(counts.tolist()),
        low=float(edges[0]),
        high=float(edges[-1]),
        total=len(sizes),
        zeros=0,
        threshold=least if gone.any() and values[gone].max() <= least else None,
        removed=tuple(removed.tolist()),
    )


def skeletons(kernel: np.ndarray, *, transposed: bool = False) -> SkeletonPicture | None:
    """Each filter's stripes by their size, the sum of magnitudes; None for 1x1 filters.

    Parameters
    ----------
    kernel
        [height, width, inputs, filters], or with the last two exchanged where ``transposed``.
    """
    import numpy as np

    sizes = np.abs(np.asarray(kernel, np.float32)).sum(axis=3 if transposed else 2)
    high, wide, filters = sizes.shape
    if high * wide == 1 or not sizes.size:
        return None
    shade = np.ceil(254 * sizes / max(float(sizes.max()), 1e-30)).astype(np.uint8) + np.uint8(1)
    shade[sizes == 0] = 1
    drawn = min(filters, MOST_TILES)
    columns = min(drawn, TILES)
    rows = -(-drawn // columns)
    image = np.zeros((rows * (high + 1) - 1, columns * (wide + 1) - 1), np.uint8)
    for index in range(drawn):
        top, left = index // columns * (high + 1), index % columns * (wide + 1)
        image[top : top + high, left : left + wide] = shade[:, :, index]
    return SkeletonPicture(
        width=image.shape[1], height=image.shape[0], cells=image.tobytes(), filters=filters,
        dead=int((sizes.sum(axis=(0, 1)) == 0).sum()), stripes=sizes.size,
        zeros=int((sizes == 0).sum()),
    )  # fmt: skip


def _shrunk(values: np.ndarray) -> np.ndarray:
    """Means of neighbouring rows, so that there are no more than :data:`PICTURE`."""
    import numpy as np

    size = values.shape[0]
    if size <= PICTURE:
        return values
    edges = np.linspace(0, size, PICTURE + 1).astype(int)
    sums: np.ndarray = np.add.reduceat(values, edges[:-1], axis=0)
    return sums / np.diff(edges)[:, None]
