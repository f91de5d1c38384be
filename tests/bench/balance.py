"""How a reduction is best shared out between channels and weights.

    python -m tests.bench.balance [--shared DIR] [--list] [CELL ...]

A cell cuts and zeroes a model to a few reductions of its parameters that are not zero, each by
several splits (:data:`SPLITS`), and trains each once, from the dense model. Values are of the
search split, on which nothing is accepted here. Each finished cell is appended to
``results/balance.jsonl`` and not run again (``--again`` does); about 20 minutes each on one core.
``--summary`` prints what each split is worth beside the first of them.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl
from engine.job import Budget, DataSpec, Goal, Job
from engine.runs import RunFolder
from engine.search import heuristic, session
from engine.search.asking import Ask, Asking, Limits
from tests.bench.cells import Bench, table
from tests.bench.environment import describe
from tests.bench.search import EPOCHS, MODELS, SUBSET, files_of, training_subset

SPLITS = ((1 / 3, 0.7), (1 / 3, 1.0), (1 / 2, 0.7), (1 / 2, 1.0), (1 / 3, 0.4), (1.0, 1.0))
"""Share of weights that is zeroed to before any channel goes, and the exponent of what channels
take of the rest; the last one cuts channels alone."""

REDUCTIONS = {
    "vgg_fashion": (13.0, 25.0), "mobilenet_fashion": (3.7, 5.2), "resnet20_cifar10": (2.3, 3.0),
}  # fmt: skip
"""Of the parameters that are not zero: around where one point is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model, trained at each reduction by each split."""

    model: str
    seed: int = 0
    splits: tuple[tuple[float, float], ...] = SPLITS

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return f"{self.model}/s{self.seed}"


def cells() -> list[Cell]:
    """Two seeds of the quick ones; two splits of the ResNet."""
    quick = [Cell(model=model) for model in ("mobilenet_fashion", "vgg_fashion")]
    resnet = Cell(model="resnet20_cifar10", splits=(SPLITS[0], SPLITS[2]))
    return [*quick, *(replace(c, seed=1) for c in quick), resnet]


def run_here(cell: Cell, shared: Path) -> dict[str, Any]:
    """All trainings of a cell in this process."""
    model, data = MODELS[cell.model]
    reductions = REDUCTIONS[cell.model]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder = RunFolder.create(
            place / "run",
            Job(
                model=str(shared / "models" / model),
                data=DataSpec(source=training_subset(shared / "data" / data, SUBSET, place),
                              seen="no"),
                goal=Goal(), controls=False, export=(), seed=cell.seed,
                budget=Budget(epochs=EPOCHS, max_trials=len(cell.splits) * len(reductions)),
            ),
        )  # fmt: skip
        with mock.patch.dict(
            session.STRATEGIES, {"heuristic": lambda limits: _each(limits, cell.splits, reductions)}
        ):
            session.run_search(folder, folder.append, EngineControl(folder.append))
        events = list(folder.events())
        folder.close()
    return figures(cell, events)


def figures(cell: Cell, events: Sequence[ev.Event]) -> dict[str, Any]:
    """The line of a cell, from what its run told."""
    trials = [e for e in events if isinstance(e, ev.TrialDone) and e.kind == "fine_tune"]
    asked = [(split, to) for split in cell.splits for to in REDUCTIONS[cell.model]]
    return {
        "cell": cell.name,
        **asdict(cell),
        "baseline": next(e.value for e in events if isinstance(e, ev.BaselineMeasured)),
        "trials": [
            {
                "free_density": free, "channel_part": part, "reduction": to, "keep": t.keep,
                "density": 1.0 - t.sparsity, "value": t.value, "nonzero": t.sizes.nonzero,
                "params": t.sizes.params, "macs": t.sizes.macs, "tflite_gzip": t.sizes.objective,
                "seconds": t.seconds,
            }
            for ((free, part), to), t in zip(asked, trials, strict=True)
            if t.sizes is not None
        ],
        "environment": jsonio.to_plain(describe()),
    }  # fmt: skip


def _each(
    limits: Limits, splits: Sequence[tuple[float, float]], reductions: Sequence[float]
) -> Asking:
    """A strategy: every reduction by every split, from the dense model."""
    for free, part in splits:
        for reduction in reductions:
            with (
                mock.patch.object(heuristic, "FREE_DENSITY", free),
                mock.patch.object(heuristic, "CHANNEL_PART", part),
            ):
                keep, sparsity = heuristic.split(reduction, limits)
            yield Ask(
                kind="fine_tune", step="trade_off", keep=keep, sparsity=sparsity,
                why=ev.Why(code="grid", numbers={"keep": keep, "sparsity": sparsity}),
            )  # fmt: skip


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """A row for each model and split: value and sizes beside those of the first split."""
    rows: list[Sequence[str]] = [
        ("model", "free", "part", "value, points", "nonzero", "MACs", "gzip")
    ]
    for model in sorted({line["model"] for line in lines}):
        found: dict[tuple[float, float], list[dict[str, Any]]] = {}
        for trial in (t for line in lines if line["model"] == model for t in line["trials"]):
            found.setdefault((trial["free_density"], trial["channel_part"]), []).append(trial)
        first = found[SPLITS[0]]
        for (free, part), trials in found.items():
            gained = [100 * (t["value"] - f["value"]) for t, f in zip(trials, first, strict=True)]
            error = statistics.stdev(gained) / math.sqrt(len(gained)) if len(gained) > 1 else 0.0
            rows.append((
                model, f"{free:.2f}", f"{part:g}",
                f"{statistics.mean(gained):+.2f} \u00b1 {error:.2f}",
                *(f"{_ratio(trials, first, key):.2f}x" for key in
                  ("nonzero", "macs", "tflite_gzip")),
            ))  # fmt: skip
    table(rows)


def _ratio(trials: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]], key: str) -> float:
    """How many times the size of the first split's, by the geometric mean."""
    pairs = zip(trials, first, strict=True)
    return statistics.geometric_mean(t[key] / f[key] for t, f in pairs)


BENCH = Bench(
    module="tests.bench.balance",
    results=Path(__file__).parent / "results" / "balance.jsonl",
    cells=cells(),
    run=run_here,
    needs=lambda cell, shared: files_of(cell.model, shared),
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
