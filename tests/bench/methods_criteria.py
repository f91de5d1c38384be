"""Criteria at one budget, thresholds and penalties of filter skeletons, and what each step costs.

    python -m tests.bench.methods_criteria [--shared DIR] [--list] [CELL ...]

A cell takes some minutes on two quiet cores. Each finished one is appended to
``results/methods_criteria.jsonl`` and not run again (``--again`` does). All cells of a model have
the same training images, epochs and settings; values are of the report split. ``--summary`` prints
the tables of what is there.

``criteria``: every group cut to the same share of its channels, ranked by one criterion, then
fine-tuned. ``skeleton``: trainings with filter skeletons for a ladder of factors, each followed by
taking dead filters away: dynamic thresholds against one for all, penalties against each other.
``cost``: steps of each method in turn with those of a plain fine-tune.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine import jsonio
from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.control import EngineControl
from engine.criteria import score
from engine.job import DataSpec, Job
from engine.modelfile.rebuild import build, weights_of
from engine.search.context import Context
from engine.search.models import Candidate, reached_keep, without_dead
from engine.search.phases import Phases, gradients_of
from engine.sparsity.levels import prunable_weights, sparsity_of, total_sparsity
from engine.sparsity.skeleton import PenaltyKind, Skeletons, SkeletonSettings, pull_for
from engine.training.evaluate import predict_outputs
from engine.training.finetune import fine_tune
from engine.training.norms import reestimate_norms
from engine.training.settings import steps_per_epoch
from tests.bench.cells import Bench, table
from tests.bench.environment import describe
from tests.bench.search import small_net

MODELS = {
    "vgg_fashion": ("vgg_fashion.keras", "fashion_mnist.npz"),
    "mobilenet_fashion": ("mobilenet_fashion.h5", "fashion_mnist.npz"),
    "resnet20_cifar10": ("resnet20_cifar10.h5", "cifar10.npz"),
    "densenet22_fashion": ("densenet22_fashion.keras", "fashion_mnist.npz"),
    "small": ("", "fashion_mnist.npz"),
}
CRITERIA = (
    "auto", "gamma", "norm", "gamma-norm", "taylor", "random", "importance", "skeleton", "greedy",
    "gate",
)  # fmt: skip
FREE = ("gamma", "norm", "gamma-norm", "taylor", "random")
"""Those that cost nothing or next to nothing, also on other models."""
DEFAULTS = ("auto", "gamma", "norm", "gamma-norm")
"""The default and what might be one instead; on a DenseNet, and on small nets by seed."""

ARMS: dict[str, tuple[PenaltyKind, bool]] = {
    "mixed-dynamic": ("mixed", True),
    "mixed-uniform": ("mixed", False),
    "l1-dynamic": ("l1", True),
}
THETAS = (0.1, 0.2, 0.35)
SIZES = ("nonzero", "macs")
SEEDS, OTHER_SEEDS = 6, 3
KEEP = 0.3
SUBSET, EPOCHS = 6_000, 2
SMALL_JUDGED = 10_000
"""Images of a small net that halve into search and report split."""
COST_STEPS, COST_ROUNDS = 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One measurement; ``keep`` is the share of each group's channels that a cut leaves."""

    table: str
    model: str
    arm: str
    keep: float = 1.0
    seed: int = 0
    subset: int = SUBSET
    epochs: int = EPOCHS

    @property
    def name(self) -> str:
        """Its name on the command line and in the results."""
        return f"{self.table}/{self.model}/{self.arm}/k{self.keep:g}/s{self.seed}"


