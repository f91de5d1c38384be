"""The end of a search: controls, the one reading of the report split, exports.

Owns promise 2 (the report split is read once, for the model the run ends with) and what a run
leaves behind.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from engine import events as ev
from engine import jsonio
from engine.control import EngineControl
from engine.data import Part
from engine.export.exporter import export_model
from engine.modelfile.rebuild import build
from engine.runs import EXPORTS, MODEL, RunFolder
from engine.search.context import Context, Emit
from engine.search.measure import read_verdict
from engine.search.samples import write_export_samples
from engine.search.sizes import SizeMeter
from engine.search.trials import NORM_BATCHES, TrialRunner
from engine.search.verdict import Target
from engine.training.evaluate import predict_outputs
from engine.training.finetune import fine_tune
from engine.training.norms import reestimate_norms

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
    control_model = None
    if best is not None and context.job.controls:
        emit(ev.PhaseStarted(phase="controls"))
        control_model = _dense_fine_tuned(context, runner.arm(best.trial).epochs, control)
    emit(ev.PhaseStarted(phase="report"))
    report = _read_report(context, target, runner, best, control_model, emit, control)
    control.checkpoint()
    emit(ev.PhaseStarted(phase="export"))
    for to in context.job.export:
        _export(context, to, folder, emit, meter)
    return "met" if report.met else "not_met"


def baseline_below(context: Context, target: Target, folder: RunFolder, emit: Emit) -> str:
    """End at once: the model that came in is already below the floor."""
    emit(
        ev.Warned(
            code="baseline.below_floor",
            message=f"The model is below the floor before anything is removed: floor"
            f" {target.floor:.4f}.",
        )
    )
    dense = build(context.candidate.graph, context.candidate.weights)
    folder.save_whole(MODEL, lambda path: dense.save(path, include_optimizer=False))
    return "not_met"


def _dense_fine_tuned(
    context: Context, epochs: int, control: EngineControl
) -> tuple[keras.Model, int]:
    """The dense model after as many epochs of the same fine-tune as the result had."""
    model = build(context.candidate.graph, context.candidate.weights)
    train = context.data.train
    fine_tune(
        model, train.images, train.labels, preprocess=context.transform, loss=context.loss,
        settings=replace(context.settings, epochs=max(1, epochs)), teacher=context.teacher,
        control=control,
    )  # fmt: skip
    reestimate_norms(
        model, train.images, preprocess=context.transform, batches=NORM_BATCHES,
        seed=context.job.seed, control=control,
    )  # fmt: skip
    return model, epochs


def _read_report(
    context: Context,
    target: Target,
    runner: TrialRunner,
    best: ev.TrialDone | None,
    control_model: tuple[keras.Model, int] | None,
    emit: Emit,
    control: EngineControl,
) -> ev.ReportMeasured:
    part, measure = context.data.report, context.measure

    def rows(model: keras.Model, split: Part) -> np.ndarray:
        outputs = predict_outputs(
            model, split.images, preprocess=context.transform, control=control
        )
        return measure.rows(outputs, split.labels)

    dense = rows(build(context.candidate.graph, context.candidate.weights), part)
    final = dense
    if best is not None:
        arm = runner.arm(best.trial).candidate
        final = rows(build(arm.graph, arm.weights), part)
    if control_model is not None:
        model, epochs = control_model
        emit(
            ev.ControlMeasured(
                name="dense_fine_tuned",
                search=measure.value(rows(model, context.data.search)),
                report=measure.value(rows(model, part)),
                epochs=epochs,
            )
        )
    drop = measure.drop(dense, final, LEVEL)
    reading = read_verdict(measure, target, dense, final, level=LEVEL)
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
    )
    emit(event)
    return event


def _export(context: Context, to: str, folder: RunFolder, emit: Emit, meter: SizeMeter) -> None:
    quantize = context.job.quantize if to == "tflite" else "none"
    name = Path(context.job.model).stem + SUFFIXES[to]
    out = folder.path / EXPORTS / name
    with tempfile.TemporaryDirectory(prefix="secateur-") as temporary:
        samples = Path(temporary) / "samples.npz"
        write_export_samples(context.data, context.preprocess, samples)
        result = export_model(
            folder.path / MODEL,
            to,
            out,
            quantize=quantize,
            samples=samples,
            force=True,
        )
    plain = jsonio.to_plain(result)
    plain["path"] = f"{EXPORTS}/{name}"
    emit(ev.Exported(path=plain["path"], result=plain))
