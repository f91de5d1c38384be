"""Model-ready samples: read from an ``.npz``, or made up where none are given.

Owns the form of a samples file: ``x`` (or ``x_0``, ``x_1`` ... for several inputs), float32 as
the model takes it, batch axis first; optionally ``y``, labels, and ``calibration``, more inputs
(of the training part) from which int8 takes the range of its values. It knows nothing of data
sets, splits and preprocessing, and needs only numpy.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError

LIVE_SAMPLES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of a model: its name, its shape without the batch axis, its type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Arrays for each input, batch axis first; labels and calibration input where given."""

    inputs: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None
    calibration: tuple[np.ndarray, ...] | None = None
    live: bool = False

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.inputs[0])


def read_samples(path: Path) -> Samples:
    """Read a samples file.

    Raises
    ------
    UserError
        ``samples.unreadable``, ``samples.no_x``, ``samples.lengths``, ``samples.empty``,
        ``samples.not_finite``.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            inputs = _arrays(file, "x")
            calibration = _arrays(file, "calibration")
            labels = file["y"] if "y" in file.files else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            "samples.unreadable",
            f"The samples cannot be read as an .npz of plain arrays: {path}.",
            "Write them with numpy.savez(path, x=..., y=...).",
        ) from error
    if not inputs:
        raise UserError(
            "samples.no_x",
            f"The samples hold no array x: {path}.",
            "Write model-ready inputs as x, labels as y.",
        )
    if len({len(a) for a in (*inputs, *(() if labels is None else (labels,)))}) != 1:
        raise UserError(
            "samples.lengths",
            f"The arrays of the samples differ in length: {path}.",
            "Every input and y need one entry a sample.",
        )
    if not len(inputs[0]):
        raise UserError("samples.empty", f"There are no samples in {path}.", "Write at least one.")
    if not all(np.isfinite(a).all() for a in inputs if a.dtype.kind == "f"):
        raise UserError(
            "samples.not_finite",
            f"The samples hold infinity or NaN: {path}.",
            "Leave those samples out.",
        )
    return Samples(inputs=inputs, labels=labels, calibration=calibration or None)


def write_samples(path: Path, samples: Samples) -> None:
    """Write a samples file, uncompressed."""
    arrays = {f"x_{i}": a for i, a in enumerate(samples.inputs)}
    if len(samples.inputs) == 1:
        arrays = {"x": samples.inputs[0]}
    if samples.labels is not None:
        arrays["y"] = samples.labels
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes **kwds for its flag


def fit_samples(samples: Samples, specs: tuple[InputSpec, ...]) -> Samples:
    """The samples in the inputs' types, after a check of their number and shapes.

    Raises
    ------
    UserError
        ``samples.inputs`` for a wrong number of inputs, ``samples.shape`` for a wrong shape.
    """
    calibration = samples.calibration
    return replace(
        samples,
        inputs=_fit(samples.inputs, specs),
        calibration=None if calibration is None else _fit(calibration, specs),
    )


def _fit(arrays: tuple[np.ndarray, ...], specs: tuple[InputSpec, ...]) -> tuple[np.ndarray, ...]:
    if len(arrays) != len(specs):
        raise UserError(
            "samples.inputs",
            f"The model takes {len(specs)} inputs, the samples have {len(arrays)}.",
            "Write one array an input: x_0, x_1, ...",
        )
    fitted = []
    for array, spec in zip(arrays, specs, strict=True):
        shape = tuple(array.shape[1:])
        if len(shape) != len(spec.shape) or any(
            want not in (None, have) for want, have in zip(spec.shape, shape, strict=True)
        ):
            wanted = " x ".join("any" if n is None else str(n) for n in spec.shape)
            raise UserError(
                "samples.shape",
                f"Input {spec.name} takes {wanted}, "
                f"a sample has {' x '.join(map(str, shape)) or 'no axis'}.",
                "The samples must be as the model takes them.",
            )
        fitted.append(np.ascontiguousarray(array, dtype=spec.dtype))
    return tuple(fitted)


def live_samples(
    specs: tuple[InputSpec, ...],
    ranges: tuple[tuple[float, float], ...],
    *,
    count: int = LIVE_SAMPLES,
    seed: int = 0,
) -> Samples:
    """Random input that keeps a net alive: soft blobs plus noise over each input's range.

    Parameters
    ----------
    specs
        The inputs, all sizes known.
    ranges
        Lowest and highest value of each input.
    """
    rng = np.random.default_rng(seed)
    inputs = []
    for spec, (low, high) in zip(specs, ranges, strict=True):
        size = tuple(int(n) for n in spec.shape if n is not None)
        unit = 0.6 * _blobs(rng, count, size) + 0.4 * rng.random((count, *size))
        inputs.append((low + (high - low) * unit).astype(spec.dtype))
    return Samples(inputs=tuple(inputs), live=True)


def _arrays(file: Any, name: str) -> tuple[np.ndarray, ...]:
    """The array of this name, or those numbered from 0."""
    if name in file.files:
        return (file[name],)
    found: list[np.ndarray] = []
    while f"{name}_{len(found)}" in file.files:
        found.append(file[f"{name}_{len(found)}"])
    return tuple(found)


def _blobs(rng: np.random.Generator, count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Values 0..1 that change slowly along all axes but the last: a coarse grid, repeated."""
    if len(shape) < 2:
        return rng.random((count, *shape))
    coarse = rng.random((count, *(max(1, n // 4) for n in shape[:-1]), shape[-1]))
    for axis, size in enumerate(shape[:-1], start=1):
        index = np.minimum(np.arange(size) * coarse.shape[axis] // size, coarse.shape[axis] - 1)
        coarse = np.take(coarse, index, axis=axis)
    return coarse
