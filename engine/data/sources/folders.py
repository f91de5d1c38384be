"""Sources made of image files in folders: one subfolder per class, or ``images`` and ``masks``.

Owns what folder names mean (parts and their spellings, classes in Keras's order) and the reading
of many files. A corrupt file is skipped, counted and named. It knows nothing of models beyond the
size of the image they take.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.data.decode import SUFFIXES, decode_image, decode_mask, image_size, is_image
from engine.data.hashing import listing_sha256
from engine.data.images import ImageTarget
from engine.data.raw import PartName, RawPart, RawSource
from engine.errors import UserError

_PART_NAMES: dict[str, PartName] = {
    **dict.fromkeys(("train", "training", "train_set", "training_set", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validation_set", "val_set", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "test_set", "testing_set", "tst", "eval"), "test"),
}
_IMAGE_DIRS = ("images", "image", "imgs", "img", "frames")
_MASK_DIRS = ("masks", "mask", "labels", "annotations", "segmentations", "gt")
_THREADS = min(8, os.cpu_count() or 1)
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """Image files of one part, with their labels: a class id or a mask file each."""

    images: tuple[Path, ...]
    class_ids: tuple[int, ...] = ()
    masks: tuple[Path, ...] = ()


def read_folder(path: Path, target: ImageTarget) -> RawSource:
    """A folder of image files, with or without ``train``/``val``/``test`` folders.

    Raises
    ------
    UserError
        Where its layout is not understood, a class has no images, or nothing can be read.
    """
    path, notes = _unwrap(path)
    roots = _part_roots(path)
    if any(_mask_pair(root) for root in roots.values()):
        files = {part: _mask_files(root) for part, root in roots.items()}
        class_names: tuple[str, ...] = ()
    else:
        class_names = _class_names(path, roots)
        files = {part: _class_files(root, class_names) for part, root in roots.items()}
        _refuse_empty_classes(path, files, class_names)
    listing: dict[str, str] = {}
    parts: dict[str, RawPart] = {}
    target = _fixed_size(target, files, notes)
    for part, some in files.items():
        parts[part] = _read_part(some, path, target, listing, notes, part)
    return RawSource(
        parts=parts,
        class_names=class_names,
        sha256=listing_sha256(listing.items()),
        notes=tuple(notes),
    )


def _subfolders(path: Path) -> list[Path]:
    """Subfolders in Keras's order; hidden ones are left out."""
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _has_images(path: Path) -> bool:
    return any(is_image(p) for p in path.iterdir())


def _unwrap(path: Path) -> tuple[Path, list[str]]:
    """Step into a lone folder that only wraps the real one."""
    notes: list[str] = []
    while True:
        inside = _subfolders(path)
        if len(inside) != 1 or _has_images(path) or not _subfolders(inside[0]):
            return path, notes
        if _part_of(inside[0]) is not None or _has_images(inside[0]):
            return path, notes
        path = inside[0]
        notes.append(f"The data are in the folder {path.name!r} inside.")


def _part_of(path: Path) -> PartName | None:
    return _PART_NAMES.get(path.name.lower().replace("-", "_").replace(" ", "_"))


def _part_roots(path: Path) -> dict[PartName, Path]:
    """Folder of each part; ``all`` where there are no part folders.

    Folders are parts only where all of them are named so: a class may be called "test".
    """
    inside = _subfolders(path)
    parts = [_part_of(p) for p in inside]
    if not inside or None in parts or all(_has_images(p) for p in inside):
        return {"all": path}
    if len(set(parts)) != len(parts):
        raise UserError(
            "data.parts",
            f"Two folders name the same part in {path}: {', '.join(p.name for p in inside)}.",
            "Keep one of them.",
        )
    return {part: p for part, p in zip(parts, inside, strict=True) if part is not None}


