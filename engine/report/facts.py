"""What the report says, as sentences and tables of text: everything but its looks.

Owns which figures stand in a report and in which order. Pure functions of a run's record; words
and units are :mod:`engine.telling`'s. Paths of the computer it ran on are left out, so that a
report can be handed on.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from engine import events as ev
from engine.job import Job
from engine.report.files import DASH, Pairs, Table, latency_words
from engine.runstate import RunState
from engine.telling import sentences, units
from engine.telling.ending import drop_interval, drop_word, end_numbers, end_words
from engine.telling.layers import zero_share
from engine.telling.record import LogEvent, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A line of the decision log; ``kind`` is a class of the style sheet."""

    kind: str
    text: str


def goal_words(job: Job, state: RunState) -> str:
    """What was asked for, as one sentence."""
    base = state.baseline
    metric = job.goal.metric if base is None else base.metric
    name = PurePath(job.model).stem if state.model is None else state.model.name
    help_words = sentences.OBJECTIVE_HELP[job.goal.minimise].partition(": ")[2]
    words = (
        f"Make {name} as {sentences.OBJECTIVES[job.goal.minimise]} as possible ({help_words}),"
        f" keeping {units.metric_name(metric)}"
    )
    tolerance = units.metric_difference(job.goal.tolerance, metric)
    if base is None:
        return f"{words} within {tolerance} of its target."
    floor = units.metric_value(base.floor, metric)
    side = "or more" if base.higher_is_better else "or less"
    origin = "the baseline's" if base.target_from == "baseline" else "the target of"
    target = units.metric_value(base.target, metric)
    return f"{words} at {floor} {side}: {origin} {target} with a tolerance of {tolerance}."


def goal_pairs(job: Job) -> Pairs:
    """How the search was asked for."""
    limits = [
        None if job.budget.epochs is None else f"{units.plural(job.budget.epochs, 'epoch')} each",
        None
        if job.budget.max_trials is None
        else f"at most {units.plural(job.budget.max_trials, 'fine-tune')}",
        None if job.budget.time_s is None else f"at most {units.duration(job.budget.time_s)}",
    ]
    return (
        ("Strategy", sentences.STRATEGIES[job.strategy]),
        ("Criterion", sentences.CRITERIA.get(job.criterion, PurePath(job.criterion).name)),
        ("Quantisation", sentences.QUANTIZE[job.quantize]),
        ("Budget", ", ".join(x for x in limits if x) or "the program's own"),
        ("Seed", str(job.seed)),
    )


def before_after(state: RunState) -> Table:
    """Every size of the model before and after, and how many times smaller."""
    base, best = state.baseline, state.best_trial
    old = None if base is None else base.sizes
    new = old if best is None else best.sizes
    rows = [
        _change("Parameters", old, new, "params", units.count),
        _change("Non-zero parameters", old, new, "nonzero", units.count),
        _change("Multiply-adds per sample", old, new, "macs", units.count),
        _change(".keras file", old, new, "keras_bytes", units.size),
        _change("TFLite file, float32", old, new, "tflite_bytes", units.size),
        _change("TFLite file, float32, as gzip", old, new, "tflite_gzip_bytes", units.size),
        _change("TFLite file, int8", old, new, "tflite_int8_bytes", units.size),
        _change("TFLite file, int8, as gzip", old, new, "tflite_int8_gzip_bytes", units.size),
    ]
    if state.latencies is not None:
        one, two = state.latencies.baseline, state.latencies.final
        rows.append(
            (
                "Latency, float32 TFLite, median (90th percentile)",
                latency_words(one), latency_words(two),
                units.times(one.median, two.median) or DASH,
            )
        )  # fmt: skip
    return Table(head=("", "Before", "After", "Times less"), rows=tuple(rows))


