"""Engine events as sentences: words for codes, phases, objectives and outcomes.

Pure functions of data to text. A code that this version does not know is shown as it is, with its
numbers: nothing is hidden and nothing breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from engine import events as ev
from engine.effort import Effort
from engine.errors import ErrorInfo
from engine.job import (
    Allocation,
    ClassWeight,
    ImportanceInit,
    Minimise,
    Quantize,
    SparseFor,
    Strategy,
)
from engine.runstate import RunState
from engine.telling import units
from engine.telling.record import LogEvent

Numbers: TypeAlias = Mapping[str, float | int | str | None]

PHASES: Final[dict[str, str]] = {
    "opening": "Opening the model",
    "data": "Reading the data",
    "baseline": "Measuring the baseline",
    "sensitivity": "Measuring sensitivity",
    "channels": "Removing channels",
    "weights": "Zeroing weights",
    "trade_off": "Balancing channels and weights",
    "quantize": "Rounding and quantising",
    "controls": "Training the control",
    "report": "Reading the report split",
    "export": "Exporting and checking",
}
OBJECTIVES: Final[dict[Minimise, str]] = {
    "size": "small",
    "file": "small on disk",
    "params": "sparse",
    "macs": "light to compute",
    "latency": "fast",
}
OBJECTIVE_HELP: Final[dict[Minimise, str]] = {
    "size": "small: bytes of the TFLite file after gzip",
    "file": "small on disk: bytes of the TFLite file as it is",
    "params": "sparse: number of weights that are not zero",
    "macs": "light to compute: multiply-adds for one sample",
    "latency": "fast: median time for one sample on this computer",
}
OBJECTIVE_SIZES: Final[dict[Minimise, str]] = {
    "size": "TFLite after gzip",
    "file": "TFLite file",
    "params": "Non-zero parameters",
    "macs": "Multiply-adds per sample",
    "latency": "Latency",
}
STRATEGIES: Final[dict[Strategy, str]] = {
    "heuristic": "Channels and weights together (default)",
    "three-step": "Three steps, as published by Tian et al. 2022",
    "structured": "Channels only",
    "unstructured": "Weights only",
    "grid": "Grid over both",
    "importance": "Importance weights, after Sawant et al. 2022",
    "skeleton": "Filter skeleton, after Li et al. 2023",
}
CRITERIA: Final[dict[str, str]] = {
    "auto": "Automatic (gamma where there is one)",
    "gamma": "Scale of the batch norm (gamma)",
    "norm": "Size of the weights (L2 norm)",
    "norm-l1": "Sum of the weights' sizes (L1 norm)",
    "gamma-norm": "Gamma times norm",
    "taylor": "Effect on the loss (Taylor)",
    "importance": "Importance weights, trained for it",
    "skeleton": "Filter skeletons, trained for it",
    "greedy": "Loss when a channel goes (slow)",
    "gate": "A trained threshold for each group",
    "random": "Random, as a control",
}
ALLOCATIONS: Final[dict[Allocation, str]] = {
    "sensitivity": "By probed sensitivity (default)",
    "global": "One threshold for all groups",
}
AUGMENTS: Final[dict[str, str]] = {
    "auto": "Automatic: what the model bears, measured",
    "none": "None",
}
SPARSE_FOR: Final[dict[SparseFor, str]] = {
    "size": "A smaller file (default)",
    "speed": "Speed on ARM",
}
CLASS_WEIGHTS: Final[dict[ClassWeight, str]] = {
    "auto": "Automatic: where the metric counts classes alike",
    "none": "None",
    "balanced": "All classes alike",
}
IMPORTANCE_INITS: Final[dict[ImportanceInit, str]] = {
    "ones": "At one (default)",
    "random": "At random",
    "filter-norm": "At the norm of each filter",
}
QUANTIZE: Final[dict[Quantize, str]] = {
    "none": "No, 32-bit floats",
    "float16": "16-bit floats",
    "dynamic": "8-bit weights (dynamic range)",
    "int8": "8-bit integers throughout",
}
STATUSES: Final[dict[str, str]] = {
    "empty": "Not started",
    "running": "Running",
    "paused": "Paused",
    "met": "Floor met",
    "not_met": "Floor not met",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
_RESUMABLE: Final = frozenset({"engine.died", "engine.memory", "engine.bug", "engine.io"})
CONTROLS: Final[dict[str, str]] = {
    "dense_fine_tuned": "The uncut model after the same fine-tuning",
    "dense_int8": "The uncut model in 8-bit integers",
}


def phase(name: str | None) -> str:
    """A phase as the status bar shows it."""
    return "Not started" if name is None else PHASES.get(name, name.replace("_", " "))


def amount(keep: float, sparsity: float, weight_values: int = 0) -> str:
    """How much a trial leaves: "35 % of the channels, 60 % zeros, 15 values a filter"."""
    kept, zero = units.percent(keep, 0), units.percent(sparsity, 0)
    rounded = f", {weight_values} values a filter" if weight_values else ""
    if sparsity <= 0:
        return f"{kept} of the channels{rounded}"
    if keep >= 0.9995:
        return f"{zero} of the weights zero{rounded}"
    return f"{kept} of the channels, {zero} zeros{rounded}"


def trial_name(trial: ev.TrialStarted | ev.TrialDone) -> str:
    """A trial's short name: "Probe 3", "Fine-tune 8", "Rounding 13", "Trimming 15"."""
    if trial.trimmed:
        return f"Trimming {trial.trial}"
    kind = "Rounding" if trial.weight_values else "Probe" if trial.kind == "probe" else "Fine-tune"
    return f"{kind} {trial.trial}"


