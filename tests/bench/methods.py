"""The methods side by side: importance weights, filter skeletons, and the criteria, at one budget.

    python -m tests.bench.methods [--shared DIR] [--list] [CELL ...]

A cell is one search; none takes over 30 minutes on two quiet cores. Each finished one is appended
to ``results/methods.jsonl`` and not run again (``--again`` does). Figures are of the report split.
``python -m tests.bench.methods --summary`` prints the tables of what is there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl
from engine.job import Budget, DataSpec, Goal, Job, Minimise
from engine.report.result import result_of
from engine.runs import RunFolder
from engine.runstate import fold_all
from tests.bench.cells import Bench, table
from tests.bench.environment import describe

MASK_EPOCHS = 30
"""Epochs of a fine-tune for masks: few images, and no norms whose statistics would help."""

ROUND_EPOCHS, ROUNDS = 5, 10
"""Epochs and number of the fine-tunes between which importance weights take channels away."""

TERNAUS_EPOCHS = 25

PUBLISHED = (
    ("published: TernausNet, Inria", "", "6", "", "6.7", "7 on GPUs", "", "0.32", "", ""),
    ("published: TernausNet, AIRS", "", "", "", "6.4", "", "", "0", "", ""),
)
"""Figures of Sawant et al., Applied Sciences 12(21):11184, 2022: other images, whole width."""

MODELS = {
    "unet_nuclei": ("unet_nuclei.keras", "nuclei_128.npz"),
    "ternaus": ("", "nuclei_128.npz"),
    "vgg_fashion": ("vgg_fashion.keras", "fashion_mnist.npz"),
    "mobilenet_fashion": ("mobilenet_fashion.h5", "fashion_mnist.npz"),
    "resnet20_cifar10": ("resnet20_cifar10.h5", "cifar10.npz"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One search: what stands in the tables about it. ``arm`` as in :mod:`.methods_arms`."""

    table: str
    model: str
    arm: str
    seed: int = 0
    tolerance: float = 0.01
    minimise: Minimise = "size"
    epochs: int | None = None
    fine_tunes: int | None = None
    subset: int | None = None
    controls: bool = False

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return f"{self.table}/{self.model}/{self.arm}/t{self.tolerance:g}/s{self.seed}"


def cells() -> list[Cell]:
    """All cells, the cheap ones first."""
    unet = Cell(
        table="masks", model="unet_nuclei", arm="strategy:heuristic", minimise="macs",
        epochs=MASK_EPOCHS, fine_tunes=4,
    )  # fmt: skip
    importance = replace(
        unet, arm="strategy:importance", epochs=ROUND_EPOCHS, fine_tunes=ROUNDS
    )  # fmt: skip
    found = [unet]
    for tolerance in (0.005, 0.01, 0.02, 0.05):
        found.append(replace(importance, table="tolerances", tolerance=tolerance))
    found += [replace(cell, model="ternaus") for cell in (unet, importance)]
    return found


def needs(cell: Cell, shared: Path) -> Sequence[Path]:
    """The data of a cell, and its model where that is a file."""
    model, data = MODELS[cell.model]
    files = (shared / "data" / data,)
    return (*files, shared / "models" / model) if model else files


def model_of(cell: Cell, shared: Path) -> Path:
    """The model of a cell; the TernausNet is trained once and kept among temporary files."""
    model, data = MODELS[cell.model]
    if model:
        return shared / "models" / model
    from tests.bench.ternaus import data as arrays_of
    from tests.bench.ternaus import train

    path = Path(tempfile.gettempdir()) / f"secateur-ternaus-{Path(data).stem}.keras"
    if not path.exists():
        train(arrays_of("nuclei", shared), TERNAUS_EPOCHS).save(path)
    return path


def run(cell: Cell, shared: Path) -> dict[str, Any]:
    """One search in this process; its figures."""
    from engine.search.session import run_search
    from tests.bench.methods_arms import arm

    model, data = model_of(cell, shared), shared / "data" / MODELS[cell.model][1]
    began, cpu_began = time.monotonic(), time.process_time()
    with (
        tempfile.TemporaryDirectory(prefix="secateur-bench-") as scratch,
        arm(cell.arm) as (strategy, criterion),
    ):
        job = Job(
            model=str(model),
            data=DataSpec(source=str(part_of(data, cell.subset, Path(scratch))), seen="no"),
            goal=Goal(tolerance=cell.tolerance, minimise=cell.minimise),
            budget=Budget(epochs=cell.epochs, max_trials=cell.fine_tunes),
            strategy=strategy,  # type: ignore[arg-type]
            criterion=criterion, seed=cell.seed, controls=cell.controls, export=(),
        )  # fmt: skip
        folder = RunFolder.create(Path(scratch) / "run", job)
        told: list[ev.Event] = []

        def emit(event: ev.Event) -> None:
            folder.append(event)
            if not isinstance(event, ev.TRANSIENT):
                told.append(event)

        run_search(folder, emit, EngineControl(emit))
        folder.close()
        result = result_of(fold_all(told))
    return {
        "cell": cell.name,
        **asdict(cell),
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu_began,
        "load": os.getloadavg()[0],
        **{k: result[k] for k in ("metric", "status", "confirmed", "samples_needed", "drop",
                                  "baseline", "final", "controls", "cost")},
        "trials": [
            {k: t[k] for k in ("kind", "step", "keep", "sparsity", "value", "params", "nonzero",
                               "macs", "epochs", "seconds", "accepted")}
            for t in result["trials"]
        ],
        "environment": jsonio.to_plain(describe()),
    }  # fmt: skip


def part_of(source: Path, subset: int | None, scratch: Path) -> Path:
    """The data, with so many training images: the same ones for every arm."""
    if subset is None:
        return source
    with np.load(source) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    chosen = np.sort(np.random.default_rng(0).permutation(len(arrays["x_train"]))[:subset])
    arrays["x_train"], arrays["y_train"] = arrays["x_train"][chosen], arrays["y_train"][chosen]
    path = scratch / source.name
    np.savez(path, **arrays)
    return path


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