def accuracy(state: RunState) -> Table:
    """Baseline, controls and final model on both splits, with intervals."""
    base, report, best = state.baseline, state.report, state.best_trial
    metric = None if base is None else base.metric
    rows: list[tuple[str, ...]] = []

    def row(
        name: str,
        search: float | None,
        found: float | None,
        interval: tuple[float, float] | None,
    ) -> None:
        low, high = (None, None) if interval is None else interval
        rows.append(
            (
                name, units.metric_value(search, metric), units.metric_value(found, metric),
                units.interval(low, high, metric),
            )
        )  # fmt: skip

    if base is not None:
        row(
            "Before: the model as it came", base.value,
            None if report is None else report.baseline,
            None if report is None else report.baseline_interval,
        )  # fmt: skip
    for control in state.controls:
        name = sentences.CONTROLS.get(control.name, control.name)
        row(f"Control: {name[:1].lower()}{name[1:]}", control.search, control.report,
            control.interval)  # fmt: skip
    if base is not None:
        row(
            "After: the model of this run", base.value if best is None else best.value,
            None if report is None else report.final,
            None if report is None else report.final_interval,
        )  # fmt: skip
    return Table(head=("", "Search split", "Report split", "95 % interval, report"),
                 rows=tuple(rows))  # fmt: skip


def beside(state: RunState) -> Table:
    """The task's other metrics on the report split, before and after."""
    others = {} if state.report is None else state.report.others
    rows = [
        (units.metric_name(name), *(units.metric_value(value, name) for value in both))
        for name, both in others.items()
    ]
    return Table(head=("Beside it, report split", "Before", "After"), rows=tuple(rows))


def decisions(record: Record) -> tuple[Decision, ...]:
    """The decision log in the window's own sentences."""
    base = record.state.baseline
    metric = None if base is None else base.metric
    return tuple(
        Decision(kind=_kind(event), text=_sentence(event, metric, first=index == 0))
        for index, event in enumerate(record.log)
    )


def layer_table(state: RunState) -> Table:
    """Every layer with parameters: channels, zeros, parameters and multiply-adds."""
    before = {} if state.model is None else {s.name: s for s in state.model.layers}
    rows = []
    for layer in state.layers:
        old = before.get(layer.name, layer)
        if not layer.params and not old.params:
            continue
        channels = DASH
        if layer.channels is not None and layer.channels_kept is not None:
            channels = _arrow(f"{layer.channels}", f"{layer.channels_kept}")
        share = zero_share(layer)
        rows.append(
            (
                layer.name, layer.class_name,
                layer.reason or ("" if layer.group is None else layer.group),
                channels, DASH if share is None else units.percent(share),
                _arrow(units.count(old.params), units.count(layer.params)),
                DASH if not layer.macs and not old.macs
                else _arrow(units.short_count(old.macs), units.short_count(layer.macs)),
            )
        )  # fmt: skip
    head = ("Layer", "Kind", "Group, or why it is not cut", "Channels", "Zero weights",
            "Parameters", "Multiply-adds")  # fmt: skip
    return Table(head=head, rows=tuple(rows), words=3)


def provenance(job: Job, state: RunState) -> Pairs:
    """Model, data, machine and versions, with hashes."""
    model, data = state.model, state.data
    pairs = [("Run", state.run_id or "")]
    if state.started_at is not None:
        when = datetime.datetime.fromtimestamp(state.started_at, datetime.UTC)
        pairs.append(("Begun", f"{when:%Y-%m-%d %H:%M} UTC"))
    if model is not None:
        pairs.append(("Model", f"{PurePath(job.model).name} ({model.format})"))
        pairs.append(("SHA-256 of the model", model.sha256 or units.NOT_MEASURED))
    if data is not None:
        pairs += [
            ("Data", PurePath(data.source).name),
            ("SHA-256 of the data", data.sha256 or units.NOT_MEASURED),
            (
                "Samples",
                f"{data.train:,} to train, {data.search:,} to search, {data.report:,} to report",
            ),
            ("Task", data.task.replace("_", " ")),
            ("Preprocessing", data.preprocess),
            ("Trained on these images before", _SEEN[data.seen]),
        ]
    pairs.append(("Machine", state.device or units.NOT_MEASURED))
    pairs.append(("Versions", ", ".join(f"{k} {v}" for k, v in state.versions.items())))
    return tuple(pairs)


