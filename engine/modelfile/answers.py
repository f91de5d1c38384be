"""The child's answer: arrays counted, written out for the parent, and the graph as plain data.

Owns the last step that all kinds of files share. It knows nothing of their formats: arrays come
from whatever can read one by its path.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engine.modelfile.build_graph import Built
from engine.modelfile.codec import graph_to_plain
from engine.modelfile.graph import LayerGraph, WeightSpec
from engine.modelfile.match import Match

_CHUNK_BYTES = 1 << 20


class ArrayReader(Protocol):
    """Anything that holds arrays by path."""

    def read(self, path: str) -> np.ndarray:
        """The values of one array."""


def answer(
    payload: Mapping[str, Any],
    built: Built,
    matches: Sequence[Match],
    source: ArrayReader,
    files: Sequence[Path],
    **facts: Any,
) -> dict[str, Any]:
    """The answer of a reader: see :func:`engine.modelfile.child.read_h5`.

    Parameters
    ----------
    files
        The files that make up the model; one file's hash is its own, that of several is the hash
        of their sorted "name sha256" lines.
    """
    specs, arrays = _take(matches, source, payload.get("weights_to"))
    layers = {
        name: replace(layer, weights=tuple(specs.get(name, ())))
        for name, layer in built.graph.layers.items()
    }
    graph: LayerGraph = replace(built.graph, layers=layers)
    return {
        "graph": graph_to_plain(graph),
        "sha256": digest_of(files),
        "arrays": arrays,
        **facts,
    }


def digest_of(files: Sequence[Path]) -> str:
    """SHA-256 of a file, or of the "name sha256" lines of several."""
    if len(files) == 1:
        return _sha256(files[0])
    lines = sorted(f"{file.name} {_sha256(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _take(
    matches: Sequence[Match], source: ArrayReader, weights_to: str | None
) -> tuple[dict[str, list[WeightSpec]], list[list[str]]]:
    """Count zeros of every array and, where asked, write them out one by one."""
    specs: dict[str, list[WeightSpec]] = {}
    written: list[list[str]] = []
    archive = zipfile.ZipFile(weights_to, "w", zipfile.ZIP_STORED) if weights_to else None
    try:
        for match in matches:
            values = _values(match, source)
            if archive is not None:
                with archive.open(f"a{len(written)}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, values, allow_pickle=False)
            written.append([match.layer, match.variable.name])
            specs.setdefault(match.layer, []).append(_spec(match, values))
    finally:
        if archive is not None:
            archive.close()
    return specs, written


def _values(match: Match, source: ArrayReader) -> np.ndarray:
    values = source.read(match.array.path)
    if match.variable.dtype is not None:
        values = values.astype(match.variable.dtype)
    elif values.dtype.kind != "f" or values.dtype.itemsize == 8:
        values = values.astype(np.float32)
    variable = match.variable
    return match.form.restore(variable.name, values, variable.shape, variable.gates)


def _spec(match: Match, values: np.ndarray) -> WeightSpec:
    dtype = "bfloat16" if match.array.dtype == "bfloat16" else str(values.dtype)
    return WeightSpec(
        name=match.variable.name,
        shape=values.shape,
        dtype=dtype,
        trainable=match.variable.trainable,
        zeros=int(values.size - np.count_nonzero(values)),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
