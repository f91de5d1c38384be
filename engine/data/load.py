"""From a source's name to labelled images in train, search and report parts.

Owns the choice of the reader, the rules of who judges what (with :mod:`engine.data.splits`) and
what is said about them. It knows the model only by its input shape and its number of outputs.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from engine.data.hashing import split_sha256
from engine.data.images import ImageTarget, fit_images, target_of
from engine.data.labels import Labels, understand_labels
from engine.data.naming import parse_preprocess
from engine.data.parts import LoadedData, Part
from engine.data.raw import RawPart, RawSource
from engine.data.sources.arrays import read_h5, read_npy_folder, read_npz
from engine.data.sources.digits import read_digits
from engine.data.sources.folders import read_folder
from engine.data.sources.script import read_script
from engine.data.sources.tables import read_csv
from engine.data.splits import HALVES, WHOLE, divide, shared_hashes
from engine.data.store import subset
from engine.errors import UserError
from engine.job import DataSpec, Seen

_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".dill")
_PICKLE_HINT = (
    "Unpack it in your own Python and save it with "
    "np.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)."
)
_FORMS_HINT = (
    "Give 'digits', a .npz, a .h5, a .csv, a folder with a subfolder per class, or a data script."
)


def load(spec: DataSpec, *, input_shape: tuple[int | None, ...], outputs: int | None) -> LoadedData:
    """Read a source, understand its labels, fit its images to a model and divide them.

    Parameters
    ----------
    spec
        Where the data are and how they are to be read.
    input_shape
        Of the model, without the batch axis, channels last; None for what is open.
    outputs
        Size of the model's last output axis; None where it is not known.

    Raises
    ------
    UserError
        Codes ``data.*``: the source is missing, damaged, refused, or does not fit the model.
    """
    wish = parse_preprocess(spec.preprocess)
    target = target_of(input_shape, resize=wish.resize, fit=wish.fit)
    source = read_source(spec.source, target)
    if spec.test is not None:
        source = _with_test(source, read_source(spec.test, target))
    labels = understand_labels(
        {name: part.labels for name, part in source.parts.items()},
        outputs=outputs,
        class_names=source.class_names,
        one_based=not source.class_names,
        ignore_label=spec.ignore_label,
        as_they_are=source.script.metric is not None,
    )
    notes = [*source.notes, *labels.notes]
    parts = {}
    for name, part in source.parts.items():
        images, said = fit_images(part.images, target, part.origin)
        notes.extend(said)
        parts[name] = replace(part, images=images, labels=labels.parts[name])
    _check_masks(parts, labels)
    return _divided(spec, source, parts, labels, notes)


def read_source(name: str, target: ImageTarget) -> RawSource:
    """Read ``digits`` or a path, whatever its form.

    Raises
    ------
    UserError
        Where it is missing, refused or not understood.
    """
    if name == "digits":
        return read_digits()
    path = Path(name).expanduser()
    if not path.exists():
        raise UserError("data.not_found", f"There are no data at this path: {name}.", _FORMS_HINT)
    if path.is_dir():
        return _read_directory(path, target)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_npz(path)
    if suffix in (".h5", ".hdf5", ".hdf"):
        return read_h5(path)
    if suffix in (".csv", ".tsv"):
        return read_csv(path, target)
    if suffix == ".py":
        return read_script(path, target)
    if suffix in _PICKLES:
        raise _pickle_error(path)
    raise UserError("data.format", f"Data of this kind are not read: {name}.", _FORMS_HINT)


def _read_directory(path: Path, target: ImageTarget) -> RawSource:
    names = {p.name for p in path.iterdir()}
    if any(n.startswith("data_batch") for n in names) or {"meta", "train", "test"} <= {
        p.name for p in path.iterdir() if p.is_file()
    }:
        raise _pickle_error(path)
    if any(n.endswith(".npy") for n in names):
        return read_npy_folder(path)
    return read_folder(path, target)


def _pickle_error(path: Path) -> UserError:
    return UserError(
        "data.pickle", f"Pickled data are refused: reading them can run code: {path}.", _PICKLE_HINT
    )


def _with_test(first: RawSource, second: RawSource) -> RawSource:
    """A source whose test part is a second source: that one's test part, or all of it."""
    test = second.parts.get("test") or second.parts.get("all")
    if test is None or (len(second.parts) > 1 and "test" not in second.parts):
        raise UserError(
            "data.test",
            f"The second source has no test part; its parts are {', '.join(second.parts)}.",
            "Give a source without parts, or one with a test part.",
        )
    if first.class_names and second.class_names and first.class_names != second.class_names:
        raise UserError(
            "data.classes",
            f"The two sources have different classes: {_few(first.class_names)} and "
            f"{_few(second.class_names)}.",
            "Give both the same class folders.",
        )
    parts = {("train" if name == "all" else name): part for name, part in first.parts.items()}
    parts["test"] = test
    digest = hashlib.sha256(f"{first.sha256} {second.sha256}".encode()).hexdigest()
    return replace(first, parts=parts, sha256=digest, notes=(*first.notes, *second.notes))


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _check_masks(parts: dict[str, RawPart], labels: Labels) -> None:
    if labels.kind != "masks":
        return
    for part in parts.values():
        if part.labels.shape[1:3] != part.images.shape[1:3]:
            raise UserError(
                "data.masks",
                f"Masks and images of {part.origin} differ in size: {part.labels.shape[1:3]} and "
                f"{part.images.shape[1:3]}.",
                "Save both at one size.",
            )