def started(event: ev.TrialStarted) -> str:
    """Why a trial is tried."""
    what = amount(event.keep, event.sparsity)
    numbers = event.why.numbers
    known = {
        "probe": f"Probing {what} without training.",
        "bracket": f"Trying {what}, to find where the floor breaks.",
        "bisect": f"Trying {what}, between what held and what broke.",
        "warm_start": f"Trying {what}, from the nearest accepted model.",
        "back_off": f"Giving channels back and zeroing more weights instead: {what}.",
        "again": f"That was close: training on as it is, {what}.",
        "quantized": "Judging the model as the quantised file that it will be.",
        "sweep": "Sweeping away channels that the zeros have cut off.",
        "round_weights": (
            f"Rounding each filter's weights to {event.weight_values} values, so that the file"
            " packs smaller."
        ),
        "trim": f"Zeroing weights that the others can make up for, untrained: {what}.",
        "polish": f"Training the best model on as it is: {what}.",
        "notch": f"One notch further: {what}.",
        "cut_on": f"Cutting a little further: {what}.",
        "more_sparsity": f"Zeroing more weights: {what}.",
        "l1_phase": "Training with a pull of the batch-norm scales towards zero, before the cut.",
        "skeleton": "Training with filter skeletons: stripes fall under their thresholds.",
        "importance": "Training a scale for each channel with the net: its importance.",
        "weakest": f"Removing the weakest channels of {numbers.get('group')}, untrained: {what}.",
        "round": f"Every group has broken the tolerance once: training on {what}.",
        "dense_control": "Training the uncut model as long, as a control.",
        "grid": f"Next point of the grid: {what}.",
    }
    text = known.get(event.why.code)
    if text is None:
        text = f"Trying {what} ({_raw(event.why.code, numbers)})."
    parent = f" Starts from fine-tune {event.parent}." if event.parent is not None else ""
    return text if event.kind == "probe" else text + parent


def verdict(event: ev.TrialDone, metric: str | None) -> str:
    """What came of a trial and why it was accepted or not."""
    numbers = event.why.numbers
    value = units.metric_value(_number(numbers, "value", event.value), metric)
    floor = units.metric_value(_number(numbers, "floor", None), metric)
    guard = units.metric_difference(_number(numbers, "guard", None), metric)
    what = amount(event.keep, event.sparsity, event.weight_values)
    below, above = ("above", "below") if units.is_error(metric) else ("below", "above")
    known = {
        "accepted": f"Accepted: {what} keeps {value}, the floor is {floor}.",
        "below_floor": f"Rejected: {what} gives {value}, {below} the floor of {floor}.",
        "inside_guard": (
            f"Rejected: {what} gives {value}, {above} the floor of {floor} by less than the"
            f" margin of error ({guard})."
        ),
        "probe_only": f"Probe: {what}, untrained, gives {value}.",
        "failed": f"Failed: {numbers.get('message') or 'no reason was given'}",
        "stopped": f"Stopped before a verdict: {what}.",
    }
    text = known.get(event.why.code)
    if text is None:
        text = f"{'Accepted' if event.accepted else 'Not accepted'}: {what} gives {value}"
        return f"{text} ({_raw(event.why.code, numbers)})."
    if event.best and event.accepted:
        text += " Best so far."
    planned = numbers.get("planned_epochs")
    if planned is not None:
        text += f" Clear after {event.epochs} of {planned} epochs."
    return text


