"""What rounding costs a model, and how much of it the weights that are left make up for.

    python -m tests.bench.untrained [--shared DIR] [--list] [CELL ...]

A cell zeroes half of a model's weights and rounds the others to few values a filter: each to the
nearest, and with second moments (:mod:`engine.sparsity.rounding`), by several
:data:`~engine.sparsity.least_squares.TOGETHER` and
:data:`~engine.sparsity.least_squares.DAMPING`. Against the model before: the mean over layers of
how far their sums are off, in parts of what they are, and the share of images whose answer changed.
Training images alone are looked at, some for the moments and others for that. Each finished cell
is appended to ``results/untrained.jsonl`` and not run again (``--again`` does); a minute each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np

from engine import jsonio
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build
from engine.sparsity import least_squares
from engine.sparsity.levels import levels_global, prunable_weights, zeroed
from engine.sparsity.rounding import layers_rounded, rounded
from engine.training.second_moments import second_moments
from tests.bench.cells import Bench, table
from tests.bench.environment import describe
from tests.bench.search import MODELS, files_of

ZEROS = 0.5
SEEN, ASKED = 1024, 4000
"""Images that the moments are of, and others whose answers are compared."""

VALUES = (63, 15, 7, 3)
SETTINGS = ((128, 0.1), (64, 0.1), (256, 0.1), (128, 0.01), (128, 1.0))
"""Weights that make up for one another, and damping; those of the engine first."""

PIXELS_TO_1 = ("mobilenet_fashion",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model, rounded by each setting."""

    model: str

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return self.model


def run_here(cell: Cell, shared: Path) -> dict[str, Any]:
    """All roundings of a cell in this process."""
    model, data = files_of(cell.model, shared)
    file, dense = open_model(model)
    graph = file.graph
    weights = zeroed(dense, levels_global(dense, prunable_weights(graph), ZEROS))
    with np.load(data) as arrays:
        images = arrays["x_train"][: SEEN + ASKED].astype(np.float32)
    images = images.reshape(*images.shape[:3], -1)
    if cell.model in PIXELS_TO_1:
        images /= 255
    seen, asked = images[:SEEN], images[SEEN:]
    built = build(graph, weights)
    began = time.monotonic()
    moments = second_moments(built, graph, layers_rounded(graph), seen, preprocess=lambda x: x)
    looked = time.monotonic() - began
    before = answers(built, asked)
    found = []
    for values in VALUES:
        for together, damping in (None, None), *SETTINGS:
            began = time.monotonic()
            made = _rounded(graph, weights, values, moments, together, damping)
            found.append(
                {
                    "values": values, "together": together, "damping": damping,
                    "seconds": time.monotonic() - began,
                    "off": off(weights, made, moments),
                    "changed": float(np.mean(answers(build(graph, made), asked) != before)),
                }
            )  # fmt: skip
            keras.backend.clear_session()
    return {
        "cell": cell.name,
        **asdict(cell),
        "weights": sum(int(np.count_nonzero(weights[name]["kernel"])) for name in moments),
        "looking_seconds": looked,
        "rounded": found,
        "environment": jsonio.to_plain(describe()),
    }


def _rounded(
    graph: LayerGraph, weights: Weights, values: int, moments: Mapping[str, np.ndarray],
    together: int | None, damping: float | None,
) -> Weights:  # fmt: skip
    """To the nearest without settings."""
    if together is None:
        return rounded(graph, weights, values)
    with (
        mock.patch.object(least_squares, "TOGETHER", together),
        mock.patch.object(least_squares, "DAMPING", damping),
    ):
        return rounded(graph, weights, values, moments)


def answers(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The class of each image."""
    outputs = np.asarray(model.predict(images, batch_size=250, verbose=0))
    return np.argmax(outputs, axis=-1)


def off(before: Weights, after: Weights, moments: Mapping[str, np.ndarray]) -> float:
    """The mean over layers of the squared change of their sums over the squared sums."""
    return float(np.mean([_energy(n, m, after, before) / _energy(n, m, before)
                          for n, m in moments.items()]))  # fmt: skip


def _energy(
    name: str, moments: np.ndarray, weights: Weights, minus: Weights | None = None
) -> float:
    kernel = weights[name]["kernel"]
    if minus is not None:
        kernel = kernel - minus[name]["kernel"]
    shared_by = kernel.reshape(moments.shape[1], len(moments), -1)
    return float(np.einsum("icf,cij,jcf->", shared_by, moments, shared_by, optimize=True))


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """A row for each model and number of values, a column for each setting."""
    head = ["nearest", *(f"{together} / {damping:g}" for together, damping in SETTINGS)]
    rows: list[Sequence[str]] = [("model", "values", *head)]
    for line in lines:
        for values in VALUES:
            found = [r for r in line["rounded"] if r["values"] == values]
            rows.append((
                line["model"], str(values),
                *(f"{r['off']:.1e} {100 * r['changed']:.2f} % {r['seconds']:.1f} s" for r in found),
            ))  # fmt: skip
    table(rows)


BENCH = Bench(
    module="tests.bench.untrained",
    results=Path(__file__).parent / "results" / "untrained.jsonl",
    cells=[Cell(model=m) for m in MODELS if m.endswith(("_fashion", "_cifar10"))],
    run=run_here,
    needs=lambda cell, shared: files_of(cell.model, shared),
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
