"""Sources made of arrays: ``.npz``, ``.h5`` and folders of ``.npy``.

Owns the names by which images and labels of each part are found. Nothing is ever unpickled:
object arrays are refused. It knows nothing of label forms and models.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engine.data import store
from engine.data.hashing import array_hashes, file_sha256, listing_sha256
from engine.data.raw import PartName, RawPart, RawSource
from engine.errors import UserError

_IMAGES = ("x", "images", "image", "imgs", "img", "data", "features", "inputs", "samples")
_LABELS = ("y", "labels", "label", "targets", "target", "classes", "masks", "mask")
_IDS = ("id", "ids", "name", "names", "filename", "filenames", "file", "group", "groups", "patient")
_PARTS: dict[PartName, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "tr"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "te", "eval"),
    "all": ("", "all"),
}
_NAMES_HINT = "Name the arrays x_train, y_train, x_test, y_test (or x and y)."


class Arrays(Protocol):
    """Named arrays of an opened file."""

    def names(self) -> Iterable[str]:
        """Names of all arrays."""
        ...

    def read(self, name: str) -> np.ndarray:
        """One array."""
        ...

    def read_images(self, name: str) -> np.ndarray:
        """One array, kept on disk where it is large."""
        ...


def _spellings() -> dict[str, tuple[PartName, str]]:
    """Normalised array name -> (part, ``x``, ``y`` or ``id``)."""
    table: dict[str, tuple[PartName, str]] = {}
    for part, part_words in _PARTS.items():
        for role, words in (("x", _IMAGES), ("y", _LABELS), ("id", _IDS)):
            for word in words:
                for part_word in part_words:
                    table[word + part_word] = (part, role)
                    table[part_word + word] = (part, role)
    return table


_TABLE = _spellings()


def read_npz(path: Path) -> RawSource:
    """A ``.npz`` with ``x_train``, ``y_train``, ... or their aliases.

    Raises
    ------
    UserError
        Where it is no such file, holds objects, or misses images or labels.
    """
    try:
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):
                raise zipfile.BadZipFile("it is no zip archive, or is cut short")
            opened.seek(0)
            with np.load(opened, allow_pickle=False) as file:
                return _collect(_Npz(file, path), path, file_sha256(path))
    except (zipfile.BadZipFile, EOFError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            "data.format",
            f"This is not a readable .npz file ({_first_line(error)}): {path}.",
            "Save it again with numpy.savez_compressed.",
        ) from None


def read_h5(path: Path) -> RawSource:
    """An HDF5 file with datasets ``x_train``, ``y_train``, ... or ``train/images`` and the like.

    Raises
    ------
    UserError
        Where it is no such file or misses images or labels.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _collect(_H5(file, path), path, file_sha256(path))
    except OSError as error:
        raise UserError(
            "data.format",
            f"This is not a readable HDF5 file ({_first_line(error)}): {path}.",
            "Check the path, or save the arrays as .npz.",
        ) from None


def read_npy_folder(path: Path) -> RawSource:
    """A folder with ``x_train.npy``, ``y_train.npy``, ... or their aliases."""
    files = sorted(path.glob("*.npy"))
    sha256 = listing_sha256((file.name, file_sha256(file)) for file in files)
    return _collect(_Npy({file.stem: file for file in files}), path, sha256)


class _Npz:
    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self._path = path

    def names(self) -> Iterable[str]:
        return list(self._file.files)

    def read(self, name: str) -> np.ndarray:
        with _no_objects(f"{name} in {self._path}"):
            return np.asarray(self._file[name])

    def read_images(self, name: str) -> np.ndarray:
        with self._file.zip.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            reader = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = reader(member)
            size_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            if fortran or dtype.hasobject or size_bytes <= store.IN_MEMORY_BYTES:
                return self.read(name)
            out = store.allocate(shape, dtype, streamed=True)
            at_once = store.rows_at_once(out)
            for start in range(0, len(out), at_once):
                rows = out[start : start + at_once]
                packed = member.read(rows.nbytes)
                out[start : start + at_once] = np.frombuffer(packed, dtype).reshape(rows.shape)
            return out