def cells() -> list[Cell]:
    """All cells, those that say most first."""
    found = [Cell(table="cost", model="vgg_fashion", arm="step")]
    for seed in range(SEEDS):
        found += [
            Cell(table="skeleton", model="vgg_fashion", arm="curves", seed=seed, epochs=4),
            Cell(table="skeleton", model="small", arm="curves", seed=seed, epochs=4),
        ]
        found += [
            Cell(table="criteria", model="vgg_fashion", arm=arm, keep=KEEP, seed=seed)
            for arm in CRITERIA
        ]
    for seed in range(OTHER_SEEDS):
        found += [
            Cell(table="criteria", model=model, arm=arm, keep=KEEP, seed=seed)
            for model in ("mobilenet_fashion", "resnet20_cifar10")
            for arm in FREE
        ]
    for seed in range(SEEDS):
        found += [
            Cell(table="criteria", model="small", arm=arm, keep=KEEP, seed=seed) for arm in DEFAULTS
        ]
        if seed < OTHER_SEEDS:
            found += [
                Cell(table="criteria", model="densenet22_fashion", arm=arm, keep=KEEP, seed=seed)
                for arm in DEFAULTS
            ]
    return found


def needs(cell: Cell, shared: Path) -> Sequence[Path]:
    """The model and the data of a cell."""
    model, data = MODELS[cell.model]
    places = (shared / "models" / model if model else None, shared / "data" / data)
    return [place for place in places if place is not None]


def _files(cell: Cell, shared: Path, scratch: Path) -> tuple[Path, str]:
    """Model and data source of a cell."""
    model, data = MODELS[cell.model]
    if cell.model == "small":
        return small_net(shared / "data" / data, cell.seed, scratch, SMALL_JUDGED)
    return shared / "models" / model, str(shared / "data" / data)


def context_of(cell: Cell, shared: Path, scratch: Path) -> Context:
    """What a search would know of the model, without teacher and changes of images."""
    from engine import events as ev
    from engine.channels.trace import trace
    from engine.search import context as room
    from engine.search.augmenting import Augmenting
    from engine.training.settings import default_settings

    model, source = _files(cell, shared, scratch)
    job = Job(
        model=str(model), data=DataSpec(source=source, seen="no"), seed=cell.seed,
        criterion=cell.arm if cell.table == "criteria" else "auto",
    )  # fmt: skip
    file, weights = room.open_files(job)
    opened = room.open_data(job, file, weights)
    whole = opened.data
    opened = replace(opened, data=replace(whole, train=whole.train.sample(cell.subset)))
    settings = default_settings(
        file.compile_config, epochs=cell.epochs, samples=cell.subset, seed=cell.seed
    )
    return Context(
        job=job, file=file, candidate=Candidate(graph=file.graph, weights=weights),
        channels=trace(file.graph), data=opened.data, task=opened.task, measure=opened.measure,
        preprocess=opened.preprocess, transform=opened.transform,
        loss=room.loss_of(opened.task), settings=replace(settings, distill=0.0), teacher=None,
        baseline_rows=np.zeros(0),
        augmenting=Augmenting(event=ev.AugmentationChosen(chosen=()), apply=None),
    )  # fmt: skip