def sentence(event: LogEvent, metric: str | None = None) -> str:
    """One line of the decision log."""
    match event:
        case ev.RunStarted():
            return f"Search begun on {event.device}."
        case ev.PhaseStarted():
            return phase(event.phase)
        case ev.BaselineMeasured():
            return (
                f"Baseline {units.metric_name(event.metric)}"
                f" {units.metric_value(event.value, event.metric)} on"
                f" {units.plural(event.samples, 'search sample')}; the floor is"
                f" {units.metric_value(event.floor, event.metric)}."
            )
        case ev.GoalSet():
            return new_goal(event, metric)
        case ev.AugmentationChosen():
            return augmentation(event, metric)
        case ev.TrialStarted():
            return started(event)
        case ev.TrialDone():
            return verdict(event, metric)
        case ev.ControlMeasured():
            name = CONTROLS.get(event.name, event.name.replace("_", " "))
            return f"Control. {name}: {units.metric_value(event.search, metric)}."
        case ev.ReportMeasured():
            return (
                f"On the report split: {units.metric_value(event.final, metric)}"
                f" ({units.interval(*event.final_interval, metric)}), baseline"
                f" {units.metric_value(event.baseline, metric)}."
            )
        case ev.Warned():
            return event.message
        case ev.NeedsEstimated():
            return f"The search needs {needs(event)}"
        case ev.EngineDied():
            return engine_died(event)
        case ev.TrialsDropped():
            return (
                "This version of the program searches another way: trials from"
                f" {event.first_trial} on are dropped and run anew."
            )
        case ev.Exported():
            return f"Saved and checked: {event.path}."
        case ev.RunEnded():
            return ended(event)


_CHANGES = {
    "flip": "left-right flips",
    "flip_vertical": "up-down flips",
    "shift": "shifts",
    "crop": "crops",
    "colour": "changes of brightness and contrast",
}


def augmentation(event: ev.AugmentationChosen, metric: str | None = None) -> str:
    """Which random changes fine-tunes use, and why the others are left out."""
    used = ", ".join(_CHANGES.get(name, name) for name in event.chosen)
    left = [name for name in event.drops if name not in event.chosen]
    text = f"Fine-tunes change images by {used}." if used else "Fine-tunes change no images."
    if event.too_few is not None:
        epochs = units.plural(event.too_few, "epoch")
        return f"Fine-tunes of {epochs} change no images: too short to gain by it."
    if left:
        sign = 1.0 if units.is_error(metric) else -1.0
        falls = ", ".join(
            f"{_CHANGES.get(name, name)}"
            f" ({units.metric_difference(sign * event.drops[name], metric, signed=True)})"
            for name in left
        )
        text += f" The model loses too much under {falls}."
    return text


def new_goal(event: ev.GoalSet, metric: str | None) -> str:
    """What a new goal makes of the fine-tunes that are there."""
    goal = event.goal
    kept = f"a tolerance of {units.metric_difference(goal.tolerance, metric)}"
    if goal.target is not None:
        kept = f"{units.metric_value(goal.target, metric)} with {kept}"
    count = len(event.accepted)
    held = "none of the models so far holds" if count == 0 else f"{count} of the models so far hold"
    return f"New goal: {kept}; {held}."


def effort(work: Effort) -> str:
    """What a search may train, at most; nothing of it was measured."""
    fewest, most = work.epochs
    epochs = units.plural(most, "epoch") if fewest == most else f"{fewest} to {most} epochs"
    text = f"Estimated: up to {units.plural(work.fine_tunes, 'fine-tune')} of {epochs} each"
    if work.seconds is None:
        return f"{text}; how long is known once the baseline was measured."
    return f"{text}, {units.duration(work.seconds)} of training on this computer at most."


