"""The search against what it implements, against brute force and against itself.

    python -m tests.bench.search [--shared DIR] [--table NAME ...] [--list] [CELL ...]

A cell is one search; none takes over 30 minutes on two quiet cores. Each finished one is appended
to ``results/search.jsonl`` and not run again (``--again`` does), so that a next run goes on where
this one ended. All arms of a comparison have the same 20,000 training images, the same epochs a
fine-tune and the same verdict; figures are of the report split. ``python -m tests.bench.search
--summary`` prints the tables of what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl
from engine.data.sample import sample_model_path
from engine.job import Budget, DataSpec, Goal, Job
from engine.report.result import result_of
from engine.runs import RunFolder
from engine.runstate import fold_all
from tests.bench.environment import describe

RESULTS = Path(__file__).parent / "results" / "search.jsonl"
SHARED = Path(__file__).parents[3] / "shared"
SUBSET = 20_000
FINE_TUNES = 6
EPOCHS = 3
PUBLISHED_FINE_TUNES = 16
"""For the published three steps, which go notch by notch and would else not arrive anywhere."""

FLOOR_SEEDS = 30
SMALL_TRAIN, SMALL_JUDGED = 6_000, 10_000
"""Images that a small net is trained on, and others that halve into search and report split."""

MODELS = {
    "digits": ("", "digits"),
    "vgg_fashion": ("vgg_fashion.keras", "fashion_mnist.npz"),
    "mobilenet_fashion": ("mobilenet_fashion.h5", "fashion_mnist.npz"),
    "densenet22_fashion": ("densenet22_fashion.keras", "fashion_mnist.npz"),
    "resnet20_cifar10": ("resnet20_cifar10.h5", "cifar10.npz"),
    "small": ("", "fashion_mnist.npz"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One search: what stands in the tables about it."""

    table: str
    model: str
    arm: str
    seed: int = 0
    tolerance: float = 0.01
    epochs: int | None = EPOCHS
    fine_tunes: int = FINE_TUNES
    subset: int | None = SUBSET
    controls: bool = False

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return f"{self.table}/{self.model}/{self.arm}/t{self.tolerance:g}/s{self.seed}"


def cells() -> list[Cell]:
    """All cells, the cheap ones first."""
    digits = Cell(
        table="goal", model="digits", arm="heuristic", tolerance=0.02, epochs=None, subset=None
    )
    found = [digits]
    found += [replace(digits, table="grid", epochs=10, arm=f"grid_row:{row}") for row in range(8)]
    found.append(replace(digits, table="grid", epochs=10))
    arms = ("heuristic", "unstructured", "structured", "tpe", "three-step")
    for model, seeds in (
        ("vgg_fashion", (0, 1)), ("mobilenet_fashion", (0, 1)), ("resnet20_cifar10", (0,)),
        ("densenet22_fashion", (0,)),
    ):  # fmt: skip
        for seed in seeds:
            for arm in arms:
                cell = Cell(table="arms", model=model, arm=arm, seed=seed)
                if arm == "three-step":
                    cell = replace(cell, fine_tunes=PUBLISHED_FINE_TUNES)
                found.append(replace(cell, controls=arm == "heuristic"))
    vgg = Cell(table="tolerances", model="vgg_fashion", arm="heuristic")
    found += [replace(vgg, tolerance=t) for t in (0.0025, 0.005, 0.02, 0.05)]
    for what in ("allocation", "norms", "teacher", "warm_start"):
        found.append(replace(vgg, table="ablation", arm=f"without:{what}"))
    found += [replace(vgg, table="grid", arm=f"grid_row:{row}") for row in range(8)]
    for seed in range(FLOOR_SEEDS):
        for arm in ("heuristic", "without:guard"):
            found.append(
                Cell(
                    table="floor",
                    model="small",
                    arm=arm,
                    seed=seed,
                    tolerance=0.02,
                    fine_tunes=4,
                    subset=None,
                )
            )
    whole = replace(vgg, table="goal", epochs=None, subset=None, controls=True)
    found += [replace(whole, model=m) for m in ("vgg_fashion", "resnet20_cifar10")]
    return found


def run_here(cell: Cell, shared: Path) -> dict[str, Any]:
    """One search in this process; its figures."""
    from engine.search.session import run_search
    from tests.bench.search_arms import arm

    model, data = MODELS[cell.model]
    began, cpu_began = time.monotonic(), time.process_time()
    with (
        tempfile.TemporaryDirectory(prefix="secateur-bench-") as scratch,
        arm(cell.arm, cell.seed) as strategy,
    ):
        if cell.model == "small":
            model_path, source = small_net(shared / "data" / data, cell.seed, Path(scratch))
        else:
            model_path = shared / "models" / model if model else sample_model_path()
            source = _data(shared / "data" / data, cell.subset, Path(scratch))
        job = Job(
            model=str(model_path), data=DataSpec(source=source, seen="no"),
            goal=Goal(tolerance=cell.tolerance),
            budget=Budget(epochs=cell.epochs, max_trials=cell.fine_tunes),
            strategy=strategy,  # type: ignore[arg-type]
            seed=cell.seed, controls=cell.controls, export=(),
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
        **{k: result[k] for k in ("status", "confirmed", "samples_needed", "drop", "baseline",
                                  "final", "controls", "cost")},
        "trials": [
            {k: t[k] for k in ("kind", "step", "keep", "sparsity", "value", "nonzero", "macs",
                               "epochs", "seconds", "accepted")}
            for t in result["trials"]
        ],
        "environment": jsonio.to_plain(describe()),
    }  # fmt: skip


