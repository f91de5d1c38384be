"""Sources made of a table: ``.csv`` with a path and a label a row, or with pixels in its columns.

Owns what columns mean: path or id (with or without ending), label, mask, part, pixels, one column
a class. It knows nothing of models beyond the image they take.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data.decode import is_image
from engine.data.hashing import array_hashes, file_sha256, listing_sha256
from engine.data.images import ImageTarget
from engine.data.raw import PartName, RawPart, RawSource
from engine.data.sources.files import Files, read_files
from engine.data.sources.folders import PART_NAMES
from engine.errors import UserError

_PATHS = (
    "path", "imagepath", "filepath", "file", "filename", "image", "img", "imageid", "imagename",
    "imgname", "id", "name", "x",
)  # fmt: skip
_LABELS = (
    "label", "labels", "class", "classname", "classid", "category", "target", "y", "emotion",
    "species", "diagnosis", "level", "breed", "tag",
)  # fmt: skip
_MASKS = ("mask", "maskpath", "segmentation", "annotation")
_SPLITS = ("split", "set", "part", "partition", "subset", "usage", "dataset", "fold")
_PIXELS = ("pixels", "pixel")
_SPLIT_WORDS: dict[str, PartName] = {
    **PART_NAMES, "publictest": "val", "privatetest": "test", "tr": "train", "te": "test",
}  # fmt: skip
_DELIMITERS = ",;\t|"
_HINT = "A table needs a column 'path' and a column 'label' (and may have a column 'split')."
_FIELD_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table's columns by name, as text, and where it is."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, index: int) -> list[str]:
        return [row[index] for row in self.rows]

    def find(self, words: Sequence[str]) -> int | None:
        """Index of the first column that has one of these names, by order of the words."""
        plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in self.names]
        return next((plain.index(word) for word in words if word in plain), None)


def read_csv(path: Path, target: ImageTarget) -> RawSource:
    """A ``.csv``: images by path or id, or their pixels, with labels, masks or one-hot columns.

    Raises
    ------
    UserError
        Where it cannot be read, a column is missing, or most images are.
    """
    table = _read(path)
    pixels = _pixel_columns(table, target)
    if pixels is not None:
        return _from_pixels(table, pixels, target)
    at = table.find(_PATHS)
    if at is None:
        raise UserError(
            "data.columns", f"No column of {path} names images: {_few(table.names)}.", _HINT
        )
    return _from_files(table, at, target)


def _read(path: Path) -> _Table:
    csv.field_size_limit(_FIELD_BYTES)
    try:
        text = path.read_text(encoding="utf-8-sig")
        head = text.split("\n", 1)[0]
        delimiter = max(_DELIMITERS, key=head.count)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [tuple(cell.strip() for cell in row) for row in lines if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            "data.format", f"This is not a readable table ({error}): {path}.", "Save it as CSV."
        ) from None
    if len(rows) < 2:
        raise UserError("data.format", f"The table has no rows: {path}.", _HINT)
    ragged = next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if ragged is not None:
        raise UserError(
            "data.format",
            f"Row {ragged + 1} of {path} has {len(rows[ragged])} cells, the first has "
            f"{len(rows[0])}.",
            "Put cells with commas into quotes.",
        )
    if all(_is_number(cell) for cell in rows[0]):  # no header: label first, then pixels
        names = ("label", *(f"pixel{i}" for i in range(len(rows[0]) - 1)))
        return _Table(path=path, names=names, rows=tuple(rows))
    return _Table(path=path, names=rows[0], rows=tuple(rows[1:]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


# pixels ----------------------------------------------------------------------------------------


def _pixel_columns(table: _Table, target: ImageTarget) -> list[int] | None:
    """Columns with pixels: one with all of an image's, or one a pixel; None without."""
    one = table.find(_PIXELS)
    if one is not None and " " in table.rows[0][one]:
        return [one]
    if None in (target.height, target.width):
        return None
    size = (target.height or 0) * (target.width or 0)
    others = [
        index
        for index, name in enumerate(table.names)
        if re.search(r"\d", name) and _is_number(table.rows[0][index])
    ]
    return others if len(others) in (size, 3 * size) and size > 1 else None


def _from_pixels(table: _Table, columns: list[int], target: ImageTarget) -> RawSource:
    try:
        if len(columns) == 1:
            rows = [np.array(text.split(), np.float32) for text in table.column(columns[0])]
        else:
            rows = [np.array([row[i] for i in columns], np.float32) for row in table.rows]
        images = np.stack(rows)
    except ValueError as error:
        raise UserError(
            "data.images",
            f"The pixels of {table.path} are not the same numbers in each row ({error}).",
            "Every row needs as many pixels.",
        ) from None
    if (images == np.round(images)).all() and images.min() >= 0 and images.max() <= 255:
        images = images.astype(np.uint8)
    images = _square(images, target)
    labels, class_names = _labels(table, {*columns})
    hashes = array_hashes(images)
    parts: dict[str, RawPart] = {}
    for part, indices in _by_part(table).items():
        parts[part] = RawPart(
            images=images[indices],
            labels=labels[indices],
            hashes=tuple(hashes[i] for i in indices),
            origin=f"the {part} rows" if part != "all" else table.path.name,
        )
    return RawSource(parts=parts, sha256=file_sha256(table.path), class_names=class_names)


