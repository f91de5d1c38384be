"""What a setting of the fine-tune is worth: the same cut trained twice, with and without it.

    python -m tests.bench.recipe [--shared DIR] [--list] [CELL ...]

A cell cuts a model once, as the default search shares a reduction out, and trains it two times of
so many epochs, the second from the first, as the search does with what barely failed. Values are of
the search split, on which nothing is accepted here; two trainings of the same cut with other seeds
differ by 0.2 to 0.4 points. Each finished one is appended to ``results/recipe.jsonl`` and not run
again (``--again`` does); some take 15 minutes on one core.
"""

from __future__ import annotations

import functools
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
from engine.search import session, trials
from engine.search.asking import Ask, Asking, Limits
from engine.search.heuristic import split
from engine.training.finetune import FineTuneResult, fine_tune
from engine.training.settings import FineTuneSettings
from tests.bench.cells import Bench, table
from tests.bench.environment import describe
from tests.bench.search import MODELS, SUBSET, files_of, training_subset


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cut, trained twice. ``augment`` as on the command line; ``subset``: None for all;
    ``changes``: fields of the fine-tune's settings that are not as the search would have them."""

    model: str
    reduction: float
    epochs: int
    augment: str
    subset: int | None = SUBSET
    seed: int = 0
    changes: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        images = "all" if self.subset is None else str(self.subset)
        name = (
            f"{self.model}/r{self.reduction:g}/{images}x{self.epochs}/{self.augment}/s{self.seed}"
        )
        changes = ",".join(f"{key}={value:g}" for key, value in self.changes)
        return f"{name}/{changes}" if changes else name


CHANGES: tuple[tuple[tuple[str, float], ...], ...] = (
    (("distill", 0.8),),
    (("distill", 0.8), ("temperature", 4.0)),
    (("learning_rate", 0.025),),
    (("batch_size", 32), ("learning_rate", 0.025)),
)
"""Tried on the VGG, whose own are half teacher, half labels, at a temperature of 2, and 64 images a
step at 0.05."""


def cells() -> list[Cell]:
    """The few epochs of the search's bench, those of the default, and all images."""
    vgg = Cell(model="vgg_fashion", reduction=24.0, epochs=3, augment="flip")
    changed = [replace(vgg, epochs=epochs, seed=seed) for epochs in (3, 10) for seed in (0, 1)]
    changed.append(replace(vgg, reduction=50.0, subset=None, epochs=5))
    changed.append(replace(vgg, model="resnet20_cifar10", reduction=8.0, augment="flip,colour"))
    images = [c for cell in changed for c in (cell, replace(cell, augment="none"))]
    plain = [replace(vgg, augment="none", seed=seed) for seed in (0, 1)]
    return [*images, *(replace(c, changes=changes) for changes in CHANGES for c in plain)]


def run_here(cell: Cell, shared: Path) -> dict[str, Any]:
    """Both trainings of a cell in this process."""
    model, data = MODELS[cell.model]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        source = training_subset(shared / "data" / data, cell.subset, place)
        folder = RunFolder.create(
            place / "run",
            Job(
                model=str(shared / "models" / model),
                data=DataSpec(source=source, seen="no", augment=cell.augment), goal=Goal(),
                budget=Budget(epochs=cell.epochs, max_trials=2), controls=False, export=(),
                seed=cell.seed,
            ),
        )  # fmt: skip
        changed = functools.partial(_fine_tune, dict(cell.changes))
        with (
            mock.patch.dict(
                session.STRATEGIES, {"heuristic": lambda limits: _twice(limits, cell.reduction)}
            ),
            mock.patch.object(trials, "fine_tune", changed),
        ):
            session.run_search(folder, folder.append, EngineControl(folder.append))
        events = list(folder.events())
        folder.close()
    return figures(cell, events)


def _fine_tune(
    changes: dict[str, Any], *arrays: Any, settings: FineTuneSettings, **rest: Any
) -> FineTuneResult:
    """The engine's fine-tune with changed settings."""
    return fine_tune(*arrays, settings=replace(settings, **changes), **rest)