def small_net(source: Path, seed: int, scratch: Path) -> tuple[Path, str]:
    """A small net trained by a seed on some of Fashion-MNIST's training images; its data."""
    import keras

    with np.load(source) as file:
        images, labels = file["x_train"], file["y_train"]
    order = np.random.default_rng(seed).permutation(len(images))
    train, judged = order[:SMALL_TRAIN], order[SMALL_TRAIN : SMALL_TRAIN + SMALL_JUDGED]
    data = scratch / "small.npz"
    np.savez(
        data, x_train=images[train], y_train=labels[train], x_test=images[judged],
        y_test=labels[judged],
    )  # fmt: skip
    keras.utils.set_random_seed(seed)
    layers: list[keras.layers.Layer] = [
        keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255),
    ]  # fmt: skip
    for filters, stride in ((16, 2), (32, 1), (32, 2), (64, 1)):
        layers += [
            keras.layers.Conv2D(filters, 3, stride, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(images[train][..., None], labels[train], epochs=6, batch_size=64, verbose=0)
    path = scratch / "small.keras"
    model.save(path)
    return path, str(data)


def _data(source: Path, subset: int | None, scratch: Path) -> str:
    """The data, with so many training images: the same ones for every arm."""
    if source.suffix != ".npz":
        return source.name
    if subset is None:
        return str(source)
    with np.load(source) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    chosen = np.sort(np.random.default_rng(0).permutation(len(arrays["x_train"]))[:subset])
    arrays["x_train"], arrays["y_train"] = arrays["x_train"][chosen], arrays["y_train"][chosen]
    path = scratch / source.name
    np.savez(path, **arrays)
    return str(path)


def results() -> list[dict[str, Any]]:
    """What is there, the last line of each cell."""
    if not RESULTS.exists():
        return []
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return list({line["cell"]: line for line in lines}.values())


def summary() -> None:
    """A line a cell: what it came to."""
    head = ("cell", "status", "nonzero", "x", "MACs x", "int8 gzip", "drop", "epochs", "minutes")
    rows = [head]
    for line in results():
        base, final = line["baseline"], line["final"]
        drop = line["drop"]
        if line["table"] == "floor":
            continue
        rows.append((
            line["cell"], line["status"], f"{final['nonzero']:,}",
            f"{base['nonzero'] / final['nonzero']:.1f}", f"{base['macs'] / final['macs']:.1f}",
            f"{final['bytes']['tflite_int8_gzip'] or 0:,}",
            "" if drop is None else f"{100 * drop['value']:.2f}",
            str(line["cost"]["epochs"]), f"{line['seconds'] / 60:.1f}",
        ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        sys.stdout.write("  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)) + "\n")


def floor_summary() -> None:
    """Whether the floor held over the runs on small nets, with and without the guard band."""
    for arm in ("heuristic", "without:guard"):
        lines = [x for x in results() if x["table"] == "floor" and x["arm"] == arm and x["drop"]]
        if lines:
            left = [x["tolerance"] - x["drop"]["value"] for x in lines]
            sys.stdout.write(
                f"floor, {arm}: held in {sum(v >= 0 for v in left)} of {len(left)} runs, median"
                f" overshoot {100 * float(np.median(left)):.2f} points of"
                f" {100 * lines[0]['tolerance']:.0f}\n"
            )


def main() -> None:
    """Run the cells that are not done, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help="names, or parts of names (see --list)")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of models/ and data/")
    parser.add_argument("--again", action="store_true", help="run cells that are done, too")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument("--summary", action="store_true", help="print tables of the results")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.summary:
        summary()
        floor_summary()
        return
    done = set() if options.again else {line["cell"] for line in results()}
    for cell in cells():
        wanted = not options.cells or any(part in cell.name for part in options.cells)
        if options.list:
            sys.stdout.write(f"{cell.name}{'  done' if cell.name in done else ''}\n")
        elif options.here and cell.name in options.cells:
            sys.stdout.write(json.dumps(run_here(cell, options.shared)) + "\n")
        elif wanted and not options.here and cell.name not in done:
            _run_apart(cell, options.shared)


def _run_apart(cell: Cell, shared: Path) -> None:
    """One cell in its own process; its line goes to the results."""
    model, data = MODELS[cell.model]
    wanted = shared / "models" / model if model else shared / "data" / data
    if cell.model != "digits" and not wanted.exists():
        sys.stderr.write(f"{cell.name}: what it needs is not here, skipped\n")
        return
    command = [sys.executable, "-m", "tests.bench.search", "--here", "--shared", str(shared)]
    answer = subprocess.run([*command, cell.name], stdout=subprocess.PIPE, check=False, text=True)
    if answer.returncode != 0:
        sys.stderr.write(f"{cell.name}: failed with {answer.returncode}\n")
        return
    line = answer.stdout.splitlines()[-1]
    print(line, flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    main()
