"""The ``.keras`` archive: which members it may have, and how they are read.

Owns the zip side of the format: members by exact name, no path traversal, no duplicates, no
encryption, no bombs. Nothing is ever extracted to disk. It knows nothing of what the members
mean.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Self

from engine.errors import UserError

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
WEIGHTS_NPZ = "model.weights.npz"

MAX_CONFIG_BYTES = 256 << 20
MAX_MEMBERS = 10_000
_BOMB_FLOOR_BYTES = 16 << 20
_BOMB_RATIO = 100

_ZIP_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, RuntimeError,
    NotImplementedError, ValueError, UnicodeDecodeError,
)  # fmt: skip


class KerasZip:
    """A ``.keras`` file, opened for reading.

    Raises
    ------
    UserError
        From every method, where the archive is damaged or unsafe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            members = self._zip.infolist()
        except _ZIP_ERRORS as error:
            raise _damaged(error) from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        if len(members) > MAX_MEMBERS:
            raise _unsafe(f"{len(members)} members")
        for member in members:
            _check_member(member)
            if member.filename in self._members:
                raise _unsafe(f"two members of one name ({member.filename})")
            self._members[member.filename] = member

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def has(self, name: str) -> bool:
        """Whether there is a member of this exact name."""
        return name in self._members

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members."""
        return tuple(self._members)

    def read(self, name: str, limit_bytes: int | None = None) -> bytes:
        """A member's bytes, its checksum verified."""
        member = self._members[name]
        if limit_bytes is not None and member.file_size > limit_bytes:
            raise _unsafe(f"{name} of {member.file_size} bytes")
        try:
            with self._zip.open(member) as file:
                data = file.read(member.file_size + 1)
        except _ZIP_ERRORS as error:
            raise _damaged(error) from None
        if len(data) != member.file_size:
            raise _unsafe(f"{name}, which is not as long as it says")
        return data


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or ":" in name or "\x00" in name:
        raise _unsafe(f"a member that points out of it ({name[:80]!r})")
    if member.flag_bits & 0x1:
        raise _unsafe(f"an encrypted member ({name[:80]})")
    size, stored = member.file_size, member.compress_size
    if size > _BOMB_FLOOR_BYTES and size > _BOMB_RATIO * max(stored, 1):
        raise _unsafe(f"{name[:80]} claims {size} bytes and stores {stored}")


def _damaged(error: BaseException) -> UserError:
    detail = " ".join(str(error).split())[:120]
    return UserError(
        "model.damaged",
        f"The file is no whole .keras archive: {detail or type(error).__name__}.",
        "Copy or download it again; if it was unpacked, zip config.json, metadata.json and "
        "model.weights.h5 together again.",
    )


def _unsafe(what: str) -> UserError:
    return UserError(
        "model.unsafe_zip",
        f"The archive has something that no Keras file has: {what}.",
        "Check where the file comes from, or load and save it again with Keras.",
    )
