"""Labels in whatever form they come, brought into one of four.

Owns the recognition of integer, one-hot, ``(n, 1)``, text, 1-based and -1/1 labels, multi-hot
vectors, masks and plain numbers; what it did it says in notes. All parts of a source are
understood together. It knows nothing of files and models, but for the model's number of outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.data.parts import LabelKind
from engine.data.store import StreamedArray, allocate, rows_at_once
from engine.errors import UserError

VOID = 255
"""Customary value of pixels that do not count, in 8-bit masks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """Labels of all parts of a source in one form."""

    kind: LabelKind
    parts: dict[str, np.ndarray]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    ignore_label: int | None = None


def understand_labels(
    parts: Mapping[str, np.ndarray],
    *,
    outputs: int | None,
    class_names: Sequence[str] = (),
    one_based: bool = True,
    ignore_label: int | None = None,
    as_they_are: bool = False,
) -> Labels:
    """Recognise the form of labels and bring them into class ids, vectors, maps or numbers.

    Parameters
    ----------
    parts
        Labels by part, first axis samples.
    outputs
        Size of the model's last output axis; None where it is not known.
    class_names
        Names that the source gave to its ids.
    one_based
        Whether ids from 1 to ``outputs`` may be read as 1-based.
    ignore_label
        An id that does not count, whatever the outputs.
    as_they_are
        Labels are for a script's own loss and metric: nothing is read into them.

    Raises
    ------
    UserError
        ``data.label_range`` where ids do not fit the outputs, ``data.labels`` for anything else.
    """
    if as_they_are:
        return Labels(
            kind="script", parts={name: np.asarray(labels) for name, labels in parts.items()},
            class_names=tuple(class_names),
        )  # fmt: skip
    notes: list[str] = []
    plain = {name: _plain(labels, name) for name, labels in parts.items()}
    if any(labels.ndim > 2 for labels in plain.values()):
        return _masks(plain, outputs, class_names, notes, ignore_label)
    if any(labels.ndim == 2 and labels.shape[1] == 1 for labels in plain.values()):
        notes.append("Labels have shape (n, 1); the last axis was dropped.")
        plain = {name: labels.reshape(len(labels)) for name, labels in plain.items()}
    if any(labels.ndim == 2 for labels in plain.values()):
        return _vectors(plain, outputs, class_names, notes)
    if any(labels.dtype.kind == "U" for labels in plain.values()):
        plain, class_names = _from_text(plain, outputs, notes)
    return _ids(
        plain, outputs, class_names, notes, one_based=one_based and not class_names,
        ignore=ignore_label,
    )  # fmt: skip


def _plain(labels: np.ndarray, part: str) -> np.ndarray:
    """Numbers as int64 or float32, text as unicode; anything else is refused."""
    if not isinstance(labels, StreamedArray):
        labels = np.asarray(labels)
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8")
    kind = labels.dtype.kind
    if kind == "U":
        return np.char.strip(labels)
    if kind in "bui":
        return labels if labels.ndim > 2 else labels.astype(np.int64)
    if kind == "f":
        if not np.isfinite(labels).all():
            raise UserError(
                "data.labels",
                f"The labels of the {part} part contain values that are no numbers (NaN).",
                "Remove these samples or give them labels.",
            )
        whole = bool((labels == np.round(labels)).all())
        return labels.astype(np.int64) if whole else labels.astype(np.float32)
    raise UserError(
        "data.labels",
        f"Labels must be numbers or text; those of the {part} part have type {labels.dtype}.",
        "Save them as an integer array.",
    )


