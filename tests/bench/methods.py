"""The methods side by side: importance weights, filter skeletons, and the criteria, at one budget.

    python -m tests.bench.methods [--shared DIR] [--list] [CELL ...]

A cell is one search; none takes over 30 minutes on two quiet cores. One that was ended goes on from
its run folder, among temporary files. Each finished one is appended to ``results/methods.jsonl``
and not run again (``--again`` does). Cells of the table ``goals`` give one run one tolerance after
another. Figures are of the report split. ``python -m
tests.bench.methods --summary`` prints the tables of what is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.job import Budget, DataSpec, Goal, Job, Minimise
from tests.bench.cells import Bench, SearchCell, searched, table

MASK_EPOCHS = 30
"""Epochs of a fine-tune for masks: few images, and no norms whose statistics would help."""

SHORTER_EPOCHS = 15
"""The same where there are many cells: at several tolerances, and of nets that are trained here."""

ROUND_EPOCHS, ROUNDS, MANY_ROUNDS = 5, 10, 60
"""Epochs and number of the fine-tunes between which importance weights take channels away; many,
where it is to be the tolerance that ends them."""

SEEDS = 3
TOLERANCES = (0.005, 0.01, 0.02, 0.05)

PUBLISHED = (
    ("published: TernausNet, Inria", "", "6", "", "6.7", "7 on GPUs", "", "0.32", "", ""),
    ("published: TernausNet, AIRS", "", "", "", "6.4", "", "", "0", "", ""),
)
"""Figures of Sawant et al., Applied Sciences 12(21):11184, 2022: other images, whole width."""

MODELS = {
    "unet_nuclei": ("unet_nuclei.keras", "nuclei_128.npz"),
    "ternaus_nuclei": ("", "nuclei_128.npz"),
    "ternaus_buildings": ("", "camvid_192x256.zip"),
    "vgg_fashion": ("vgg_fashion.keras", "fashion_mnist.npz"),
    "mobilenet_fashion": ("mobilenet_fashion.h5", "fashion_mnist.npz"),
    "resnet20_cifar10": ("resnet20_cifar10.h5", "cifar10.npz"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(SearchCell):
    """One search. ``arm`` as in :mod:`.methods_arms`."""

    minimise: Minimise = "size"


def cells() -> list[Cell]:
    """All cells, the cheap ones first."""
    unet = Cell(
        table="masks", model="unet_nuclei", arm="strategy:heuristic", minimise="macs",
        epochs=MASK_EPOCHS, fine_tunes=6,
    )  # fmt: skip
    importance = replace(
        unet, arm="strategy:importance", epochs=ROUND_EPOCHS, fine_tunes=ROUNDS
    )  # fmt: skip
    found = [unet]
    found += [replace(unet, table="latency", minimise="latency", seed=s) for s in range(SEEDS)]
    many = replace(importance, fine_tunes=MANY_ROUNDS)
    shorter = replace(unet, epochs=SHORTER_EPOCHS)
    found += [replace(many, table="goals", tolerance=t) for t in TOLERANCES]
    for each in (many, shorter):
        found += [replace(each, table="tolerances", tolerance=t) for t in TOLERANCES]
    for model in ("ternaus_nuclei", "ternaus_buildings"):
        found += [replace(cell, model=model) for cell in (shorter, importance)]
    return found


def needs(cell: Cell, shared: Path) -> Sequence[Path]:
    """The shared files of a cell."""
    model, data = MODELS[cell.model]
    return [shared / place for place in (f"models/{model}", f"data/{data}") if place[-1] != "/"]


def files(cell: Cell, shared: Path) -> tuple[Path, Path]:
    """Model and data of a cell; networks for masks are trained once, among temporary files."""
    model, data = MODELS[cell.model]
    if model:
        return shared / "models" / model, shared / "data" / data
    from tests.bench.mask_nets import made

    folder = Path(tempfile.gettempdir()) / "secateur-mask-nets"
    folder.mkdir(exist_ok=True)
    return made(cell.model, shared, folder)


def run(cell: Cell, shared: Path) -> dict[str, Any]:
    """One search in this process; its figures."""
    from tests.bench.methods_arms import arm

    model, data = files(cell, shared)
    chain = [t for t in TOLERANCES if cell.table == "goals" and t <= cell.tolerance]
    tolerance = chain[0] if chain else cell.tolerance
    with arm(cell.arm) as (strategy, criterion):
        return searched(
            cell,
            lambda _: Job(
                model=str(model),
                data=DataSpec(source=str(data), seen="no"),
                goal=Goal(tolerance=tolerance, minimise=cell.minimise),
                budget=Budget(epochs=cell.epochs, max_trials=cell.fine_tunes),
                strategy=strategy,  # type: ignore[arg-type]
                criterion=criterion, seed=cell.seed, controls=cell.controls, export=(),
            ),
            goals=chain,
        )  # fmt: skip


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """A line a cell: what it came to."""
    head = ("cell", "status", "params x", "nonzero x", "MACs x", "latency x", "drop", "pixels",
            "images needed", "minutes")  # fmt: skip
    rows: list[Sequence[str]] = [head, *PUBLISHED]
    for line in lines:
        base, final, drop = line["baseline"], line["final"], line["drop"]
        latency = [f["latency_ms"] and f["latency_ms"]["median"] for f in (base, final)]
        rows.append((
            line["cell"], line["status"],
            *(f"{base[k] / final[k]:.1f}" for k in ("params", "nonzero", "macs")),
            "" if None in latency else f"{latency[0] / latency[1]:.1f}",
            "" if drop is None else f"{100 * drop['value']:.2f}",
            _points(base.get("metrics"), final.get("metrics"), "pixel_accuracy"),
            f"{line['samples_needed'] or ''}", f"{line['seconds'] / 60:.1f}",
        ))  # fmt: skip
    table(rows)


def _points(before: dict[str, float] | None, after: dict[str, float] | None, name: str) -> str:
    """Points of a metric that were lost, "" where it is none of the task's."""
    if before is None or after is None or name not in before or name not in after:
        return ""
    return f"{100 * (before[name] - after[name]):.2f}"


BENCH = Bench(
    module="tests.bench.methods",
    results=Path(__file__).parent / "results" / "methods.jsonl",
    cells=cells(),
    run=run,
    needs=needs,
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