def data_notes(state: RunState) -> tuple[str, ...]:
    """What was recognised or assumed about model and data."""
    model = () if state.model is None else state.model.warnings
    return (*model, *(() if state.data is None else state.data.notes))


def measured(state: RunState) -> Pairs:
    """How each kind of figure was got."""
    report, latencies = state.report, state.latencies
    metric = _metric(state)
    name = units.metric_head(metric)
    search = "the search split" if state.data is None else (
        f"{units.plural(state.data.search, 'image')} of the search split"
    )  # fmt: skip
    pairs = [
        (
            f"{name}, search split",
            f"Measured on {search}, which steered the search: of many models tried on them the"
            " best was kept, so these values are a little too good.",
        )
    ]
    if report is not None:
        pairs.append(
            (
                f"{name}, report split",
                f"Measured on {units.plural(report.samples, 'image')} that neither training nor"
                f" the search used; read {_times_words(state.report_reads)}. The intervals hold"
                f" {units.percent(report.level, 0)}; that of the {drop_word(metric)}"
                f" ({drop_interval(report.drop_interval, metric)}) compares both models on"
                f" the same images ({report.method}).",
            )
        )
    pairs += [
        (
            "Parameters, zeros",
            "Counted in the saved model: Keras's count of parameters, statistics of norms"
            " included; non-zero is that less the exact zeros in kernels.",
        ),
        (
            "Multiply-adds",
            "Computed from the layers' shapes, for one sample: convolutions and dense layers.",
        ),
        (
            "Sizes",
            "Bytes of files that were written, KB and MB of 1000; gzip is level 9. The int8 file"
            " that a search measures is calibrated on random input, which does not change its"
            " size.",
        ),
    ]
    if latencies is not None:
        pairs.append(
            (
                "Latency",
                "TFLite at batch 1 in LiteRT on the machine named above, median and 90th"
                f" percentile of {latencies.final.runs} runs after a warm-up,"
                f" {units.plural(latencies.final.threads, 'thread')}, all files in turn in one"
                " process. Other machines were not measured.",
            )
        )
    pairs.append(
        (
            "Exports",
            "Each file was opened again by a fresh process with the library that will use it, run"
            " on at most 512 images of the search split and compared with the Keras model; only"
            " then was it moved to its place. The uncut model's files took turns with it.",
        )
    )
    return tuple(pairs)


def headline_numbers(state: RunState) -> Pairs:
    """The few figures that a reader wants first."""
    return end_numbers(state)


def verdict(state: RunState) -> str:
    """Met or not, on how many samples, and what it cost."""
    words = end_words(state)
    if not state.live or state.report is not None:
        return words
    return f"The run has not ended: these figures are of the search split. {words}"


_SEEN = {
    "no": "no",
    "yes": "yes: every figure is of images that the model was trained on",
    "unknown": "unknown: these may be images that the model was trained on",
}


def _change(name: str, old: ev.Sizes | None, new: ev.Sizes | None, field: str, say: Any) -> Any:
    before = None if old is None else getattr(old, field)
    after = None if new is None else getattr(new, field)
    return name, say(before), say(after), units.times(before, after) or DASH


def _arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} \u2192 {after}"


def _kind(event: LogEvent) -> str:
    match event:
        case ev.PhaseStarted():
            return "phase"
        case ev.TrialDone():
            if not event.judged:
                return "probe"
            return "accepted" if event.accepted else "rejected"
        case ev.Warned():
            return "warned"
        case _:
            return "plain"


def _sentence(event: LogEvent, metric: str | None, *, first: bool) -> str:
    if isinstance(event, ev.RunStarted) and not first:
        return sentences.resumed(event)
    return sentences.sentence(event, metric)


def _metric(state: RunState) -> str | None:
    return None if state.baseline is None else state.baseline.metric


def _times_words(reads: int) -> str:
    return {1: "once", 2: "twice"}.get(reads, f"{reads} times")
