"""How far apart the latencies of one file are that is timed as two.

    python -m tests.bench.timing [--shared DIR] [--list] [CELL ...]

A cell times two copies of a model's float32 file, again and again: once as
:func:`engine.export.litert.time_files` does, once with interpreters that are opened once and 50
rounds whatever they take, in turn, on a machine that is left as it is and on one whose every core
but one another program keeps busy. Each finished cell is appended to ``results/timing.jsonl`` and
not run again (``--again`` does); a minute each.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from engine import jsonio
from engine.data.sample import sample_model_path
from engine.export import export_model, litert
from tests.bench.cells import Bench, table
from tests.bench.environment import describe
from tests.bench.search import MODELS, files_of

TRIALS = 30
NAMES = ("TIMES_OPENED", "LEAST_SECONDS", "WARM_UP_RUNS")
WAYS: dict[str, tuple[float, ...]] = {
    "now": tuple(getattr(litert, name) for name in NAMES), "once": (1, 0.0, 10),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model on a machine that is busy, or is not made so by the bench."""

    model: str
    busy: bool

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return f"{self.model}/{'busy' if self.busy else 'as_it_is'}"


def run_here(cell: Cell, shared: Path) -> dict[str, Any]:
    """All trials of a cell in this process."""
    source = shared / "models" / MODELS[cell.model][0]
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.tflite"
        export_model(sample_model_path() if cell.model == "digits" else source, "tflite", file)
        with _busy() if cell.busy else contextlib.nullcontext():
            for trial in range(TRIALS):
                for way, found in ratios.items():
                    changes: dict[str, Any] = dict(zip(NAMES, WAYS[way], strict=True))
                    with mock.patch.multiple(litert, **changes):
                        one, other = litert.time_files([file, file], seed=trial)
                    found.append(one.median / other.median)
    return {
        "cell": cell.name,
        **asdict(cell),
        "ratios": ratios,
        "load": os.getloadavg()[0],
        "environment": jsonio.to_plain(describe()),
    }


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """Another program on all cores but one."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(max(1, len(os.sched_getaffinity(0)) - 1))]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """A row for each cell and way: how far apart the halves were."""
    rows: list[Sequence[str]] = [("cell", "opened", "spread of the ratio", "1.25x apart", "most")]
    for line in lines:
        for way, ratios in line["ratios"].items():
            apart = np.abs(np.log(ratios))
            rows.append((
                line["cell"], "once" if way == "once" else f"{litert.TIMES_OPENED} times",
                f"{100 * np.std(np.log(ratios)):.0f} %",
                f"{np.sum(apart > np.log(1.25))} of {len(ratios)}",
                f"{np.exp(apart.max()):.2f}x",
            ))  # fmt: skip
    table(rows)


BENCH = Bench(
    module="tests.bench.timing",
    results=Path(__file__).parent / "results" / "timing.jsonl",
    cells=[Cell(model=m, busy=b) for m in ("digits", "vgg_fashion") for b in (False, True)],
    run=run_here,
    needs=lambda cell, shared: files_of(cell.model, shared),
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
