"""Hashes of samples and of whole data sources.

Owns what identifies an image (so that duplicates are found and halves never move) and what
identifies a source (``data_sha256``). It knows nothing of labels, splits and models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from engine.data.store import rows_at_once

_CHUNK_BYTES = 1 << 20


def sample_hash(data: bytes) -> str:
    """128-bit BLAKE2b of one sample's bytes, in hex."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def array_hashes(images: np.ndarray) -> tuple[str, ...]:
    """A hash of each sample of an array, over its bytes as stored (first axis: samples)."""
    at_once = rows_at_once(images)
    return tuple(
        sample_hash(np.ascontiguousarray(image).tobytes())
        for start in range(0, len(images), at_once)
        for image in images[start : start + at_once]
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def listing_sha256(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of sorted ``"path sha256"`` lines: the identity of a folder.

    Parameters
    ----------
    files
        Path relative to the folder, with forward slashes, and SHA-256 of each file.
    """
    lines = sorted(f"{path} {digest}\n" for path, digest in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def split_sha256(hashes: Iterable[str]) -> str:
    """SHA-256 of the sorted sample hashes of a part: who is in it, in whatever order."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def arrays_sha256(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over types, shapes and bytes of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
