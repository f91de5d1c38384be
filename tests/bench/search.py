"""The search against what it implements, against brute force and against itself.

    python -m tests.bench.search [--shared DIR] [--list] [CELL ...]

A cell is one search; none but those with the full data, and of the DenseNet and the published three
steps, takes over 30 minutes on two quiet cores. One that was ended goes on from its run folder,
among temporary files. Each finished one is appended to ``results/search.jsonl`` and not run again
(``--again`` does). All arms of a comparison have the same 20,000 training images (the DenseNet's
10,000), the same epochs a fine-tune and the same verdict; figures are of the report split. The
cells of the table ``goals`` give one run one tolerance after another, as ``secateur resume RUN
--tolerance T`` does. ``python -m tests.bench.search --summary`` prints the tables of what is there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.sample import sample_model_path
from engine.job import Budget, DataSpec, Goal, Job, Minimise
from tests.bench.cells import Bench, SearchCell, searched, table

SUBSET = 20_000
SLOW_SUBSET = 10_000
"""For the DenseNet, whose epochs take three times a VGG's: one dense arm is then half an hour."""

FINE_TUNES = 6
EPOCHS = 3
PUBLISHED_FINE_TUNES = 16
"""For the published three steps, which go notch by notch and would else not arrive anywhere."""

CANDIDATES = 50
"""Of one process whose memory is watched."""

TOLERANCES = (0.0025, 0.005, 0.01, 0.02, 0.05)

GRID_SIDE = 8
FLOOR_SEEDS = 30
SMALL_TRAIN, SMALL_JUDGED = 6_000, 40_000
"""Images that a small net is trained on, and others that halve into search and report split: with
5,000 in each the guard band alone, and the error that it is for, are half of the tolerance."""

SMALL_EPOCHS = 25
"""Until its value rises no more: what training alone gains would else hide what the cut loses."""

