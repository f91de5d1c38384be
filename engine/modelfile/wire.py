"""Protocol buffers without a schema: the fields of a message, as bytes and numbers.

Owns the wire format alone, for the few messages of TensorFlow that hold a Keras 2 model's config
and the index of its variables. What a field means is the caller's business. Every length is
checked against the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10


class WireError(ValueError):
    """Bytes that are no message."""


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned number of variable length, and the place behind it.

    Raises
    ------
    WireError
        Where it does not end.
    """
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise WireError("a number that does not end")


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field in order: a number, or the bytes of whatever is longer.

    Raises
    ------
    WireError
        Where the bytes are no message.
    """
    data = memoryview(message)
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"a field of the kind {kind}")
        if size > len(data) - at:
            raise WireError("a field longer than its message")
        yield tag >> 3, data[at : at + size]
        at += size


def messages(message: bytes | memoryview, number: int) -> Iterator[memoryview]:
    """The sub-messages (or strings) under one field number."""
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def text(message: bytes | memoryview, number: int) -> str:
    """The last string under a field number, or ""."""
    found = ""
    for value in messages(message, number):
        found = bytes(value).decode("utf-8", "replace")
    return found


def number(message: bytes | memoryview, field: int) -> int:
    """The last number under a field number, or 0; 64-bit two's complement."""
    found = 0
    for key, value in fields(message):
        if key == field and isinstance(value, int):
            found = value
    return found - (1 << 64) if found >= 1 << 63 else found
