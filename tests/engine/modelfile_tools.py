"""What the tests of the modelfile room share: opening a file in this process, comparing outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.modelfile import child, reader, refusals
from engine.modelfile.graph import ModelFile, Weights


def open_here(
    path: Path, *, weights: Path | None = None, custom: Path | None = None
) -> tuple[ModelFile, Weights]:
    """As ``open_model``, without the child process: for files that the test has just written."""
    if reader.reader_of(path) == reader.TFLITE:
        raise refusals.tflite_is_final(path.name)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "weights.npz"
        answer = getattr(child, reader.reader_of(path))(
            {
                "path": str(path),
                "weights_to": str(target),
                "weights": None if weights is None else str(weights),
                "custom": None if custom is None else str(custom),
            }
        )
        return reader.model_file(path, answer), reader.load_arrays(target, answer)


def refusal(path: Path, *, weights: Path | None = None) -> UserError:
    """The error with which a file is refused, in this process."""
    try:
        open_here(path, weights=weights)
    except UserError as error:
        return error
    raise AssertionError(f"{path} was opened")


def as_list(outputs: Any) -> list[np.ndarray]:
    """Outputs of a model as arrays in order."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if not isinstance(outputs, list | tuple):
        outputs = [outputs]
    return [np.asarray(output) for output in outputs]


def relative_difference(wanted: np.ndarray, got: np.ndarray) -> float:
    """Largest difference over the standard deviation of what was wanted."""
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    assert wanted.shape == got.shape
    return float(np.abs(wanted - got).max() / wanted.std())
