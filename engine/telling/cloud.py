"""What the size-accuracy cloud shows, as plain values: points, lines, the range in view.

Pure functions of a :class:`engine.runstate.RunState`; no Qt, no plotting library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from engine.events import Sizes, TrialDone
from engine.runstate import RunState
from engine.telling import sentences, units

Measure = Literal["objective", "nonzero", "macs"]
FOCUS_TOLERANCES = 6.0
"""Points further below the floor than this many tolerances do not widen the view."""

ROOM = 0.06
"""Above and below two clouds, for words at their lines, as a share of their height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A trial in the cloud; ``x`` in the measure's unit, ``y`` the metric. Trial None: baseline."""

    trial: int | None
    name: str
    x: float
    y: float
    kind: Literal["probe", "fine_tune", "baseline"]
    accepted: bool = False
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """All points with the lines; ``low``/``high`` and ``left``/``right`` are the range to show.

    ``unmeasured`` counts trials with a value whose size was not measured in this measure.
    """

    points: tuple[Point, ...]
    target: float | None
    floor: float | None
    measure: Measure
    metric: str | None
    left: float
    right: float
    low: float
    high: float
    unmeasured: int


def x_of(sizes: Sizes | None, measure: Measure) -> float | None:
    """A model's size in a measure; None where it was not measured (or is not positive)."""
    if sizes is None:
        return None
    value: float | None
    match measure:
        case "objective":
            value = sizes.objective
        case "nonzero":
            value = sizes.nonzero
        case "macs":
            value = sizes.macs
    return None if value is None or not math.isfinite(value) or value <= 0 else float(value)


def measures(state: RunState) -> tuple[Measure, ...]:
    """The measures that there are figures for, the best one first."""
    minimise = "size" if state.job is None else state.job.goal.minimise
    found: list[Measure] = []
    accepted = [t.sizes for t in state.trials if t.kind == "fine_tune"]
    same = {"params": "nonzero", "macs": "macs"}.get(minimise)
    if same is None and accepted and all(x_of(s, "objective") is not None for s in accepted):
        found.append("objective")
    found.append("nonzero")
    if state.baseline is not None and state.baseline.sizes.macs:
        found.append("macs")
    if same == "macs" and "macs" in found:
        found.sort(key=lambda m: m != "macs")
    return tuple(found)


def measure_name(state: RunState, measure: Measure) -> str:
    """The axis title of a measure."""
    if measure == "objective":
        minimise = "size" if state.job is None else state.job.goal.minimise
        return sentences.OBJECTIVE_SIZES[minimise]
    return "Non-zero parameters" if measure == "nonzero" else "Multiply-adds per sample"


def measure_value(state: RunState, measure: Measure, value: float | None) -> str:
    """A size in its unit."""
    if measure == "objective":
        minimise = "size" if state.job is None else state.job.goal.minimise
        if minimise == "latency":
            return units.NOT_MEASURED if value is None else f"{value:.3g} ms"
        if minimise in ("size", "file"):
            return units.size(value)
    return units.short_count(value)


def cloud(state: RunState, measure: Measure) -> Cloud:
    """The cloud of a run."""
    points = []
    base = state.baseline
    if base is not None:
        x = x_of(base.sizes, measure)
        if x is not None:
            points.append(Point(trial=None, name="Baseline", x=x, y=base.value, kind="baseline"))
    for trial in state.trials:
        x = x_of(trial.sizes, measure)
        if x is None or trial.value is None or not math.isfinite(trial.value):
            continue
        points.append(
            Point(
                trial=trial.trial,
                name=sentences.trial_name(trial),
                x=x,
                y=trial.value,
                kind="fine_tune" if trial.judged else "probe",
                accepted=trial.accepted,
                best=trial.trial == state.best,
            )
        )
    floor = None if base is None else base.floor
    low, high = _range_y(points, floor, None if base is None else base.tolerance)
    xs = [p.x for p in points]
    room = max((max(xs) / min(xs)) ** 0.25, 1.6) if xs else 1.6
    return Cloud(
        points=tuple(points),
        target=None if base is None else base.target,
        floor=floor,
        measure=measure,
        metric=None if base is None else base.metric,
        left=min(xs, default=1.0) / room,
        right=max(xs, default=10.0) * max(room, 2.4),
        low=low,
        high=high,
        unmeasured=sum(
            t.value is not None and x_of(t.sizes, measure) is None for t in state.trials
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """Another run's cloud in the same measure; ``why_not`` says why it cannot be shown, or None."""

    name: str
    cloud: Cloud | None
    why_not: str | None = None


def overlay(state: RunState, other: RunState, name: str, measure: Measure) -> Overlay:
    """The cloud of another run as far as it may lie over this one's: in the same units."""
    one, two = cloud(state, measure), cloud(other, measure)
    why_not = None
    if None not in (one.metric, two.metric) and one.metric != two.metric:
        why_not = f"{name} is judged by {units.metric_name(two.metric)}"
    elif measure == "objective" and _objective(state) != _objective(other):
        why_not = f"{name} has another objective"
    elif not two.points:
        why_not = f"{name} has no points"
    return Overlay(name=name, cloud=None if why_not else two, why_not=why_not)


def together(one: Cloud, two: Cloud | None) -> tuple[float, float, float, float]:
    """``left``, ``right``, ``low``, ``high`` of the range that shows both."""
    if two is None:
        return one.left, one.right, one.low, one.high
    low, high = min(one.low, two.low), max(one.high, two.high)
    room = ROOM * (high - low)
    return min(one.left, two.left), max(one.right, two.right), low - room, high + room


def _objective(state: RunState) -> tuple[str, str] | None:
    """What the objective's number is of: equal objectives can be set side by side."""
    job = state.job
    return None if job is None else (job.goal.minimise, job.quantize)


def pick(state: RunState, measure: Measure, floor: float) -> TrialDone | None:
    """The smallest fine-tune with a checkpoint that holds a floor other than the run's."""
    base = state.baseline
    sign = 1.0 if base is None or base.higher_is_better else -1.0
    sizes = {
        trial.trial: x
        for trial in state.trials
        if trial.kind == "fine_tune"
        and trial.checkpoint is not None
        and trial.value is not None
        and sign * trial.value >= sign * floor
        and (x := x_of(trial.sizes, measure)) is not None
    }
    return state.trial(min(sizes, key=sizes.__getitem__)) if sizes else None


def _range_y(
    points: list[Point], floor: float | None, tolerance: float | None
) -> tuple[float, float]:
    """The metric's range worth showing: floor, baseline, fine-tunes, and probes not far below."""
    if floor is None:
        return 0.0, 1.0
    reach = FOCUS_TOLERANCES * max(tolerance or 0.0, 0.005)
    near = [p.y for p in points if p.y >= floor - reach] + [floor]
    low, high = min(near), max(near)
    pad = max(0.14 * (high - low), 0.004)
    return low - pad, high + pad