def run(cell: Cell, shared: Path) -> dict[str, Any]:
    """One cell in this process."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="secateur-bench-") as scratch:
        context = context_of(cell, shared, Path(scratch))
    kinds: dict[str, Callable[[Cell, Context], dict[str, Any]]] = {
        "criteria": by_criterion, "skeleton": skeleton_curves, "cost": step_costs,
    }  # fmt: skip
    figures = kinds[cell.table](cell, context)
    return {
        "cell": cell.name, **asdict(cell), **figures, "seconds": time.monotonic() - began,
        "load": os.getloadavg()[0], "environment": jsonio.to_plain(describe()),
    }  # fmt: skip


def by_criterion(cell: Cell, context: Context) -> dict[str, Any]:
    """The value of a uniform cut by one criterion, before and after the fine-tune."""
    candidate, control = context.candidate, EngineControl(lambda _: None)
    cpu = time.process_time()
    scores = score(
        cell.arm, candidate.graph, candidate.weights, context.channels, seed=cell.seed,
        gradients=gradients_of(context, candidate, control),
        measured=Phases(context, control).of(candidate),
    )  # fmt: skip
    scoring_cpu_s = time.process_time() - cpu
    missing = [g.id for g in context.channels.groups if g.prunable and g.id not in scores]
    plan = plan_uniform(context.channels, scores, cell.keep)
    made = cut(candidate.graph, candidate.weights, context.channels, plan)
    narrow = Candidate(graph=made.graph, weights=made.weights)
    model = build(narrow.graph, narrow.weights)
    before = _value(model, context)
    cpu = time.process_time()
    _tune(model, context)
    return {
        "groups_without_score": missing, "scoring_cpu_s": scoring_cpu_s,
        "training_cpu_s": time.process_time() - cpu, "value_cut": before,
        "value": _value(model, context), **_sizes(context, narrow),
    }  # fmt: skip


def skeleton_curves(cell: Cell, context: Context) -> dict[str, Any]:
    """Trainings with skeletons by arm and factor, and one without, as long, beside them."""
    model = build(context.candidate.graph, context.candidate.weights)
    _tune(model, context)
    return {
        "value": _value(model, context), **_sizes(context, context.candidate),
        "points": [
            {"arm": arm, "theta": theta, **_with_skeletons(cell, context, arm, theta)}
            for arm in ARMS
            for theta in THETAS
        ],
    }  # fmt: skip


def _with_skeletons(cell: Cell, context: Context, arm: str, theta: float) -> dict[str, Any]:
    penalty, dynamic = ARMS[arm]
    graph = context.candidate.graph
    model = build(graph, context.candidate.weights)
    steps = cell.epochs * steps_per_epoch(len(context.data.train), context.settings.batch_size)
    pull = pull_for(theta, steps, context.settings, penalty)
    settings = SkeletonSettings(theta=theta, pull=pull, penalty=penalty, dynamic=dynamic)
    skeletons = Skeletons(model, context.channels, settings)
    _tune(model, context, beside=skeletons)
    skeletons.finish()
    left = np.concatenate([np.abs(v.numpy()).ravel() for v in skeletons.variables])
    value = _value(model, context)
    swept = without_dead(Candidate(graph=graph, weights=weights_of(model, graph)), context.channels)
    return {
        "value": value, **_sizes(context, swept), "stripes_left": float((left > 0).mean()),
        "entries": np.quantile(left, (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)).tolist(),
    }  # fmt: skip


def step_costs(cell: Cell, context: Context) -> dict[str, Any]:
    """CPU seconds of a training step by method, in turn with a plain one: medians and ratios."""
    from tests.bench.methods_steps import steps_of

    steps = steps_of(context)
    rounds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(COST_ROUNDS):
        for name, step in steps.items():
            cpu = time.process_time()
            for _ in range(COST_STEPS):
                step()
            rounds[name].append((time.process_time() - cpu) / COST_STEPS)
    medians = {name: statistics.median(found) for name, found in rounds.items()}
    return {
        "step_cpu_s": medians,
        "of_plain": {name: value / medians["plain"] for name, value in medians.items()},
    }


def _tune(model: keras.Model, context: Context, **more: Any) -> None:
    train = context.data.train
    fine_tune(
        model, train.images, train.labels, preprocess=context.transform, loss=context.loss,
        settings=context.settings, **more,
    )  # fmt: skip


def _value(model: keras.Model, context: Context) -> float:
    """On the report split, by which nothing here is chosen, after norms were estimated anew."""
    reestimate_norms(model, context.data.train.images, preprocess=context.transform)
    part = context.data.report
    outputs = predict_outputs(model, part.images, preprocess=context.transform)
    return context.measure.value(context.measure.rows(outputs, part.labels))


def _sizes(context: Context, candidate: Candidate) -> dict[str, Any]:
    from engine.channels.cost import cost

    keys = prunable_weights(candidate.graph)
    reached = sparsity_of(candidate.weights, keys)
    return {
        "keep": reached_keep(candidate, context.channels),
        "sparsity": total_sparsity(reached),
        "params": candidate.graph.params,
        "nonzero": candidate.graph.params - sum(r.zeros for r in reached.values()),
        "macs": cost(candidate.graph).macs,
    }


def at_value(points: Sequence[dict[str, Any]], value: float, key: str) -> float | None:
    """A size at a value, on the line through the logarithms of two points' sizes around it."""
    found = sorted(points, key=lambda point: float(point["value"]))
    values = [point["value"] for point in found]
    if not values[0] <= value <= values[-1]:
        return None
    return float(np.exp(np.interp(value, values, [np.log(point[key]) for point in found])))