def figures(cell: Cell, events: Sequence[ev.Event]) -> dict[str, Any]:
    """The line of a cell, from what its run told."""
    trials = [e for e in events if isinstance(e, ev.TrialDone) and e.kind == "fine_tune"]
    baseline = next(e.value for e in events if isinstance(e, ev.BaselineMeasured))
    return {
        "cell": cell.name,
        **asdict(cell),
        "baseline": baseline,
        "values": [t.value for t in trials],
        "nonzero": [None if t.sizes is None else t.sizes.nonzero for t in trials],
        "seconds": [t.seconds for t in trials],
        "environment": jsonio.to_plain(describe()),
    }


def _twice(limits: Limits, reduction: float) -> Asking:
    """A strategy: one reduction, trained twice."""
    keep, sparsity = split(reduction, limits)
    parent = None
    for _ in range(2):
        told = yield Ask(
            kind="fine_tune", step="trade_off", keep=keep, sparsity=sparsity, parent=parent,
            why=ev.Why(code="grid", numbers={"keep": keep, "sparsity": sparsity}),
        )  # fmt: skip
        parent = told.trial


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """What leaving images as they are is worth, and what changed settings are."""
    _images([line for line in lines if not line.get("changes")])
    _settings([line for line in lines if line["augment"] == "none"])


def _settings(lines: Sequence[dict[str, Any]]) -> None:
    """A row for each change: the values after both trainings, and the mean gain over the seeds."""
    plain = {x["cell"]: x["values"] for x in lines if not x.get("changes")}
    rows: list[Sequence[str]] = [("training", "changed", "values", "as they are", "gain")]
    found: dict[tuple[str, str], list[tuple[list[float], list[float]]]] = {}
    for line in lines:
        if line.get("changes"):
            start, seed, changes = line["cell"].rsplit("/", 2)
            pair = (line["values"], plain[f"{start}/{seed}"])
            found.setdefault((start, changes), []).append(pair)
    for (start, changes), pairs in found.items():
        gains = [100 * statistics.mean(a[i] - b[i] for a, b in pairs) for i in range(2)]
        rows.append((
            start, changes, *(_values(arm) for arm in zip(*pairs, strict=True)),
            " ".join(f"{gain:+.2f}" for gain in gains),
        ))  # fmt: skip
    table(rows)


def _values(arm: Sequence[Sequence[float]]) -> str:
    """The values of every seed, in points."""
    return ", ".join(" ".join(f"{100 * v:.2f}" for v in values) for values in arm)


def _images(lines: Sequence[dict[str, Any]]) -> None:
    """A row for each model, reduction and length: the values, and what leaving images is worth."""
    rows: list[Sequence[str]] = [("training", "dense", "changed", "left as they are", "gain")]
    for start in sorted({line["cell"].rsplit("/", 2)[0] for line in lines}):
        same = [x for x in lines if x["cell"].startswith(f"{start}/")]
        left = {x["seed"]: x["values"] for x in same if x["augment"] == "none"}
        changed = {x["seed"]: x["values"] for x in same if x["augment"] != "none"}
        seeds = sorted(left.keys() & changed.keys())
        pairs = [(changed[s], left[s]) for s in seeds]
        count = min((len(values) for pair in pairs for values in pair), default=0)
        gains = [100 * statistics.mean(b[i] - a[i] for a, b in pairs) for i in range(count)]
        rows.append((
            start, f"{100 * same[0]['baseline']:.2f}",
            *(_values([arm[s] for s in seeds]) for arm in (changed, left)),
            " ".join(f"{gain:+.2f}" for gain in gains),
        ))  # fmt: skip
    table(rows)


BENCH = Bench(
    module="tests.bench.recipe",
    results=Path(__file__).parent / "results" / "recipe.jsonl",
    cells=cells(),
    run=run_here,
    needs=lambda cell, shared: files_of(cell.model, shared),
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