def needs(event: ev.NeedsEstimated) -> str:
    """What a search will need at most, and what is there."""

    def of(what: str, needed: int, free: int | None) -> str:
        beside = "" if free is None else f" ({units.size(free)} free)"
        return f"{units.size(needed)} of {what}{beside}"

    memory = of("memory", event.memory_bytes, event.memory_free_bytes)
    text = f"up to {memory} and {of('disk', event.disk_bytes, event.disk_free_bytes)}"
    if event.seconds is None:
        return f"{text}."
    return f"{text}; training up to {units.duration(event.seconds)}."


def engine_died(event: ev.EngineDied) -> str:
    """What happened to the engine, and what becomes of the trial it was at."""
    what = "ran out of memory" if event.cause == "memory" else f"crashed (it {event.how})"
    text = f"The engine {what} in trial {event.trial}"
    if event.times > 1:
        return f"{text} again; that trial counts as failed, and the search goes on."
    half = " at half the batch size" if event.cause == "memory" else ""
    return f"{text}; it goes on from the last whole epoch{half}."


def resumed(event: ev.RunStarted) -> str:
    """A start that is not the run's first."""
    return f"Search resumed on {event.device}."


def ended(event: ev.RunEnded) -> str:
    """How a run ended."""
    match event.outcome:
        case "met":
            return "Done: the floor is met."
        case "not_met":
            return "Done: no model met the floor; the nearest is kept."
        case "stopped":
            return "Stopped; the best model so far is kept."
        case "failed":
            return "The engine failed; what was accepted is kept."


def headline(state: RunState) -> str:
    """The end card's first line: what the person now holds."""
    best = state.best_trial
    before = None if state.baseline is None else state.baseline.sizes
    smaller = ""
    if best is not None and best.sizes is not None and before is not None:
        ratio = units.times(before.nonzero, best.sizes.nonzero)
        smaller = f"{ratio} fewer parameters" if ratio else ""
    name = "Your model" if state.model is None else state.model.name
    if smaller:
        return f"{name}, with {smaller}"
    match state.status:
        case "met":
            return f"{name} as it was: nothing smaller met the floor"
        case "not_met":
            return f"No smaller {name} met the floor"
        case "stopped":
            return "Stopped before anything was accepted"
        case "failed":
            return "The engine failed before anything was accepted"
        case _:
            return name


def doing(state: RunState) -> str:
    """What the engine is at between trials; once the result is whole, what it came to."""
    report, base = state.report, state.baseline
    if state.phase != "controls" or report is None or base is None:
        return f"{phase(state.phase)} \u2026"
    return (
        f"{report_verdict(report, base.metric)} The uncut model is now trained as long, to stand"
        " beside the result; Stop leaves that out."
    )


def status(state: RunState) -> str:
    """How a run stands, in a few words."""
    report = state.report
    if state.status == "met" and report is not None and report.confirmed:
        return "Floor met, confirmed"
    return STATUSES[state.status]


def report_verdict(report: ev.ReportMeasured | None, metric: str | None) -> str:
    """Met, confirmed or not, in one or two sentences."""
    if report is None:
        return "The report split was not read."
    floor = units.metric_value(report.floor, metric)
    if report.met and report.confirmed:
        level = units.percent(report.level, 0)
        return f"The floor of {floor} is met, confirmed at {level} confidence."
    need = ""
    if report.samples_needed:
        needed = units.plural(units.rough(report.samples_needed), "report sample")
        need = f" About {needed} would; there are {report.samples:,}."
    if report.met:
        return f"The floor of {floor} is met, but these samples cannot confirm it.{need}"
    unsure = " These samples cannot tell so small a drop." if need else ""
    return f"The floor of {floor} is not met on the report split.{unsure}{need}"


def problem(error: ErrorInfo) -> tuple[str, str]:
    """What went wrong and what to do, for a banner: in the window's verbs, not the terminal's."""
    if error.code in _RESUMABLE:
        return error.message, "Resume goes on from there; Details has the end of the log."
    return error.message, error.hint


def _raw(code: str, numbers: Numbers) -> str:
    shown = ", ".join(f"{key} {_plain(value)}" for key, value in numbers.items())
    return f"{code}: {shown}" if shown else code


def _plain(value: float | int | str | None) -> str:
    if value is None:
        return units.NOT_MEASURED
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(numbers: Numbers, key: str, default: float | None) -> float | None:
    value = numbers.get(key, default)
    return float(value) if isinstance(value, int | float) else default
