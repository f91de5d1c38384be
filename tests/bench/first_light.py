"""The main job on real models: what a short search reaches, and what it costs.

    python -m tests.bench.first_light [--shared DIR] [CELL ...]

Cells are run in order; each finished one is appended to ``results/first_light.jsonl`` and is not
run again (``--again`` does). Prints one JSON object a cell.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine import api, jsonio
from engine.data.sample import sample_model_path
from engine.job import Budget, DataSpec, Goal, Job
from tests.bench.environment import describe

RESULTS = Path(__file__).parent / "results" / "first_light.jsonl"
SHARED = Path(__file__).parents[3] / "shared"

CELLS: dict[str, tuple[str, str, float, Budget]] = {
    "digits": ("", "digits", 0.02, Budget()),
    "vgg_fashion": (
        "vgg_fashion.keras", "fashion_mnist.npz", 0.01, Budget(max_trials=8, epochs=2),
    ),
    "resnet20_cifar10": (
        "resnet20_cifar10.h5", "cifar10.npz", 0.01, Budget(max_trials=8, epochs=2),
    ),
}  # fmt: skip


def run(cell: str, shared: Path) -> dict[str, Any]:
    """One search from model to checked file; its figures."""
    model, data, tolerance, budget = CELLS[cell]
    job = Job(
        model=str(shared / "models" / model if model else sample_model_path()),
        data=DataSpec(source=str(shared / "data" / data) if model else data),
        goal=Goal(tolerance=tolerance),
        budget=budget,
    )
    with tempfile.TemporaryDirectory(prefix="secateur-bench-") as scratch:
        result = api.prune(job, Path(scratch) / "run")
    keys = ("status", "confirmed", "samples_needed", "metric", "tolerance", "drop", "baseline",
            "final", "controls", "cost", "seed")  # fmt: skip
    trials = [
        {k: t[k] for k in ("kind", "step", "keep", "sparsity", "value", "nonzero", "accepted")}
        for t in result["trials"]
    ]
    exports = [
        {"bytes": e["bytes"], "gzip_bytes": e["gzip_bytes"], "checks": e["checks"]}
        for e in result["exports"]
    ]
    return {
        "cell": cell,
        **{k: result[k] for k in keys},
        "exports": exports,
        "trials": trials,
        "environment": jsonio.to_plain(describe()),
    }


def main() -> None:
    """Run the cells that are not done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help=", ".join(CELLS))
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of models/ and data/")
    parser.add_argument("--again", action="store_true", help="run cells that are done, too")
    options = parser.parse_args()
    done = set()
    if RESULTS.exists() and not options.again:
        done = {json.loads(line)["cell"] for line in RESULTS.read_text().splitlines()}
    for cell in options.cells or CELLS:
        if cell in done:
            continue
        if CELLS[cell][0] and not (options.shared / "models" / CELLS[cell][0]).exists():
            sys.stderr.write(f"{cell}: its model is not here, skipped\n")
            continue
        line = json.dumps(run(cell, options.shared))
        print(line, flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        with RESULTS.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
