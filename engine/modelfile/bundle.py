"""TensorFlow checkpoints ("tensor bundles"): arrays by key and the graph of objects that own them.

Owns the format: an index, which is a sorted table of blocks (that of LevelDB), and files of raw
values. It was read from TensorFlow's ``tensor_bundle.h`` and ``table_builder.cc``; nothing of
TensorFlow is needed, and no graph of a file is ever loaded. Sizes, places and types are checked
before any value is read; the files' checksums are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.modelfile import wire
from engine.modelfile.hdf5 import MAX_ARRAY_BYTES, Array
from engine.modelfile.refusals import damaged
from engine.modelfile.wire import WireError

_MAGIC: Final = bytes.fromhex("57fb808b247547db")
_FOOTER_BYTES: Final = 48
_TRAILER_BYTES: Final = 5
_MAX_INDEX_BYTES: Final = 256 << 20
_MAX_SHARDS: Final = 1000
_OBJECT_GRAPH: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"
_DTYPES: Final = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64",
    10: "bool", 14: "bfloat16", 17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
_STRING: Final = 7
_ERRORS = (WireError, OSError, ValueError, IndexError, OverflowError, MemoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An object of the saved graph: its parts by name, and the key of its value if it has one."""

    parts: dict[str, int]
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


class Bundle:
    """A checkpoint, opened for reading.

    Parameters
    ----------
    index
        The ``.index`` file; the files of values lie beside it.

    Raises
    ------
    UserError
        From every method, where the checkpoint is damaged or not whole.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        self._stem = index.with_suffix("")
        try:
            if index.stat().st_size > _MAX_INDEX_BYTES:
                raise WireError("an index of too many bytes")
            entries = dict(_table(index.read_bytes()))
            header = entries.pop(b"", b"")
            self._shards = max(1, wire.number(header, 1))
            if wire.number(header, 2) != 0 or self._shards > _MAX_SHARDS:
                raise WireError("a header that cannot be")
            self._places = {
                key.decode("utf-8", "replace"): _place(value) for key, value in entries.items()
            }
        except _ERRORS as error:
            raise damaged(f"checkpoint index {index.name}", error) from None

    @property
    def files(self) -> list[Path]:
        """The files that it is made of."""
        return [self._index, *(self._shard(number) for number in range(self._shards))]

    def arrays(self) -> dict[str, Array]:
        """Every numeric array, by its key."""
        return {
            key: Array(path=key, shape=place.shape, dtype=_DTYPES[place.dtype])
            for key, place in self._places.items()
            if place.dtype in _DTYPES
        }

    def read(self, path: str) -> np.ndarray:
        """The values under a key; bfloat16 comes as float32."""
        place = self._places[path]
        name = _DTYPES[place.dtype]
        stored = np.dtype("uint16" if name == "bfloat16" else name).newbyteorder("<")
        try:
            if place.size != stored.itemsize * math.prod(place.shape):
                raise WireError(f"{place.size} bytes for the shape {place.shape}")
            values = np.frombuffer(self._bytes(place), stored).reshape(place.shape)
        except _ERRORS as error:
            raise damaged(f"array {path!r}", error) from None
        if name == "bfloat16":
            return np.asarray(values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(values.dtype.newbyteorder("="))

    def owners(self) -> list[Owner]:
        """The saved graph of objects; the first is the model.

        Raises
        ------
        UserError
            Also where the checkpoint has none (it is one of TensorFlow 1).
        """
        place = self._places.get(_OBJECT_GRAPH)
        try:
            if place is None or place.dtype != _STRING:
                raise WireError("it names no objects, as those of TensorFlow 1 do not")
            data = memoryview(self._bytes(place))
            size, start = wire.varint(data, 0)
            graph = data[start + 4 :]  # the checksum of the length stands between
            if len(graph) != size:
                raise WireError("the graph of objects is cut off")
            return [_owner(node) for node in wire.messages(graph, 1)]
        except _ERRORS as error:
            raise damaged("the checkpoint's graph of objects", error) from None

    def _shard(self, number: int) -> Path:
        name = f"{self._stem.name}.data-{number:05d}-of-{self._shards:05d}"
        return self._stem.parent / name

    def _bytes(self, place: _Place) -> bytes:
        if not 0 <= place.shard < self._shards or place.offset < 0:
            raise WireError("a place outside the checkpoint")
        path = self._shard(place.shard)
        if path.is_symlink():
            raise WireError("values behind a link")
        if place.size > min(MAX_ARRAY_BYTES, path.stat().st_size - place.offset):
            raise WireError("values that are not in the file")
        with path.open("rb") as file:
            file.seek(place.offset)
            return file.read(place.size)


def _table(data: bytes) -> list[tuple[bytes, bytes]]:
    """Keys and values of a sorted table."""
    if len(data) < _FOOTER_BYTES or not data.endswith(_MAGIC):
        raise WireError("it does not end as an index does")
    footer = memoryview(data)[-_FOOTER_BYTES:]
    at = 0
    for _ in range(2):  # the handle of another block stands first
        _, at = wire.varint(footer, at)
    found: list[tuple[bytes, bytes]] = []
    for _, handle in _block(data, *_handle(footer[at:])):
        found.extend(_block(data, *_handle(memoryview(handle))))
    return found


def _handle(data: memoryview) -> tuple[int, int]:
    offset, at = wire.varint(data, 0)
    size, _ = wire.varint(data, at)
    return offset, size


def _block(data: bytes, offset: int, size: int) -> list[tuple[bytes, bytes]]:
    end = offset + size
    if size < 4 or end + _TRAILER_BYTES > len(data):
        raise WireError("a block outside the index")
    if data[end] != 0:
        raise WireError("a packed block, which Keras does not write")
    block = memoryview(data)[offset:end]
    restarts = int.from_bytes(block[-4:], "little")
    limit = len(block) - 4 - 4 * restarts
    found: list[tuple[bytes, bytes]] = []
    key, at = b"", 0
    while at < limit:
        shared, at = wire.varint(block, at)
        fresh, at = wire.varint(block, at)
        length, at = wire.varint(block, at)
        if shared > len(key) or at + fresh + length > limit:
            raise WireError("an entry outside its block")
        key = key[:shared] + bytes(block[at : at + fresh])
        found.append((key, bytes(block[at + fresh : at + fresh + length])))
        at += fresh + length
    return found


def _place(entry: bytes) -> _Place:
    shape = tuple(
        wire.number(dim, 1) for part in wire.messages(entry, 2) for dim in wire.messages(part, 2)
    )
    if any(size < 0 for size in shape) or len(shape) > 32:
        raise WireError(f"an array of the shape {shape[:8]}")
    if any(True for _ in wire.messages(entry, 7)):
        raise WireError("an array in slices")
    return _Place(
        dtype=wire.number(entry, 1),
        shape=shape,
        shard=wire.number(entry, 3),
        offset=wire.number(entry, 4),
        size=wire.number(entry, 5),
    )


def _owner(node: memoryview) -> Owner:
    parts = {wire.text(part, 2): wire.number(part, 1) for part in wire.messages(node, 1)}
    keys = [
        wire.text(value, 3)
        for value in wire.messages(node, 2)
        if wire.text(value, 1) == "VARIABLE_VALUE"
    ]
    return Owner(parts=parts, key=keys[0] if keys else None)