class _Npy:
    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def names(self) -> Iterable[str]:
        return list(self._files)

    def read(self, name: str) -> np.ndarray:
        path = self._files[name]
        try:
            with _no_objects(str(path)):
                return np.asarray(np.load(path, allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise UserError(
                "data.format",
                f"This is not a readable .npy file ({_first_line(error)}): {path}.",
                "Save it again with numpy.save.",
            ) from None

    def read_images(self, name: str) -> np.ndarray:
        path = self._files[name]
        if path.stat().st_size <= store.IN_MEMORY_BYTES:
            return self.read(name)
        with _no_objects(str(path)):
            mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return mapped.view(store.StreamedArray)


class _H5:
    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self._path = path

    def names(self) -> Iterable[str]:
        import h5py

        found: list[str] = []

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found.append(name)

        self._file.visititems(visit)
        return found

    def read(self, name: str) -> np.ndarray:
        array = np.asarray(self._file[name][()])
        if array.dtype == object:  # variable-length text arrives as bytes
            if all(isinstance(item, bytes) for item in array.ravel()):
                return np.char.decode(array.astype(bytes), "utf-8")
            raise _object_error(f"{name} in {self._path}")
        return array

    def read_images(self, name: str) -> np.ndarray:
        dataset = self._file[name]
        if dataset.nbytes <= store.IN_MEMORY_BYTES or dataset.dtype == object:
            return self.read(name)
        out = store.allocate(dataset.shape, dataset.dtype, streamed=True)
        at_once = store.rows_at_once(out)
        for start in range(0, len(out), at_once):
            out[start : start + at_once] = dataset[start : start + at_once]
        return out


@contextmanager
def _no_objects(what: str) -> Iterator[None]:
    """Turn NumPy's refusal to unpickle into a sentence for people."""
    try:
        yield
    except ValueError as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise _object_error(what) from None
        raise


def _object_error(what: str) -> UserError:
    return UserError(
        "data.object_array",
        f"An array of Python objects is refused, because reading it could run code: {what}.",
        "Save it with a plain type, such as np.stack(x).astype('uint8') or y.astype('int64').",
    )


def _collect(arrays: Arrays, path: Path, sha256: str) -> RawSource:
    """Pair images with labels for each part that is there."""
    names: dict[tuple[PartName, str], str] = {}
    for name in arrays.names():
        found = _TABLE.get(re.sub(r"[^a-z]", "", name.lower()))
        if found is not None:
            if found in names:
                raise UserError(
                    "data.names",
                    f"Two arrays could be the same thing: {names[found]} and {name} in {path}.",
                    _NAMES_HINT,
                )
            names[found] = name
    parts: dict[str, RawPart] = {}
    for part in _PARTS:
        images_name, labels_name = names.get((part, "x")), names.get((part, "y"))
        if images_name is None and labels_name is None:
            continue
        if images_name is None or labels_name is None:
            missing = "images" if images_name is None else "labels"
            raise UserError(
                f"data.no_{missing}",
                f"There are no {missing} for {labels_name or images_name} in {path}; "
                f"it holds {_listing(arrays)}.",
                _NAMES_HINT,
            )
        parts[part] = _pair(arrays, images_name, labels_name, names.get((part, "id")), path)
    if not parts:
        raise UserError(
            "data.no_images",
            f"No images and labels were found by name in {path}; it holds {_listing(arrays)}.",
            _NAMES_HINT,
        )
    return RawSource(parts=parts, sha256=sha256)


def _pair(
    arrays: Arrays, images_name: str, labels_name: str, ids_name: str | None, path: Path
) -> RawPart:
    images, labels = arrays.read_images(images_name), arrays.read(labels_name)
    if images.ndim < 2 or labels.ndim < 1 or len(images) != len(labels) or not len(images):
        raise UserError(
            "data.lengths",
            f"Images and labels do not belong together in {path}: {images_name} is "
            f"{images.shape}, {labels_name} is {labels.shape}.",
            "Both need as many samples, at least one, along their first axis.",
        )
    ids = None if ids_name is None else arrays.read(ids_name)
    return RawPart(
        images=images,
        labels=labels,
        hashes=array_hashes(images),
        names=() if ids is None or ids.shape != (len(images),) else tuple(map(_text, ids)),
        origin=images_name,
    )


def _text(item: object) -> str:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)


def _listing(arrays: Arrays) -> str:
    names = list(arrays.names())
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