def _divided(
    spec: DataSpec,
    source: RawSource,
    parts: dict[str, RawPart],
    labels: Labels,
    notes: list[str],
) -> LoadedData:
    """The three parts, by what the data bring."""
    seen: Seen = source.seen or ("yes" if spec.seen == "yes" else "no")
    held_out = [name for name in ("val", "test") if name in parts]
    how: Literal["given", "halved", "whole"]
    if "train" in parts and len(held_out) == 2:
        how = "given"
        three = [parts["train"], parts["val"], parts["test"]]
    elif "train" in parts and held_out:
        how = "halved"
        whole = parts[held_out[0]]
        three = [parts["train"], *_split(whole, labels, HALVES, spec.group_by)]
        notes.append(f"Search and report images are halves of {whole.origin}.")
    else:
        how = "whole"
        whole = next(iter(parts.values()))
        if len(parts) > 1:
            raise UserError(
                "data.parts",
                f"There is no train part in {spec.source}; its parts are {', '.join(parts)}.",
                "Add a train part, or give the data without parts.",
            )
        three = _split(whole, labels, WHOLE, spec.group_by)
        if source.seen is None:
            seen = spec.seen
        unit = "image" if spec.group_by is None else "group"
        notes.append(f"The data have no test part; they were divided 70/15/15 by {unit}.")
    train, search, report = three
    empty = [name for name, part in zip(("train", "search", "report"), three, strict=True)
             if not len(part.images)]  # fmt: skip
    if empty:
        total = sum(len(part.images) for part in three)
        raise UserError(
            "data.too_few",
            f"Too few images to divide: the {empty[0]} part would be empty; received {total}.",
            "Give more images.",
        )
    if spec.group_by is not None:
        _note_shared_groups(three, spec.group_by, notes)
    copies = _duplicates(train, search, report, notes)
    return LoadedData(
        source=spec.source,
        train=_part(train, source.ready),
        search=_part(search, source.ready),
        report=_part(report, source.ready),
        labels_are=labels.kind,
        class_names=labels.class_names,
        ignore_label=labels.ignore_label,
        sha256=source.sha256,
        seen=seen,
        divided=how,
        duplicates=copies,
        split_sha256=tuple(split_sha256(part.hashes) for part in three),
        notes=tuple(dict.fromkeys(notes)),
        script=source.script,
    )


def _split(
    part: RawPart, labels: Labels, shares: tuple[float, ...], pattern: str | None
) -> list[RawPart]:
    groups = None if pattern is None else groups_of(part.names, pattern)
    strata = part.labels if labels.kind == "classes" else None
    pieces = divide(part.hashes, strata, shares, groups=groups)
    return [_subset(part, indices) for indices in pieces]


def groups_of(names: tuple[str, ...], pattern: str) -> list[str]:
    """Group of each sample: what the pattern finds in its name (its first bracket, if any).

    Raises
    ------
    UserError
        ``data.group_by`` where the pattern is none, or a sample has no name or no group.
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UserError(
            "data.group_by",
            f"The pattern of --group-by cannot be read ({error}): {pattern!r}.",
            "It is a regular expression, such as 'patient[0-9]+'.",
        ) from None
    found = [search(name) for name in names]
    missing = next((name for name, match in zip(names, found, strict=True) if not match), None)
    if not names or missing is not None:
        what = "the samples have no names" if not names else f"nothing of it is in {missing!r}"
        raise UserError(
            "data.group_by",
            f"The pattern of --group-by does not group the samples ({what}): {pattern!r}.",
            "It must match every sample's path; samples of arrays take theirs from id_train, ...",
        )
    return [match.group(1 if match.re.groups else 0) or "" for match in found if match]


def _note_shared_groups(parts: list[RawPart], pattern: str, notes: list[str]) -> None:
    """Say where the data's own parts share a group."""
    groups = [set(groups_of(part.names, pattern)) for part in parts]
    shared = groups[0] & (groups[1] | groups[2]) | groups[1] & groups[2]
    if shared:
        notes.append(f"{len(shared)} groups are in more than one part, such as {min(shared)!r}.")


def _subset(part: RawPart, indices: np.ndarray) -> RawPart:
    return replace(
        part,
        images=subset(part.images, indices),
        labels=subset(part.labels, indices),
        hashes=tuple(part.hashes[i] for i in indices),
        names=tuple(part.names[i] for i in indices) if part.names else (),
    )


def _part(raw: RawPart, ready: bool) -> Part:
    return Part(images=raw.images, labels=raw.labels, names=raw.names, ready=ready)


def _duplicates(train: RawPart, search: RawPart, report: RawPart, notes: list[str]) -> int:
    """Count exact copies across the parts, and say so."""
    in_search = shared_hashes(train.hashes, search.hashes)
    in_report = shared_hashes(train.hashes, report.hashes)
    between = shared_hashes(search.hashes, report.hashes)
    if in_search or in_report:
        notes.append(
            f"{in_search} search and {in_report} report images are exact copies of train images."
        )
    if between:
        notes.append(f"{between} report images are exact copies of search images.")
    return in_search + in_report
