"""Many image files read at once: hashed, decoded, brought to size.

Owns the threads, the place for the pixels (memory or disk), and what becomes of files that cannot
be read: they are left out, counted and named. It knows nothing of what folders mean.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.data import store
from engine.data.decode import decode_image, decode_mask, image_size
from engine.data.images import ImageTarget
from engine.data.raw import PartName, RawPart
from engine.data.store import allocate, subset
from engine.errors import UserError

_THREADS = min(8, os.cpu_count() or 1)
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Files:
    """Image files of one part with their labels: one each, or a mask file each."""

    images: tuple[Path, ...]
    labels: np.ndarray | None = None
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRead:
    """Parts read from files, the hash of each file by its relative path, and what to say."""

    parts: dict[str, RawPart]
    listing: dict[str, str]
    notes: tuple[str, ...]


def read_files(files: Mapping[PartName, Files], root: Path, target: ImageTarget) -> FilesRead:
    """Read the files of all parts.

    Parameters
    ----------
    root
        Folder that names are relative to.

    Raises
    ------
    UserError
        ``data.no_images`` where none of a part can be read; ``data.disk`` without room.
    """
    notes: list[str] = []
    listing: dict[str, str] = {}
    target = _fixed_size(target, files, notes)
    total = sum(len(some.images) for some in files.values())
    pixels = (target.height or 0) * (target.width or 0) * (target.channels or 3)
    streamed = total * pixels > store.IN_MEMORY_BYTES
    parts: dict[str, RawPart] = {
        part: _read_part(some, root, target, listing, notes, part, streamed)
        for part, some in files.items()
    }
    return FilesRead(parts=parts, listing=listing, notes=tuple(notes))


def _fixed_size(
    target: ImageTarget, files: Mapping[PartName, Files], notes: list[str]
) -> ImageTarget:
    """The target with a size: where the model takes any, that of the first image."""
    if target.height is not None and target.width is not None:
        return target
    for some in files.values():
        for path in some.images:
            size = image_size(path.read_bytes())
            if size is not None:
                height, width = target.height or size[0], target.width or size[1]
                notes.append(f"The model takes any size; {height}x{width} is the first image's.")
                return replace(target, height=height, width=width)
    return replace(target, height=target.height or 1, width=target.width or 1)


def _read_part(
    files: Files,
    root: Path,
    target: ImageTarget,
    listing: dict[str, str],
    notes: list[str],
    part: str,
    streamed: bool,
) -> RawPart:
    """Decode the files of one part; ``listing`` and ``notes`` are added to."""
    assert target.height is not None
    assert target.width is not None
    height, width, channels = target.height, target.width, target.channels or 3
    count = len(files.images)
    images = allocate((count, height, width, channels), np.uint8, streamed=streamed)
    masks = None
    if files.masks:
        masks = allocate((count, height, width), np.uint8, streamed=streamed)
    digests, mask_digests = [""] * count, [""] * count

    def read(index: int) -> bool:
        data = files.images[index].read_bytes()
        digests[index] = hashlib.sha256(data).hexdigest()
        pixels = decode_image(data, target)
        if pixels is None:
            return False
        images[index] = pixels
        if masks is not None:
            data = files.masks[index].read_bytes()
            mask_digests[index] = hashlib.sha256(data).hexdigest()
            mask = decode_mask(data, target)
            if mask is None:
                return False
            masks[index] = mask
        return True

    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        warnings.simplefilter("ignore")  # odd metadata: the pixels are what counts
        good = np.fromiter(pool.map(read, range(count)), dtype=bool, count=count)
    names = relative_names(files.images, root)
    listing.update(zip(names, digests, strict=True))
    if files.masks:
        listing.update(zip(relative_names(files.masks, root), mask_digests, strict=True))
    kept = np.flatnonzero(good)
    if not len(kept):
        raise UserError(
            "data.no_images",
            f"None of the {count} images of the {part} part in {root} can be read.",
            "Check that they are image files.",
        )
    if len(kept) < count:
        some = [names[i] for i in np.flatnonzero(~good)]
        shown = ", ".join(some[:_NAMED]) + (", ..." if len(some) > _NAMED else "")
        notes.append(
            f"{len(some)} of {count} image files cannot be read and are left out: {shown}."
        )
        images = subset(images, kept)
    labels = masks if masks is not None else files.labels
    if labels is None:
        raise ValueError(f"files of the {part} part without labels")
    return RawPart(
        images=images,
        labels=labels if len(kept) == count else subset(labels, kept),
        hashes=tuple(digests[i] for i in kept),
        names=tuple(names[i] for i in kept),
        origin=f"the {part} part" if part != "all" else root.name,
    )


def relative_names(paths: Sequence[Path], root: Path) -> list[str]:
    """Paths as text with forward slashes, relative to the root where they are below it."""
    return [(p.relative_to(root) if p.is_relative_to(root) else p).as_posix() for p in paths]
