"""Where pixels are kept: in memory, or on disk behind an array when they are many.

Owns the array that lives in an unnamed temporary file and gives its pages back as it is read, so
that resident memory stays bounded whatever the size of the data. It is an ``ndarray`` to everyone
who slices and indexes it. It knows nothing of images and models.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.errors import UserError

IN_MEMORY_BYTES = 128 << 20
"""Pixels of a source up to this many bytes are kept in memory."""

_RELEASE_BYTES = 32 << 20
_BLOCK_BYTES = 2 << 20  # largest folio of the page cache: mapped whole by a touch
_ROWS = 8
_COPY_BYTES = 8 << 20
_SPARE_BYTES = 512 << 20


class StreamedArray(np.memmap):
    """An array in a temporary file that is gone when the array is, or when the process dies.

    Reading by slice or by indices works as for any array; pages that were touched are returned
    to the system every :data:`_RELEASE_BYTES`, which changes no content.
    """

    _touched: int = 0

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "iu":
            return self._rows(key)
        found = super().__getitem__(key)
        if isinstance(found, np.ndarray):
            found = found.view(np.ndarray)
            self._note(found.nbytes)
        return found

    def _rows(self, indices: np.ndarray) -> np.ndarray:
        """Scattered rows. Each may bring a whole block of the page cache into this process."""
        out = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for start in range(0, len(indices), _ROWS):
            some = indices[start : start + _ROWS]
            out[start : start + len(some)] = super().__getitem__(some)
            self._note(max(out[0].nbytes, _BLOCK_BYTES) * len(some))
        return out

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self._note(np.asarray(value).nbytes)

    def _note(self, size_bytes: int) -> None:
        self._touched += size_bytes
        if self._touched >= _RELEASE_BYTES:
            self.release()

    def release(self) -> None:
        """Give the touched pages back to the system; the content stays."""
        self._touched = 0
        pages = getattr(self, "_mmap", None)
        if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any] | type, *, streamed: bool) -> np.ndarray:
    """An array of zeros, in memory or on disk.

    Raises
    ------
    UserError
        ``data.disk`` where the disk has no room for it.
    """
    if not streamed or 0 in shape:
        return np.zeros(shape, dtype)
    size_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    folder = cache_folder()
    free_bytes = shutil.disk_usage(folder).free
    if size_bytes + _SPARE_BYTES > free_bytes:
        raise UserError(
            "data.disk",
            f"The images need {size_bytes >> 20} MiB on disk while they are used, and only "
            f"{free_bytes >> 20} MiB are free in {folder}.",
            "Free some space, or set XDG_CACHE_HOME to a folder on another disk.",
        )
    with tempfile.TemporaryFile(dir=folder, prefix="images-") as file:
        file.truncate(size_bytes)
        return StreamedArray(file, dtype=dtype, mode="r+", shape=shape)


def cache_folder() -> Path:
    """The folder for temporary pixels: on a disk (the system's temporary one may be memory)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    folder = (Path(base) if base else Path.home() / ".cache") / "secateur"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def subset(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The rows at these positions, kept as the array is kept."""
    if not isinstance(array, StreamedArray):
        return np.asarray(array[indices])
    out = allocate((len(indices), *array.shape[1:]), array.dtype, streamed=True)
    at_once = rows_at_once(array)
    for start in range(0, len(indices), at_once):
        some = indices[start : start + at_once]
        out[start : start + len(some)] = array[some]
    return out


def rows_at_once(array: np.ndarray) -> int:
    """How many rows make a piece of some MiB."""
    row_bytes = int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize
    return max(1, _COPY_BYTES // max(row_bytes, 1))


class Collector:
    """Pieces of unknown number put together along the first axis, on disk once they are many."""

    def __init__(self) -> None:
        self._pieces: list[np.ndarray] = []
        self._bytes = 0
        self._file: BinaryIO | None = None
        self._like: np.ndarray | None = None
        self._count = 0

    def add(self, piece: np.ndarray) -> None:
        """Add samples ``(n, ...)``.

        Raises
        ------
        ValueError
            Where large data change their shape or type on the way.
        """
        if self._file is None:
            self._pieces.append(piece)
            self._bytes += piece.nbytes
            if self._bytes > IN_MEMORY_BYTES and piece.dtype.kind in "buif":
                self._spill()
            return
        self._write(piece)

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile(dir=cache_folder(), prefix="images-")  # noqa: SIM115
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            self._write(piece)

    def _write(self, piece: np.ndarray) -> None:
        if self._like is None:
            self._like = piece[:0]
        like = self._like
        if piece.shape[1:] != like.shape[1:] or piece.dtype != like.dtype:
            raise ValueError(
                f"samples of {like.shape[1:]} {like.dtype}, then of {piece.shape[1:]} {piece.dtype}"
            )
        assert self._file is not None
        self._file.write(np.ascontiguousarray(piece).data)
        self._count += len(piece)

    def finish(self) -> np.ndarray:
        """All samples in one array.

        Raises
        ------
        ValueError
            Where the pieces do not fit together.
        """
        if self._file is None:
            return np.concatenate(self._pieces)
        assert self._like is not None
        with self._file as file:
            file.flush()
            shape = (self._count, *self._like.shape[1:])
            return StreamedArray(file, dtype=self._like.dtype, mode="r+", shape=shape)
