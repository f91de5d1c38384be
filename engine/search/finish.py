"""The end of a search: controls, the one reading of the report split, exports, the result.

Owns promise 2 (the report split is read once, for the model the run ends with) and the order in
which a run's last files are written.
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
from engine.export.exporter import export_model
from engine.modelfile.rebuild import build
from engine.report.result import result_of
from engine.runs import EXPORTS, MODEL, RunFolder
from engine.search.context import Context, Emit
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
    write_result(folder)
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
    emit(ev.PhaseStarted(phase="report"))
    write_result(folder, outcome="not_met")
    return "not_met"


def write_result(folder: RunFolder, *, outcome: str | None = None) -> None:
    """Write ``result.json`` from the journal."""
    state = folder.state()
    if outcome == "not_met":
        state = replace(state, status="not_met")
    folder.write_result(result_of(state))


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
    part, metric = context.data.report, context.metric

    def outputs(model: keras.Model, images: np.ndarray) -> np.ndarray:
        return predict_outputs(model, images, preprocess=context.transform, control=control)

    dense = outputs(build(context.candidate.graph, context.candidate.weights), part.images)
    final = dense
    if best is not None:
        arm = runner.arm(best.trial).candidate
        final = outputs(build(arm.graph, arm.weights), part.images)
    if control_model is not None:
        model, epochs = control_model
        emit(
            ev.ControlMeasured(
                name="dense_fine_tuned",
                search=metric.value(
                    outputs(model, context.data.search.images), context.data.search.labels
                ),
                report=metric.value(outputs(model, part.images), part.labels),
                epochs=epochs,
            )
        )
    value = metric.value(final, part.labels)
    drop = metric.paired_drop(dense, final, part.labels, level=LEVEL)
    if target.given:
        floor, bound = target.floor, metric.one_sided_bound(final, part.labels, level=LEVEL)
        met, confirmed = target.sign * (value - floor) >= 0, target.sign * (bound - floor) >= 0
    else:
        floor = metric.value(dense, part.labels) - target.sign * target.tolerance
        met = drop.value <= target.tolerance + 1e-12
        confirmed = drop.upper_bound <= target.tolerance
    event = ev.ReportMeasured(
        trial=None if best is None else best.trial,
        samples=len(part),
        baseline=metric.value(dense, part.labels),
        baseline_interval=metric.interval(dense, part.labels),
        final=value,
        final_interval=metric.interval(final, part.labels),
        drop=drop.value,
        drop_interval=drop.interval,
        level=LEVEL,
        method=drop.method,
        floor=floor,
        met=met,
        confirmed=confirmed,
        samples_needed=None
        if confirmed
        else metric.samples_needed(dense, final, part.labels, target.tolerance),
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
