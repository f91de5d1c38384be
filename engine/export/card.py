"""What a file needs beside it to be used: class names, preprocessing, inputs; as JSON.

Owns the card and its place: ``OUT.json`` beside a file, ``assets.extra/card.json`` in a
SavedModel. It knows nothing of how the file was made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import jsonio
from engine.data.preprocess import Preprocess
from engine.export.place import files_of
from engine.export.samples import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the caller knows about a model that its file does not hold."""

    class_names: tuple[str, ...] = ()
    preprocess: Preprocess | None = None


def card_place(out: Path, to: str) -> Path:
    """Where the card of an export lies."""
    if to == "savedmodel":
        return out / "assets.extra" / "card.json"
    return out.with_name(f"{out.name}.json")


def write_card(
    place: Path,
    card: Card,
    made: Path,
    *,
    name: str,
    to: str,
    quantize: str,
    io: str,
    inputs: tuple[InputSpec, ...],
) -> None:
    """Write the card of a finished export.

    Parameters
    ----------
    place
        The file to write; its folder is made.
    made
        The export, whose hash the card carries (of a folder: of its sorted "hash path" lines).
    name
        What the export will be called.
    """
    place.parent.mkdir(exist_ok=True)
    preprocess = None if card.preprocess is None else card.preprocess.describe()
    content: dict[str, Any] = {
        "schema": 1,
        "file": name,
        "sha256": sha256_of(made),
        "format": to,
        "quantize": quantize,
        "io": io,
        "inputs": [
            {"name": i.name, "shape": list(i.shape), "dtype": i.dtype} for i in inputs
        ],
        "class_names": list(card.class_names),
        "preprocess": preprocess,
    }  # fmt: skip
    jsonio.write_json(place, content)


def sha256_of(path: Path) -> str:
    """Hash of a file, or of the sorted "hash path" lines of a folder's files."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [
        f"{hashlib.sha256(part.read_bytes()).hexdigest()} {part.relative_to(path).as_posix()}"
        for part in files_of(path)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
