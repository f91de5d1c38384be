"""What a file needs beside it to be used: class names, preprocessing, inputs; as JSON.

Owns the card and its places: ``OUT.json`` beside a file, ``assets.extra/card.json`` in a
SavedModel, and the part of it that goes into the file itself. A .tflite file carries it as its
metadata tools do, files of a ZIP archive at its end (https://ai.google.dev/edge/litert/models/
metadata), a .keras file is a ZIP archive already, an .h5 file has attributes: zipfile and h5py are
all it takes, where the libraries for TFLite metadata have no release for these Pythons. It knows
nothing of how the file was made.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import jsonio
from engine.data.preprocess import Preprocess
from engine.export.place import files_of
from engine.export.samples import InputSpec

CARD, LABELS = "card.json", "labels.txt"
ATTRIBUTE = "secateur_card"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


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


def inside(card: Card) -> bytes:
    """What goes into the file: class names and preprocessing, as JSON."""
    preprocess = None if card.preprocess is None else card.preprocess.describe()
    return jsonio.dumps(
        {"schema": 1, "class_names": list(card.class_names), "preprocess": preprocess}
    )


def embed_card(made: Path, to: str, card: Card) -> None:
    """Put a card into a written file (a SavedModel has it in a file of its own)."""
    if to == "h5":
        import h5py

        with h5py.File(made, "r+") as file:
            file.attrs[ATTRIBUTE] = inside(card).decode()
    elif to in ("tflite", "keras"):
        parts = {CARD: inside(card)}
        if to == "tflite" and card.class_names:
            parts[LABELS] = "".join(f"{name}\n" for name in card.class_names).encode()
        with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, data in parts.items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data)


def read_inside(made: Path, to: str) -> bytes | None:
    """The card inside a file; None where it has none."""
    if to == "h5":
        import h5py

        with h5py.File(made, "r") as file:
            text = file.attrs.get(ATTRIBUTE)
            return None if text is None else str(text).encode()
    if to not in ("tflite", "keras") or not zipfile.is_zipfile(made):
        return None
    with zipfile.ZipFile(made) as archive:
        return archive.read(CARD) if CARD in archive.namelist() else None


def sha256_of(path: Path) -> str:
    """Hash of a file, or of the sorted "hash path" lines of a folder's files."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [
        f"{hashlib.sha256(part.read_bytes()).hexdigest()} {part.relative_to(path).as_posix()}"
        for part in files_of(path)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