def _mask_pair(root: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks, where a part has both."""
    by_name = {p.name.lower(): p for p in _subfolders(root)}
    images = next((by_name[n] for n in _IMAGE_DIRS if n in by_name), None)
    masks = next((by_name[n] for n in _MASK_DIRS if n in by_name), None)
    return (images, masks) if images and masks else None


def _mask_files(root: Path) -> _Files:
    """Images and masks paired by name without ending."""
    pair = _mask_pair(root)
    if pair is None:
        raise UserError(
            "data.masks",
            f"The other parts have folders of images and masks, this one has not: {root}.",
            "Give every part an 'images' and a 'masks' folder.",
        )
    images = _images_below(pair[0])
    masks = {_stem(p): p for p in _images_below(pair[1])}
    missing = [p for p in images if _stem(p) not in masks]
    if missing or not images:
        what = f"{len(missing)} of {len(images)} images have no mask, such as {missing[:1]}"
        raise UserError(
            "data.masks",
            f"Images and masks do not pair up in {root}: {what if images else 'no images'}.",
            "A mask has its image's file name (the ending may differ).",
        )
    return _Files(images=images, masks=tuple(masks[_stem(p)] for p in images))


def _stem(path: Path) -> str:
    stem = path.stem.lower()
    for ending in ("_mask", "-mask", "_gt", "_l"):
        stem = stem.removesuffix(ending)
    return stem


def _images_below(folder: Path) -> tuple[Path, ...]:
    """Image files of a folder and its subfolders, sorted by path; hidden ones left out."""
    found = (
        p
        for p in folder.rglob("*")
        if is_image(p) and not any(n.startswith(".") for n in p.relative_to(folder).parts)
    )
    return tuple(sorted(found))


def _class_names(path: Path, roots: dict[PartName, Path]) -> tuple[str, ...]:
    """Names of all class folders over all parts, sorted as Keras sorts them."""
    names = {p.name for root in roots.values() for p in _subfolders(root)}
    if not names:
        raise UserError(
            "data.format",
            f"There is no subfolder per class in {path}.",
            "Put the images of each class into a folder with the class's name.",
        )
    return tuple(sorted(names))


def _class_files(root: Path, class_names: Sequence[str]) -> _Files:
    images: list[Path] = []
    ids: list[int] = []
    for index, name in enumerate(class_names):
        if (root / name).is_dir():
            found = _images_below(root / name)
            images.extend(found)
            ids.extend([index] * len(found))
    return _Files(images=tuple(images), class_ids=tuple(ids))


def _refuse_empty_classes(
    path: Path, files: dict[PartName, _Files], class_names: Sequence[str]
) -> None:
    filled = {index for some in files.values() for index in some.class_ids}
    empty = [name for index, name in enumerate(class_names) if index not in filled]
    if not empty:
        return
    raise UserError(
        "data.empty_class" if filled else "data.no_images",
        f"No image files in {'the class folder' if filled else 'any class folder of'} "
        f"{path / empty[0] if filled else path}.",
        f"Remove the folder or fill it; images end in {', '.join(sorted(SUFFIXES))}.",
    )


def _fixed_size(
    target: ImageTarget, files: dict[PartName, _Files], notes: list[str]
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
    return target


def _read_part(
    files: _Files,
    root: Path,
    target: ImageTarget,
    listing: dict[str, str],
    notes: list[str],
    part: str,
) -> RawPart:
    """Decode the files of one part; ``listing`` and ``notes`` are added to."""
    assert target.height is not None
    assert target.width is not None
    height, width, channels = target.height, target.width, target.channels or 3
    count = len(files.images)
    images = np.zeros((count, height, width, channels), np.uint8)
    masks = np.zeros((count, height, width), np.uint8) if files.masks else None
    digests = [""] * count
    mask_digests = [""] * count

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

    good = np.asarray(_in_threads(read, range(count)), dtype=bool)
    names = tuple(p.relative_to(root).as_posix() for p in files.images)
    listing.update(zip(names, digests, strict=True))
    if files.masks:
        mask_names = (p.relative_to(root).as_posix() for p in files.masks)
        listing.update(zip(mask_names, mask_digests, strict=True))
    bad = np.flatnonzero(~good)
    if len(bad) == count:
        raise UserError(
            "data.no_images",
            f"None of the {count} images of the {part} part in {root} can be read.",
            "Check that they are image files.",
        )
    if len(bad):
        some = ", ".join(names[i] for i in bad[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
        notes.append(f"{len(bad)} of {count} image files cannot be read and are left out: {some}.")
        images = images[good]
        masks = masks[good] if masks is not None else None
    kept = np.flatnonzero(good)
    labels = masks if masks is not None else np.asarray(files.class_ids, np.int64)[good]
    return RawPart(
        images=images,
        labels=labels,
        hashes=tuple(digests[i] for i in kept),
        names=tuple(names[i] for i in kept),
        origin=f"the {part} part" if part != "all" else root.name,
    )


def _in_threads(work: Callable[[int], bool], items: Iterable[int]) -> list[bool]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, items))
