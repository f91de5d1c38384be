"""Sources made of image files in folders: one subfolder per class, or ``images`` and ``masks``.

Owns what folder names mean: parts and their spellings, classes in Keras's order. It decodes
nothing itself and knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.data.decode import SUFFIXES, is_image
from engine.data.hashing import listing_sha256
from engine.data.images import ImageTarget
from engine.data.raw import PartName, RawSource
from engine.data.sources.files import Files, read_files
from engine.errors import UserError

PART_NAMES: dict[str, PartName] = {
    **dict.fromkeys(("train", "training", "train_set", "training_set", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validation_set", "val_set", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "test_set", "testing_set", "tst", "eval"), "test"),
}
_IMAGE_DIRS = ("images", "image", "imgs", "img", "frames")
_MASK_DIRS = ("masks", "mask", "labels", "annotations", "segmentations", "gt")


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
    read = read_files(files, path, target)
    return RawSource(
        parts=read.parts,
        class_names=class_names,
        sha256=listing_sha256(read.listing.items()),
        notes=(*notes, *read.notes),
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
    return PART_NAMES.get(path.name.lower().replace("-", "_").replace(" ", "_"))


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


def _mask_files(root: Path) -> Files:
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
    return Files(images=images, masks=tuple(masks[_stem(p)] for p in images))


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


def _class_files(root: Path, class_names: Sequence[str]) -> Files:
    images: list[Path] = []
    ids: list[int] = []
    for index, name in enumerate(class_names):
        if (root / name).is_dir():
            found = _images_below(root / name)
            images.extend(found)
            ids.extend([index] * len(found))
    return Files(images=tuple(images), labels=np.asarray(ids, np.int64))


def _refuse_empty_classes(
    path: Path, files: dict[PartName, Files], class_names: Sequence[str]
) -> None:
    labels = [some.labels for some in files.values() if some.labels is not None]
    filled = {int(index) for index in np.unique(np.concatenate(labels))}
    empty = [name for index, name in enumerate(class_names) if index not in filled]
    if not empty:
        return
    raise UserError(
        "data.empty_class" if filled else "data.no_images",
        f"No image files in {'the class folder' if filled else 'any class folder of'} "
        f"{path / empty[0] if filled else path}.",
        f"Remove the folder or fill it; images end in {', '.join(sorted(SUFFIXES))}.",
    )
