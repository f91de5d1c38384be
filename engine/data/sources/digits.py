"""The built-in digits: scikit-learn's 1,797 images of 8x8 pixels, without a download.

Owns the fixed parts. The sample model is trained on the train part only, so the shares here
never change.
"""

from __future__ import annotations

import numpy as np

from engine.data.hashing import array_hashes, arrays_sha256
from engine.data.raw import RawPart, RawSource
from engine.data.splits import divide

SHARES = (0.50, 0.20, 0.30)
"""Shares of train, search and report: some hundreds of report images out of 1,797."""


def read_digits() -> RawSource:
    """The digits with their fixed parts; pixels are uint8, 0 to 16, shape ``(n, 8, 8)``."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    hashes = array_hashes(images)
    parts = {}
    for name, indices in zip(("train", "val", "test"), divide(hashes, labels, SHARES), strict=True):
        parts[name] = RawPart(
            images=images[indices],
            labels=labels[indices],
            hashes=tuple(hashes[i] for i in indices),
            origin=f"digits, {name} part",
        )
    return RawSource(
        parts=parts,
        class_names=tuple(str(digit) for digit in range(10)),
        sha256=arrays_sha256([images, labels]),
        seen="no",
    )
