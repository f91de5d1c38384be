"""Where channels come from, as integer arrays over the positions of a tensor.

Owns the representation and its few helpers. A tensor of shape ``(None, H, W, C)`` carries an
array of *atoms* over its non-batch axes, in which an axis along which nothing changes has size 1:
the output of a convolution is ``(1, 1, C)``. So whatever moves positions about (reshape, permute,
split, concat) is the same numpy operation on the atoms. The helpers work on constants (floats)
as well. It knows nothing of layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Sizes = tuple[int | None, ...]
"""Sizes of a tensor's non-batch axes; None is unknown."""


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree everywhere (NaN equals NaN)."""
    equal = a == b
    if a.dtype.kind == "f":
        equal = equal | (np.isnan(a) & np.isnan(b))
    return bool(equal.all())


def squeeze(array: np.ndarray, axes: Sequence[int] | None = None) -> np.ndarray:
    """Give size 1 to each axis along which nothing changes."""
    for axis in range(array.ndim) if axes is None else axes:
        if array.shape[axis] > 1:
            first = array.take([0], axis)
            if same(array, first):
                array = first
    return array


def varying(array: np.ndarray) -> tuple[int, ...]:
    """The axes of size above 1."""
    return tuple(axis for axis, size in enumerate(array.shape) if size > 1)


def full(array: np.ndarray, sizes: Sizes, axes: Sequence[int] | None = None) -> np.ndarray:
    """The array spread over its real sizes (a view); unknown sizes stay 1.

    ``axes`` restricts the spreading; None means all.
    """
    chosen = range(array.ndim) if axes is None else axes
    shape = list(array.shape)
    for axis in chosen:
        shape[axis] = sizes[axis] or 1
    return np.broadcast_to(array, shape)


def along(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """A vector laid along one axis of an array of ``rank`` non-batch axes."""
    shape = [1] * rank
    shape[axis] = values.size
    return values.reshape(shape)


def known(sizes: Sizes) -> bool:
    """Whether every size is known."""
    return None not in sizes
