"""HDF5, read with suspicion: groups, arrays and attributes of a file that anyone may have made.

Owns what may stand in an HDF5 file: plain numeric datasets whose bytes lie in the file itself.
External and soft links, external and virtual datasets, shape bombs, object types and foreign
filters are refused (CVE-2026-0897, CVE-2026-1669). Only child processes import this module: a
damaged file can make HDF5 itself crash. It knows nothing of Keras.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from engine.errors import UserError
from engine.modelfile.refusals import damaged

MAX_OBJECTS = 200_000
MAX_DEPTH = 64
MAX_ARRAY_BYTES = 4 << 30
MAX_TOTAL_BYTES = 16 << 30
MAX_ATTRIBUTE_BYTES = 256 << 20
_BOMB_FLOOR_BYTES = 32 << 20
_BOMB_RATIO = 120
_FILTERS = frozenset({1, 2, 3, 32000})  # deflate, shuffle, fletcher32, LZF
_KINDS = frozenset("fiub")

HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)
"""What h5py raises on damaged files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A dataset: its path in the file, shape and type. ``bfloat16`` is stored as two bytes."""

    path: str
    shape: tuple[int, ...]
    dtype: str


def _unsafe(what: str) -> UserError:
    return UserError(
        "model.unsafe_hdf5",
        f"The file has something that no Keras file has, and Secateur does not follow it: {what}.",
        "Check where the file comes from, or load and save it again with Keras.",
    )


class H5File:
    """A read-only HDF5 file; every object in it is checked before it can be read.

    Raises
    ------
    UserError
        From every method, where the file is damaged or has what we refuse.
    """

    def __init__(self, source: Path | bytes) -> None:
        opened = io.BytesIO(source) if isinstance(source, bytes) else source
        try:
            self._file = h5py.File(opened, "r")
        except HDF5_ERRORS as error:
            raise damaged("it is no whole HDF5 file", error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def attribute(self, path: str, name: str) -> Any:
        """An attribute as text, a list of texts, or a number; None where there is none."""
        if not self.has(path):
            return None
        try:
            attributes = self._file[path].attrs if path else self._file.attrs
            if name not in attributes:
                return None
            kind = attributes.get_id(name)
            size = kind.dtype.itemsize * math.prod(kind.shape or ())
            if size > MAX_ATTRIBUTE_BYTES:
                raise _unsafe(f"an attribute of {size} bytes ({name})")
            return _plain(attributes[name])
        except UserError:
            raise
        except HDF5_ERRORS as error:
            raise damaged(f"attribute {name!r}", error) from None

    def names(self, path: str, attribute: str) -> list[str]:
        """A list of names that Keras stored as one attribute, or in numbered pieces."""
        whole = self.attribute(path, attribute)
        if whole is not None:
            return _texts(whole)
        names: list[str] = []
        for number in range(MAX_OBJECTS):
            piece = self.attribute(path, f"{attribute}{number}")
            if piece is None:
                break
            names.extend(_texts(piece))
        return names

    def has(self, path: str) -> bool:
        """Whether there is a group or dataset of this path, reached by hard links alone."""
        if not path.strip("/"):
            return True
        try:
            place = self._file["/"]
            for part in path.strip("/").split("/"):
                if not isinstance(place, h5py.Group) or part not in place.keys():  # noqa: SIM118
                    return False
                _check_link(place, part, path)
                place = place[part]
        except UserError:
            raise
        except HDF5_ERRORS as error:
            raise damaged(f"{path!r}", error) from None
        return True

    def group(self, path: str) -> tuple[str, ...]:
        """Names in a group, in HDF5's order."""
        if not self.has(path):
            return ()
        try:
            found = self._file[path]
            return tuple(found.keys()) if isinstance(found, h5py.Group) else ()
        except HDF5_ERRORS as error:
            raise damaged(f"{path!r}", error) from None

    def arrays(self, root: str) -> dict[str, Array]:
        """Every dataset under a group, checked, by its full path."""
        found: dict[str, Array] = {}
        total = 0
        if root and not self.has(root):
            return found
        for path, dataset in self._datasets(root):
            array = _checked(path, dataset)
            found[path] = array
            total += _bytes(dataset)
            if total > MAX_TOTAL_BYTES:
                raise _unsafe(f"arrays of more than {MAX_TOTAL_BYTES >> 30} GiB")
        return found

    def _datasets(self, root: str) -> Iterator[tuple[str, h5py.Dataset]]:
        seen: set[int] = set()
        stack = [(root.strip("/"), 0)]
        count = 0
        while stack:
            path, depth = stack.pop()
            try:
                group = self._file[path or "/"]
                address = h5py.h5o.get_info(group.id).addr
                if address in seen or depth > MAX_DEPTH:
                    raise _unsafe(f"a loop of groups ({path})")
                seen.add(address)
                for name in group:
                    count += 1
                    if count > MAX_OBJECTS:
                        raise _unsafe(f"more than {MAX_OBJECTS} objects")
                    inner = f"{path}/{name}" if path else name
                    _check_link(group, name, inner)
                    item = group[name]
                    if isinstance(item, h5py.Dataset):
                        yield inner, item
                    elif isinstance(item, h5py.Group):
                        stack.append((inner, depth + 1))
                    else:
                        raise _unsafe(f"a named type ({inner})")
            except UserError:
                raise
            except HDF5_ERRORS as error:
                raise damaged(f"group {path!r}", error) from None

    def read(self, path: str) -> np.ndarray:
        """The values of a dataset that :meth:`arrays` has checked; bfloat16 comes as float32."""
        try:
            dataset = self._file[path]
            array = _checked(path, dataset)
            if array.dtype == "bfloat16":
                raw = dataset[()].view(np.uint16)
                wide = np.asarray(raw.astype(np.uint32) << 16)
                return wide.view(np.float32).reshape(array.shape)
            return np.asarray(dataset[()])
        except UserError:
            raise
        except HDF5_ERRORS as error:
            raise damaged(f"array {path!r}", error) from None


def _check_link(group: h5py.Group, name: str, path: str) -> None:
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
        raise _unsafe(f"{kind} ({path})")


def _bytes(dataset: h5py.Dataset) -> int:
    size = int(dataset.dtype.itemsize)
    for length in dataset.shape:
        size *= int(length)
    return size


def _checked(path: str, dataset: h5py.Dataset) -> Array:
    if dataset.external or dataset.is_virtual:
        raise _unsafe(f"an array whose values lie in another file ({path})")
    if dataset.shape is None:
        raise _unsafe(f"an array without a shape ({path})")
    dtype = _dtype(path, dataset)
    properties = dataset.id.get_create_plist()
    for index in range(properties.get_nfilters()):
        code = properties.get_filter(index)[0]
        if code not in _FILTERS:
            raise _unsafe(f"an array packed by filter {code} ({path})")
    size, stored = _bytes(dataset), int(dataset.id.get_storage_size())
    if size > MAX_ARRAY_BYTES or (size > _BOMB_FLOOR_BYTES and size > _BOMB_RATIO * stored):
        raise _unsafe(f"an array that claims {size} bytes and stores {stored} ({path})")
    return Array(path=path, shape=tuple(int(n) for n in dataset.shape), dtype=dtype)


def _dtype(path: str, dataset: h5py.Dataset) -> str:
    dtype = dataset.dtype
    if dtype.kind in _KINDS and dtype.itemsize <= 8:
        return str(dtype.newbyteorder("="))
    if dtype.kind == "V" and dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16":
        return "bfloat16"
    raise _unsafe(f"an array that is not of numbers ({path}, {dtype})")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.ravel().tolist()]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [str(item) for item in items]
