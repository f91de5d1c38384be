"""Frozen dataclasses to JSON and back, and files that are written whole or not at all.

msgspec does the work: strict types on reading, NaN and infinity written as null.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """Dataclasses, tuples and the like as dicts, lists, numbers, strings and None."""
    return msgspec.json.decode(msgspec.json.encode(value))


def from_plain(value: object, kind: type[T]) -> T:
    """The inverse of :func:`to_plain`.

    Raises
    ------
    msgspec.ValidationError
        Where the data are not of that kind; the message names the place.
    """
    return msgspec.convert(value, kind, strict=False)


def dumps(value: object) -> bytes:
    """One line of JSON, UTF-8, without a newline; NaN and infinity become null."""
    return msgspec.json.encode(value)


def loads(data: bytes | str) -> Any:
    """JSON text as plain data.

    Raises
    ------
    msgspec.DecodeError
        Where the text is not JSON.
    """
    return msgspec.json.decode(data)


def _umask() -> int:
    """The process's mask, which can only be read by setting it: once, at import."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside the place, flush to disk, move in whole; the old file stays until then."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_UMASK)  # others may read what they are handed
        Path(name).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, so that a file moved into it survives a power loss."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