def _square(images: np.ndarray, target: ImageTarget) -> np.ndarray:
    """Pixels in rows as images, where only one size is possible."""
    if target.height is not None and target.width is not None:
        return images  # fit_array knows
    side = round(images.shape[1] ** 0.5)
    return images.reshape(-1, side, side) if side * side == images.shape[1] else images


# files -----------------------------------------------------------------------------------------


def _from_files(table: _Table, at: int, target: ImageTarget) -> RawSource:
    root = table.path.parent
    locate = _Locator(root)
    found = [locate(text) for text in table.column(at)]
    missing = [row[at] for row, path in zip(table.rows, found, strict=True) if path is None]
    if 2 * len(missing) > len(found):
        raise UserError(
            "data.no_images",
            f"{len(missing)} of {len(found)} images that {table.path} names are not there, such as "
            f"{missing[0]!r}.",
            "Paths are relative to the table's folder; ids are looked up below it.",
        )
    notes = []
    if missing:
        notes.append(
            f"{len(missing)} of {len(found)} images of the table are not there and are left out: "
            f"{_few(missing[:3])}."
        )
    masks_at = table.find(_MASKS)
    masks = None if masks_at is None else [locate(text) for text in table.column(masks_at)]
    labels, class_names = (None, ()) if masks is not None else _labels(table, {at})
    files: dict[PartName, Files] = {}
    for part, indices in _by_part(table).items():
        kept = [i for i in indices if found[i] is not None and (masks is None or masks[i])]
        if kept:
            files[part] = Files(
                images=tuple(p for i in kept if (p := found[i])),
                labels=None if labels is None else labels[kept],
                masks=() if masks is None else tuple(p for i in kept if (p := masks[i])),
            )
    read = read_files(files, root, target)
    listing = {**read.listing, table.path.name: file_sha256(table.path)}
    return RawSource(
        parts=read.parts,
        class_names=class_names,
        sha256=listing_sha256(listing.items()),
        notes=(*notes, *read.notes),
    )


class _Locator:
    """Finds the file that a cell names: a path, or a name without folder or ending."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, Path] | None = None

    def __call__(self, text: str) -> Path | None:
        if not text:
            return None
        direct = self._root / text.replace("\\", "/")
        if direct.is_file():
            return direct
        return self._index().get(Path(text).name.lower())

    def _index(self) -> dict[str, Path]:
        """All images below the root, by name and by name without ending."""
        if self._by_name is None:
            self._by_name = {}
            for path in sorted(self._root.rglob("*")):
                if is_image(path):
                    self._by_name.setdefault(path.stem.lower(), path)
                    self._by_name.setdefault(path.name.lower(), path)
        return self._by_name


# labels and parts ------------------------------------------------------------------------------


def _labels(table: _Table, used: set[int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label column, or one column of 0 and 1 a class with the classes' names."""
    at = table.find(_LABELS)
    if at is not None and at not in used:
        return _typed(table.column(at)), ()
    split = table.find(_SPLITS)
    others = [i for i in range(len(table.names)) if i not in used and i != split]
    flags = [i for i in others if {float(c) if _is_number(c) else -1.0
                                   for c in table.column(i)} <= {0.0, 1.0}]  # fmt: skip
    if len(flags) > 1:
        values = np.array([[float(row[i]) for i in flags] for row in table.rows])
        return values, tuple(table.names[i] for i in flags)
    if len(others) == 1:
        return _typed(table.column(others[0])), ()
    raise UserError(
        "data.no_labels", f"No column of {table.path} has labels: {_few(table.names)}.", _HINT
    )


def _typed(cells: list[str]) -> np.ndarray:
    """Numbers where all cells are numbers, else text."""
    if all(_is_number(cell) for cell in cells):
        return np.array([float(cell) for cell in cells])
    return np.array(cells)


def _by_part(table: _Table) -> dict[PartName, list[int]]:
    """Row numbers of each part; ``all`` where no column says."""
    at = table.find(_SPLITS)
    words = [] if at is None else [_part_word(cell) for cell in table.column(at)]
    if at is None or not any(words):  # no such column, or it holds something else
        return {"all": list(range(len(table.rows)))}
    parts: dict[PartName, list[int]] = {}
    for index, (cell, part) in enumerate(zip(table.column(at), words, strict=True)):
        if part is None:
            raise UserError(
                "data.parts",
                f"Row {index + 2} of {table.path} names no known part: {cell!r}.",
                "Use train, val and test.",
            )
        parts.setdefault(part, []).append(index)
    return parts


def _part_word(cell: str) -> PartName | None:
    return _SPLIT_WORDS.get(cell.lower().replace("-", "_").replace(" ", "_"))