MODELS = {
    "digits": ("", "digits"),
    "vgg_fashion": ("vgg_fashion.keras", "fashion_mnist.npz"),
    "mobilenet_fashion": ("mobilenet_fashion.h5", "fashion_mnist.npz"),
    "densenet22_fashion": ("densenet22_fashion.keras", "fashion_mnist.npz"),
    "resnet20_cifar10": ("resnet20_cifar10.h5", "cifar10.npz"),
    "small": ("", "fashion_mnist.npz"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(SearchCell):
    """One search.

    ``arm`` is as in :mod:`.search_arms`, or ``heuristic:GOAL`` for the default strategy that
    minimises something else than the packed file. ``subset``: training images, None for all.
    """

    epochs: int | None = EPOCHS
    fine_tunes: int | None = FINE_TUNES
    subset: int | None = SUBSET


def cells() -> list[Cell]:
    """All cells, the cheap ones first."""
    digits = Cell(
        table="goal", model="digits", arm="heuristic", tolerance=0.02, epochs=None, subset=None
    )
    found = [digits]
    found.append(replace(digits, table="memory", arm="memory", epochs=1, fine_tunes=CANDIDATES))
    found += [
        replace(digits, table="grid", epochs=10, arm=f"grid_row:{row}of{GRID_SIDE}")
        for row in range(GRID_SIDE)
    ]
    found.append(replace(digits, table="grid", epochs=10))
    arms = ("heuristic", "unstructured", "structured", "tpe", "three-step")
    for model, seeds in (
        ("vgg_fashion", (0, 1)), ("mobilenet_fashion", (0, 1)), ("resnet20_cifar10", (0,)),
        ("densenet22_fashion", (0,)),
    ):  # fmt: skip
        for seed in seeds:
            for arm in arms:
                slow = model == "densenet22_fashion"
                subset = SLOW_SUBSET if slow else SUBSET
                cell = Cell(table="arms", model=model, arm=arm, seed=seed, subset=subset)
                if arm == "three-step":
                    cell = replace(cell, fine_tunes=PUBLISHED_FINE_TUNES)
                found.append(replace(cell, controls=arm == "heuristic"))
            if model != "densenet22_fashion":
                found.append(Cell(table="arms", model=model, arm="heuristic:macs", seed=seed))
    # where the published three steps come out ahead: the default search for as long as they train
    found.append(
        Cell(
            table="long", model="mobilenet_fashion", arm="heuristic", seed=1,
            fine_tunes=PUBLISHED_FINE_TUNES,
        )
    )  # fmt: skip
    vgg = Cell(table="tolerances", model="vgg_fashion", arm="heuristic")
    found += [replace(vgg, tolerance=t) for t in TOLERANCES if t != vgg.tolerance]
    found += [replace(vgg, table="goals", tolerance=t) for t in TOLERANCES]
    for what in ("allocation", "norms", "teacher", "warm_start", "early", "rounding"):
        found.append(replace(vgg, table="ablation", arm=f"without:{what}"))
    found += [
        replace(vgg, table="grid", arm=f"grid_row:{row}of{GRID_SIDE}") for row in range(GRID_SIDE)
    ]
    small = Cell(
        table="floor", model="small", arm="heuristic", tolerance=0.02, epochs=2 * EPOCHS,
        subset=None,
    )  # fmt: skip
    for seed in range(FLOOR_SEEDS):
        found += [replace(small, seed=seed, arm=a) for a in ("heuristic", "without:guard")]
    whole = replace(vgg, table="goal", epochs=None, subset=None)
    # without their dense control, which takes as long again; the VGG's is in an earlier line
    found += [whole, replace(whole, model="resnet20_cifar10")]
    found += [
        replace(whole, arm=a) for a in ("unstructured", "structured", "tpe", "heuristic:macs")
    ]
    return found


def run_here(cell: Cell, shared: Path) -> dict[str, Any]:
    """One search in this process; its figures."""
    from tests.bench.search_arms import arm

    memory: list[float] = []
    chain = [t for t in TOLERANCES if cell.table == "goals" and t <= cell.tolerance]
    first = replace(cell, tolerance=chain[0]) if chain else cell
    with arm(cell.arm, cell.seed, memory) as strategy:
        figures = searched(cell, lambda place: _job(first, shared, place, strategy), goals=chain)
    return {**figures, "resident_mib": memory}


def _job(cell: Cell, shared: Path, place: Path, strategy: str) -> Job:
    """The job of a cell; its data and what is trained for it lie in ``place``."""
    model, data = MODELS[cell.model]
    if cell.model == "small":
        model_path, source = small_net(shared / "data" / data, cell.seed, place, SMALL_JUDGED)
    else:
        model_path = shared / "models" / model if model else sample_model_path()
        source = training_subset(shared / "data" / data, cell.subset, place)
    kind, _, other = cell.arm.partition(":")
    minimise: Minimise = other if kind == "heuristic" and other else "size"  # type: ignore[assignment]
    return Job(
        model=str(model_path), data=DataSpec(source=source, seen="no"),
        goal=Goal(tolerance=cell.tolerance, minimise=minimise),
        budget=Budget(epochs=cell.epochs, max_trials=cell.fine_tunes),
        strategy=strategy,  # type: ignore[arg-type]
        seed=cell.seed, controls=cell.controls, export=(),
    )  # fmt: skip


def small_net(source: Path, seed: int, scratch: Path, judged_by: int) -> tuple[Path, str]:
    """A small net trained by a seed on some of Fashion-MNIST's training images; its data.

    ``judged_by``: images that halve into search and report split.
    """
    import keras

    with np.load(source) as file:
        images, labels = file["x_train"], file["y_train"]
    order = np.random.default_rng(seed).permutation(len(images))
    train, judged = order[:SMALL_TRAIN], order[SMALL_TRAIN : SMALL_TRAIN + judged_by]
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
    rate = keras.optimizers.schedules.CosineDecay(2e-3, SMALL_EPOCHS * len(train) // 64)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(
        images[train][..., None], labels[train], epochs=SMALL_EPOCHS, batch_size=64, verbose=0
    )
    path = scratch / "small.keras"
    model.save(path)
    return path, str(data)


def training_subset(source: Path, subset: int | None, scratch: Path) -> str:
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


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """A line a cell: what it came to; and whether the floor held over many small nets."""
    head = ("cell", "status", "nonzero", "x", "MACs x", "int8 gzip", "drop", "epochs", "minutes")
    rows: list[Sequence[str]] = [head]
    for line in lines:
        if line["table"] == "floor":
            continue
        base, final, drop = line["baseline"], line["final"], line["drop"]
        rows.append((
            line["cell"], line["status"], f"{final['nonzero']:,}",
            f"{base['nonzero'] / final['nonzero']:.1f}", f"{base['macs'] / final['macs']:.1f}",
            f"{final['bytes']['tflite_int8_gzip'] or 0:,}",
            "" if drop is None else f"{100 * drop['value']:.2f}",
            str(line["cost"]["epochs"]), f"{line['seconds'] / 60:.1f}",
        ))  # fmt: skip
    table(rows)
    compared = [x for x in lines if x["table"] in ("arms", "goal")]
    for table_name, model, seed in sorted({(x["table"], x["model"], x["seed"]) for x in compared}):
        by_arm = {x["arm"]: x for x in compared
                  if (x["table"], x["model"], x["seed"]) == (table_name, model, seed)}  # fmt: skip
        if len(by_arm) > 1:
            sys.stdout.write(f"{table_name}, {model}, seed {seed}: {beside(by_arm)}\n")
    for model in ("digits", "vgg_fashion"):
        sys.stdout.write(f"grid, {model}: {against_grid(lines, model)}\n")
    for arm_name in ("heuristic", "without:guard"):
        held = [x for x in lines if x["table"] == "floor" and x["arm"] == arm_name and x["drop"]]
        if held:
            left = [x["tolerance"] - x["drop"]["value"] for x in held]
            sys.stdout.write(
                f"floor, {arm_name}: held in {sum(v >= 0 for v in left)} of {len(left)} runs,"
                f" median overshoot {100 * float(np.median(left)):.2f} points of"
                f" {100 * held[0]['tolerance']:.0f}\n"
            )


def against_grid(lines: Sequence[dict[str, Any]], model: str) -> str:
    """The default search against the best of 8 x 8 fine-tunes; against 10 x 10 as computed."""
    rows = [x for x in lines if x["model"] == model and x["arm"].startswith("grid_row")]
    own = [x for x in lines if x["model"] == model and x["arm"] == "heuristic" and x["seed"] == 0
           and x["table"] in ("grid", "arms") and x["tolerance"] == rows[0]["tolerance"]
           ] if rows else []  # fmt: skip
    if len(rows) < GRID_SIDE or not own:
        return f"{len(rows)} of {GRID_SIDE} rows so far"
    held = [t["nonzero"] for x in rows for t in x["trials"] if t["accepted"]]
    epochs, seconds = (sum(x["cost"][key] for x in rows) for key in ("epochs", "seconds"))
    cost, nonzero = own[0]["cost"], own[0]["final"]["nonzero"]
    return (
        f"best of the grid {min(held, default=0):,} nonzero, the search {nonzero:,};"
        f" {epochs / cost['epochs']:.1f}x fewer epochs,"
        f" {seconds / cost['seconds']:.1f}x less time in fine-tunes;"
        f" {epochs * (10 / GRID_SIDE) ** 2 / cost['epochs']:.1f}x fewer epochs than 10 x 10"
    )


def beside(by_arm: dict[str, dict[str, Any]]) -> str:
    """How many times larger the other arms that met the target are than the heuristic's result."""
    own = by_arm.get("heuristic")
    others = {arm: x for arm, x in by_arm.items() if arm != "heuristic" and x["status"] == "met"}
    if own is None or own["status"] != "met":
        return "the heuristic has no result that met the target"
    said = []
    for arm, other in others.items():
        mine, theirs = own["final"], other["final"]
        gzip = theirs["bytes"]["tflite_int8_gzip"] / mine["bytes"]["tflite_int8_gzip"]
        nonzero, macs = (theirs[key] / mine[key] for key in ("nonzero", "macs"))
        said.append(f"{arm} {nonzero:.2f}x nonzero, {macs:.2f}x MACs, {gzip:.2f}x int8 gzip")
    return "; ".join(said) or "nothing to compare with yet"


def files_of(model: str, shared: Path) -> list[Path]:
    """The shared files of a model's cells; the built-in digits need none."""
    file, data = MODELS[model]
    found = [shared / "models" / file] if file else []
    return found if model == "digits" else [*found, shared / "data" / data]


BENCH = Bench(
    module="tests.bench.search",
    results=Path(__file__).parent / "results" / "search.jsonl",
    cells=cells(),
    run=run_here,
    needs=lambda cell, shared: files_of(cell.model, shared),
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