def summary(lines: Sequence[dict[str, Any]]) -> None:
    """A table of each kind; what differs by less than two standard errors is noise."""
    rows = [("criterion", "points", "above random", "nonzero", "MACs", "scoring CPU s", "seeds")]
    for model in MODELS:
        rows += _criteria_rows(
            [x for x in lines if (x["table"], x["model"]) == ("criteria", model)]
        )
    table(rows)
    skeletons = [x for x in lines if x["table"] == "skeleton"]
    rows = [("skeletons", "theta", "points", "keep", "nonzero", "stripes left")]
    for model in sorted({x["model"] for x in skeletons}):
        of_model = [x for x in skeletons if x["model"] == model]
        rows.append((model, "0", _mean([100 * x["value"] for x in of_model]), "1", "", ""))
        for index, point in enumerate(of_model[0]["points"]):
            found = [x["points"][index] for x in of_model]
            rows.append((
                f"{model}, {point['arm']}", f"{point['theta']:g}",
                _mean([100 * p["value"] for p in found]),
                *(f"{statistics.fmean(p[k] for p in found):{f}}"
                  for k, f in (("keep", ".2f"), ("nonzero", ",.0f"), ("stripes_left", ".2f"))),
            ))  # fmt: skip
    table(rows)
    rows = [("at equal value, of mixed-dynamic", "percent more nonzero", "percent more MACs",
             "seeds")]  # fmt: skip
    for model in sorted({x["model"] for x in skeletons}):
        for arm in list(ARMS)[1:]:
            more = [beside(x["points"], arm) for x in skeletons if x["model"] == model]
            counts = [[seed[k] for seed in more if k in seed] for k in SIZES]
            rows.append((f"{model}, {arm}", *map(_mean, counts), str(len(counts[0]))))
    table(rows)
    rows = [("step of", "CPU s", "of plain")]
    for line in (x for x in lines if x["table"] == "cost"):
        rows += [
            (name, f"{value:.3f}", f"{line['of_plain'][name]:.2f}")
            for name, value in line["step_cpu_s"].items()
        ]
    table(rows)


def _criteria_rows(criteria: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each criterion that was measured on a model."""
    values = {(x["arm"], x["seed"]): 100 * x["value"] for x in criteria}
    rows = []
    for arm in CRITERIA:
        of_arm = [x for x in criteria if x["arm"] == arm]
        if not of_arm:
            continue
        seeds = [x["seed"] for x in of_arm if ("random", x["seed"]) in values]
        rows.append((
            f"{of_arm[0]['model']}, {arm}", _mean([100 * x["value"] for x in of_arm]),
            _mean([values[arm, s] - values["random", s] for s in seeds]),
            f"{of_arm[0]['nonzero']:,}", f"{of_arm[0]['macs']:,}",
            f"{statistics.median(x['scoring_cpu_s'] for x in of_arm):.1f}", str(len(of_arm)),
        ))  # fmt: skip
    return rows


def beside(points: Sequence[dict[str, Any]], arm: str) -> dict[str, float]:
    """By how many percent an arm's models are larger than mixed-dynamic ones of equal value.

    The mean over those of its points whose value the others reach; without any, nothing.
    """
    others = [p for p in points if p["arm"] == "mixed-dynamic"]
    found = {}
    for key in SIZES:
        same = [(p[key], at_value(others, p["value"], key)) for p in points if p["arm"] == arm]
        logs = [float(np.log(own / other)) for own, other in same if other is not None]
        if logs:
            found[key] = 100.0 * float(np.expm1(statistics.fmean(logs)))
    return found


def _mean(values: Sequence[float]) -> str:
    """Mean and its standard error."""
    if len(values) < 2:
        return "".join(f"{v:.2f}" for v in values)
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):.2f} +- {error:.2f}"


BENCH = Bench(
    module="tests.bench.methods_criteria",
    results=Path(__file__).parent / "results" / "methods_criteria.jsonl",
    cells=cells(),
    run=run,
    needs=needs,
    summary=summary,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