def _from_text(
    plain: Mapping[str, np.ndarray], outputs: int | None, notes: list[str]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Text labels as ids, in sorted order of the distinct texts; digits as the numbers they are."""
    texts = sorted({str(text) for labels in plain.values() for text in np.unique(labels)})
    if all(text.lstrip("-").isdigit() for text in texts):
        notes.append("Labels are numbers written as text.")
        return {name: labels.astype(np.int64) for name, labels in plain.items()}, ()
    limit = None if outputs is None else max(outputs, 2)
    if limit is not None and len(texts) > limit:
        raise UserError(
            "data.label_range",
            f"The labels name {len(texts)} classes, but the model has {outputs} outputs.",
            f"Check that data and model belong together; the first names are {texts[:5]}.",
        )
    notes.append(f"Labels are text; classes were numbered in sorted order, from {texts[0]!r}.")
    order = np.asarray(texts)
    ids = {name: np.searchsorted(order, labels) for name, labels in plain.items()}
    return ids, tuple(texts)


def _ids(
    plain: dict[str, np.ndarray],
    outputs: int | None,
    class_names: Sequence[str],
    notes: list[str],
    *,
    one_based: bool,
    ignore: int | None = None,
) -> Labels:
    """Labels of one number each: class ids, or values where they cannot be ids."""
    if any(labels.dtype.kind == "f" for labels in plain.values()):
        return _values({name: labels[:, np.newaxis] for name, labels in plain.items()}, notes)
    found = {int(value) for labels in plain.values() for value in np.unique(labels)} - {ignore}
    low, high = min(found, default=0), max(found, default=0)
    classes = None if outputs is None else max(outputs, 2)
    if found == {-1, 1} and classes in (None, 2):
        notes.append("Labels are -1 and 1; they were read as classes 0 and 1.")
        plain = {name: (labels + 1) // 2 for name, labels in plain.items()}
        low, high = 0, 1
    elif one_based and classes is not None and low == 1 and high == classes:
        notes.append(f"Labels count from 1 (1 to {high}); 1 was taken off.")
        plain = {name: labels - 1 for name, labels in plain.items()}
        low, high = 0, high - 1
    elif outputs == 1 and high > 1:
        return _values({n: labels[:, np.newaxis] for n, labels in plain.items()}, notes)
    if low < 0 or (classes is not None and high >= classes):
        raise UserError(
            "data.label_range",
            f"The labels do not fit the model, which has {outputs or 'unknown'} outputs: "
            f"they go from {low} to {high}.",
            "Check that data and model belong together; labels count from 0 (or from 1).",
        )
    names = tuple(class_names) or tuple(str(i) for i in range(classes or high + 1))
    return Labels(
        kind="classes",
        parts={name: labels.astype(np.int64) for name, labels in plain.items()},
        class_names=names,
        notes=tuple(notes),
        ignore_label=ignore,
    )


def _values(plain: dict[str, np.ndarray], notes: list[str]) -> Labels:
    notes.append("Labels are numbers, not classes.")
    return Labels(
        kind="values",
        parts={name: labels.astype(np.float32) for name, labels in plain.items()},
        class_names=(),
        notes=tuple(notes),
    )


def _vectors(
    plain: dict[str, np.ndarray],
    outputs: int | None,
    class_names: Sequence[str],
    notes: list[str],
) -> Labels:
    """Labels of several numbers each: one-hot, multi-hot or values."""
    widths = {labels.shape[1:] for labels in plain.values()}
    if len(widths) != 1:
        raise UserError(
            "data.labels",
            f"The parts have labels of different shapes: {sorted(map(str, widths))}.",
            "Bring all labels into one form.",
        )
    width = next(iter(widths))[0]
    binary = all(bool(np.isin(labels, (0, 1)).all()) for labels in plain.values())
    if binary and all(bool((labels.sum(axis=1) == 1).all()) for labels in plain.values()):
        notes.append(f"Labels are one-hot ({width} columns); the class is the column of the 1.")
        ids = {name: labels.argmax(axis=1) for name, labels in plain.items()}
        return _ids(ids, outputs, class_names, notes, one_based=False)
    if outputs is not None and width != outputs:
        raise UserError(
            "data.label_range",
            f"The labels do not fit the model: {outputs} outputs, but {width} numbers a label.",
            "Check that data and model belong together.",
        )
    if not binary:
        return _values(plain, notes)
    notes.append(f"Labels are 0/1 vectors: any number of {width} classes at once.")
    names = tuple(class_names) or tuple(str(i) for i in range(width))
    return Labels(
        kind="multi_hot",
        parts={name: labels.astype(np.uint8) for name, labels in plain.items()},
        class_names=names,
        notes=tuple(notes),
    )


def _masks(
    plain: dict[str, np.ndarray],
    outputs: int | None,
    class_names: Sequence[str],
    notes: list[str],
    ignore: int | None,
) -> Labels:
    """Masks as class maps ``(n, h, w)``."""
    maps = {}
    for name, labels in plain.items():
        if labels.ndim == 4 and labels.shape[3] == 1:
            labels = labels[..., 0]
        elif labels.ndim == 4:
            if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=3) == 1).all()):
                raise UserError(
                    "data.labels",
                    f"Masks with several channels must be one-hot; received {labels.shape}.",
                    "Save them as class ids, one number a pixel.",
                )
            notes.append(f"Masks are one-hot ({labels.shape[3]} channels).")
            labels = labels.argmax(axis=3)
        elif labels.ndim != 3:
            raise UserError(
                "data.labels",
                f"Labels of this shape are not understood: {labels.shape}.",
                "Masks are (n, height, width) or (n, height, width, 1).",
            )
        maps[name] = labels
    return _mask_ids(maps, outputs, class_names, notes, ignore)


def _mask_ids(
    maps: dict[str, np.ndarray],
    outputs: int | None,
    class_names: Sequence[str],
    notes: list[str],
    ignore: int | None,
) -> Labels:
    """Values of masks as ids: 0/255 as 0/1, 255 among few classes as "does not count"."""
    found = sorted(set().union(*(_values_in(labels) for labels in maps.values())))
    classes = None if outputs is None else max(outputs, 2)
    found = [value for value in found if value != ignore]
    if (
        ignore is None
        and len(found) == 2
        and found[0] == 0
        and found[1] > 1
        and classes in (None, 2)
    ):
        notes.append(f"Masks are 0 and {found[1]}; they were read as 0 and 1.")
        maps = {name: _as_kind(labels, np.uint8, positive=True) for name, labels in maps.items()}
        found = [0, 1]
    elif found and found[-1] == VOID and classes is not None and classes <= VOID:
        notes.append("Pixels with 255 in the masks do not count.")
        ignore = VOID
        found = found[:-1]
    if found and (found[0] < 0 or (classes is not None and found[-1] >= classes)):
        raise UserError(
            "data.label_range",
            f"The masks do not fit the model, which has {outputs} outputs: "
            f"their values go from {found[0]} to {found[-1]}.",
            "Check that data and model belong together; classes in masks count from 0.",
        )
    kind = np.uint8 if not found or found[-1] <= 255 else np.uint16
    count = classes or (found[-1] + 1 if found else 1)
    return Labels(
        kind="masks",
        parts={name: _as_kind(labels, kind) for name, labels in maps.items()},
        class_names=tuple(class_names) or tuple(str(i) for i in range(count)),
        notes=tuple(notes),
        ignore_label=ignore,
    )


def _values_in(maps: np.ndarray) -> set[int]:
    """The values that occur, looked for piece by piece."""
    at_once = rows_at_once(maps)
    found: set[int] = set()
    for start in range(0, len(maps), at_once):
        found.update(int(value) for value in np.unique(maps[start : start + at_once]))
    return found


def _as_kind(maps: np.ndarray, kind: type, *, positive: bool = False) -> np.ndarray:
    """Maps in a type, on disk where they were; ``positive``: 1 where they are above 0."""
    if maps.dtype == kind and not positive:
        return maps
    out = allocate(maps.shape, kind, streamed=isinstance(maps, StreamedArray))
    at_once = rows_at_once(maps)
    for start in range(0, len(maps), at_once):
        piece = maps[start : start + at_once]
        out[start : start + at_once] = piece > 0 if positive else piece
    return out
