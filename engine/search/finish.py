"""The end of a search: the one reading of the report split, exports, controls.

Owns promise 2 (the report split is read once, for the model the run ends with) and what a run
leaves behind. The dense control comes last: it may take as long as the search, and whoever does not
want to wait for it stops it and keeps everything else.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl, Stopped
from engine.errors import SecateurError
from engine.export.card import Card
from engine.export.exporter import export_model
from engine.export.parts import write_parts
from engine.export.server import fresh_checks
from engine.modelfile.rebuild import build, weights_of
from engine.runs import EXPORTS, MODEL, RunFolder
from engine.search import halfway
from engine.search.clock import Clock
from engine.search.context import Context, Emit, custom_of
from engine.search.controls import (
    dense_fine_tuned,
    measure_control,
    measure_int8,
    outputs_of_model,
)
from engine.search.kept import prune_checkpoints
from engine.search.measure import read_verdict, values
from engine.search.models import Candidate
from engine.search.samples import write_export_samples
from engine.search.sizes import SizeMeter
from engine.search.trials import TrialRunner
from engine.search.verdict import Target

LEVEL = 0.95
SUFFIXES = {"tflite": ".tflite", "keras": ".keras", "h5": ".h5", "savedmodel": "_savedmodel"}


def finish(
    context: Context,
    target: Target,
    runner: TrialRunner,
    best: ev.TrialDone | None,
    folder: RunFolder,
    emit: Emit,
    control: EngineControl,
    meter: SizeMeter,
    clock: Clock,
) -> str:
    """Close a search with the best trial, or with the baseline where none was accepted.

    Returns
    -------
    str
        ``"met"`` or ``"not_met"``.
    """
    if best is None:
        emit(
            ev.Warned(
                code="nothing.removed",
                message="Nothing could be removed within the tolerance: the model stays as it is.",
            )
        )
        dense = build(context.candidate.graph, context.candidate.weights)
        folder.save_whole(MODEL, lambda path: dense.save(path, include_optimizer=False))
    earlier = folder.state()
    known = {c.name: c.epochs for c in earlier.controls}
    emit(ev.PhaseStarted(phase="report"))
    report = earlier.report
    known_report = report is not None and report.trial == (None if best is None else best.trial)
    if report is None or not known_report:
        report = _read_report(context, target, runner, best, emit, control)
    wanted = best is not None and context.job.controls
    if wanted and "dense_int8" not in known:
        emit(measure_int8("dense_int8", context, context.candidate, meter))
    if not known_report or earlier.latencies is None:
        emit(_latencies(context, runner, best, meter))
    control.checkpoint()
    emit(ev.PhaseStarted(phase="export"))
    there = {event.path for event in earlier.exports} if known_report else set()
    for to in context.job.export:
        name = f"{EXPORTS}/{Path(context.job.model).stem}{SUFFIXES[to]}"
        if name not in there or not (folder.path / name).exists():
            _export(context, to, name, folder, emit, meter)
    epochs = 0 if best is None else max(1, runner.arm(best.trial).epochs)
    if wanted and known.get("dense_fine_tuned") != epochs:
        emit(_dense_control(context, epochs, folder, emit, control, meter, clock))
    halfway.forget(folder)
    prune_checkpoints(folder, emit)
    return "met" if report.met else "not_met"


def _dense_control(
    context: Context,
    epochs: int,
    folder: RunFolder,
    emit: Emit,
    control: EngineControl,
    meter: SizeMeter,
    clock: Clock,
) -> ev.ControlMeasured | ev.Warned:
    """The dense model after as much training; a warning where the person did not wait for it."""
    emit(ev.PhaseStarted(phase="controls"))
    clock.begin_last()
    graph = context.candidate.graph
    try:
        tuned = dense_fine_tuned(context, epochs, folder, control, on_batch=clock.batch)
        sizes = meter.measure(Candidate(graph=graph, weights=weights_of(tuned, graph)))
        outputs = outputs_of_model(context, tuned, control)
        return measure_control("dense_fine_tuned", context, outputs, epochs=epochs, sizes=sizes)
    except Stopped:
        return ev.Warned(
            code="control.stopped",
            message="The control was stopped before its end: the result is whole, but stands"
            " without the uncut model after as much training.",
        )
    except SecateurError as error:
        message = f"The uncut model after as much training was not measured: {error}"
        return ev.Warned(code="control.dense", message=message)


def baseline_below(context: Context, target: Target, folder: RunFolder, emit: Emit) -> str:
    """End at once: the model that came in is already below the floor."""
    emit(
        ev.Warned(
            code="baseline.below_floor",
            message=f"The model does not hold the floor before anything is removed: floor"
            f" {target.floor:.4f}.",
        )
    )
    dense = build(context.candidate.graph, context.candidate.weights)
    folder.save_whole(MODEL, lambda path: dense.save(path, include_optimizer=False))
    return "not_met"


def _read_report(
    context: Context,
    target: Target,
    runner: TrialRunner,
    best: ev.TrialDone | None,
    emit: Emit,
    control: EngineControl,
) -> ev.ReportMeasured:
    part, measure = context.data.report, context.measure

    def read(candidate: Candidate) -> dict[str, np.ndarray]:
        model = build(candidate.graph, candidate.weights)
        return measure.every(outputs_of_model(context, model, control)(part), part.labels)

    every_dense = every_final = read(context.candidate)
    if best is not None:
        every_final = read(runner.arm(best.trial).candidate)
    dense, final = every_dense[measure.name], every_final[measure.name]
    before, after = values(every_dense), values(every_final)
    drop = measure.drop(dense, final, LEVEL)
    searched = None if best is None else best.value
    if searched is None:
        searched = measure.value(context.baseline_rows)
    reading = read_verdict(measure, target, dense, final, searched=searched, level=LEVEL)
    event = ev.ReportMeasured(
        trial=None if best is None else best.trial,
        samples=len(part),
        baseline=measure.value(dense),
        baseline_interval=measure.interval(dense, LEVEL),
        final=measure.value(final),
        final_interval=measure.interval(final, LEVEL),
        drop=drop.value,
        drop_interval=drop.interval,
        level=LEVEL,
        method=drop.method,
        floor=reading.floor,
        met=reading.met,
        confirmed=reading.confirmed,
        samples_needed=reading.samples_needed,
        others={
            name: (before[name], after[name])
            for name in before
            if name in after and name != measure.name
        },
    )
    emit(event)
    return event


def _latencies(
    context: Context, runner: TrialRunner, best: ev.TrialDone | None, meter: SizeMeter
) -> ev.Event:
    """Time the model before and after side by side, as float32 TFLite files."""
    after = context.candidate if best is None else runner.arm(best.trial).candidate
    try:
        baseline, final = meter.latencies([context.candidate, after])
    except SecateurError as error:
        return ev.Warned(code="latency", message=f"Latency was not measured: {error}")
    return ev.LatenciesMeasured(baseline=baseline, final=final)


def _export(
    context: Context, to: str, name: str, folder: RunFolder, emit: Emit, meter: SizeMeter
) -> None:
    """Write and check an export as ``name`` in the run folder."""
    quantize = context.job.quantize if to == "tflite" else "none"
    out = folder.path / name
    with tempfile.TemporaryDirectory(prefix="secateur-") as temporary:
        samples, dense = Path(temporary) / "samples.npz", Path(temporary) / "dense"
        write_export_samples(context.data, context.preprocess, samples)
        dense.mkdir()
        write_parts(dense, context.candidate.graph, context.candidate.weights)
        result = export_model(
            folder.path / MODEL, to, out, quantize=quantize, samples=samples, dense=dense,
            custom=custom_of(context.job),
            card=Card(
                class_names=tuple(context.data.class_names), preprocess=context.preprocess
            ),
            force=True, metric=context.measure.name, caller=fresh_checks(meter.call),
        )  # fmt: skip
    plain = jsonio.to_plain(result)
    plain["path"] = name
    emit(ev.Exported(path=plain["path"], result=plain))
