"""Files and folders that are moved in whole, and how large they are.

Owns the last step of every export: what stands at its place is complete or not there. It knows
nothing of models.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UserError

_SAVED_MODEL_PARTS = {
    "saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra", "keras_metadata.pb",
}  # fmt: skip


def refuse_existing(out: Path, *, force: bool) -> None:
    """Say no to a place that is taken.

    Raises
    ------
    UserError
        ``out.exists`` where something is there and ``force`` is not set, ``out.is_folder`` where
        a folder is there that is no SavedModel (it is never replaced); ``out.no_folder`` where
        the folder around it does not exist.
    """
    if not out.parent.is_dir():
        raise UserError(
            "out.no_folder",
            f"The folder to write into does not exist: {out.parent}.",
            "Make it first, or choose another place.",
        )
    if not force and (out.exists() or out.is_symlink()):
        raise UserError(
            "out.exists",
            f"There is already something at the place to write to: {out}.",
            "Choose another name, or pass --force to replace it.",
        )
    if out.is_dir() and not out.is_symlink() and not _is_replaceable(out):
        raise UserError(
            "out.is_folder",
            f"The place to write to is a folder with other things in it: {out}.",
            "Choose another name; --force replaces files and earlier SavedModels only.",
        )


def _is_replaceable(folder: Path) -> bool:
    """Whether a folder is a SavedModel and nothing else, or empty."""
    names = {part.name for part in folder.iterdir()}
    return not names or ("saved_model.pb" in names and names <= _SAVED_MODEL_PARTS)


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """A temporary folder on the same file system as ``out``, gone at the end.

    Raises
    ------
    UserError
        ``out.not_writable`` where no folder can be made there.
    """
    try:
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part"))
    except OSError as error:
        raise UserError(
            "out.not_writable",
            f"Nothing can be written there ({error.strerror}): {out.parent}.",
            "Choose another place.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def flush(path: Path) -> None:
    """Flush a file, or every file of a folder, to disk."""
    for part in files_of(path):
        with part.open("rb") as handle:
            os.fsync(handle.fileno())


def move_in(made: Path, out: Path, *, force: bool) -> None:
    """Move a finished file or folder to its place, whole.

    ``made`` lies in a folder of :func:`beside`. With ``force``, what stood there before is moved
    aside first and removed when the new one is in its place.

    Raises
    ------
    UserError
        ``out.exists`` where something appeared there in the meantime.
    """
    refuse_existing(out, force=force)
    flush(made)
    if not (out.exists() or out.is_symlink()):
        made.rename(out)
        return
    old = made.parent / "old"
    out.rename(old)
    try:
        made.rename(out)
    except BaseException:
        old.rename(out)
        raise


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files of a folder, sorted."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def bytes_of(path: Path) -> int:
    """Size of a file, or of all files of a folder, in bytes."""
    return sum(p.stat().st_size for p in files_of(path))


def gzip_bytes_of(path: Path) -> int:
    """Size after gzip (level 9, no time stamp), summed over the files of a folder."""
    return sum(gzip_bytes(p.read_bytes()) for p in files_of(path))


def gzip_bytes(data: bytes) -> int:
    """Size of some bytes after gzip: level 9, no time stamp."""
    return len(gzip.compress(data, 9, mtime=0))
