"""``export`` and ``preflight`` as functions of JSON, called in a process of their own.

Owns what an export takes from a run or from data: samples, class names, preprocessing, the uncut
model to compare with, clustered kernels. See :mod:`engine.api` for the callers.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine import jsonio
from engine.errors import EngineFailure, UserError
from engine.export.card import Card
from engine.export.compare import judge
from engine.export.exporter import export_model
from engine.export.parts import write_parts
from engine.export.preflight import preflight as measure_widths
from engine.export.result import Clusters
from engine.export.server import HelperProcess, fresh_checks
from engine.inspection import with_input_shape
from engine.job import DataSpec, Job
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.precision import in_float32
from engine.modelfile.reader import open_model, read_model
from engine.runs import MODEL, REPORT, RunFolder
from engine.search.context import Opened, loss_of, open_data
from engine.search.samples import CHECK_SAMPLES, write_export_samples
from engine.training.evaluate import predict_outputs


def export(payload: dict[str, Any]) -> dict[str, Any]:
    """Save in a checked format; see :func:`engine.api.export`."""
    folder = _run_of(Path(payload["source"]))
    job = _job(payload, folder)
    with tempfile.TemporaryDirectory(prefix="secateur-") as temporary:
        scratch = Path(temporary)
        opened = None
        if job.data.source:
            file, weights = open_model(Path(job.model), **_given(job))
            opened = open_data(job, file, weights)
        samples, card = None, None
        if opened is not None:
            samples = scratch / "samples.npz"
            write_export_samples(opened.data, opened.preprocess, samples)
            card = Card(class_names=tuple(opened.data.class_names), preprocess=opened.preprocess)
        source, clusters = exportable(job, scratch), None
        if payload["cluster"] is not None:
            source, clusters = clustered(job, opened, int(payload["cluster"]), scratch)
        with HelperProcess() as helper:
            result = export_model(
                source, payload["to"], Path(payload["out"]), quantize=payload["quantize"],
                sparse=payload["sparse"], io=payload["io"], samples=samples, card=card,
                dense=_uncut(folder, job, scratch), force=payload["force"],
                metric=None if opened is None else opened.measure.name,
                input_shape=payload["input_shape"], caller=fresh_checks(helper.call),
            )  # fmt: skip
    answer = jsonio.to_plain(replace(result, cluster=clusters))
    if not isinstance(answer, dict):
        raise EngineFailure("export.answer", "The export gave no answer.")
    if folder is not None:
        _note(folder, answer)
    return answer


def preflight(payload: dict[str, Any]) -> dict[str, Any]:
    """What pruning can gain; see :func:`engine.api.measure_gain`."""
    job = Job(
        model=payload["model"], data=DataSpec(source=""), weights=payload["weights"],
        custom=payload["custom"],
    )  # fmt: skip
    file, weights = open_model(Path(job.model), **_given(job))
    graph = in_float32(file.graph)
    if payload["input_shape"] is not None:
        graph = with_input_shape(graph, tuple(payload["input_shape"]))
    with HelperProcess() as helper:
        found = measure_widths(graph, weights, caller=helper.call)
    return {"schema": 1, "model": Path(payload["model"]).name, **jsonio.to_plain(found)}


def exportable(job: Job, scratch: Path) -> Path:
    """What is exported: the file itself, or its parts where one file does not tell everything."""
    source, given = Path(job.model), _given(job)
    if source.is_file() and not any(given.values()):
        read_model(source)
        return source
    file, weights = open_model(source, **given)
    return _parts(scratch / source.stem, file.graph, weights)


def _run_of(source: Path) -> RunFolder | None:
    """The run folder that was named; None where a model was.

    Raises
    ------
    UserError
        Where the run has no model yet.
    """
    if not (source.is_dir() and (source / "job.json").is_file()):
        return None
    if not (source / MODEL).is_file():
        raise UserError(
            "run.no_model",
            f"This run has no accepted model yet: {source}.",
            "Let the search go on first, with 'secateur resume'.",
        )
    return RunFolder.open(source)


def _job(payload: dict[str, Any], folder: RunFolder | None) -> Job:
    """Model and data of the export, as a job; an empty source of data where there are none."""
    data = payload["data"]
    if folder is None:
        return Job(
            model=payload["source"], data=DataSpec(source=data or ""),
            weights=payload["weights"], custom=payload["custom"],
        )  # fmt: skip
    job, baseline = folder.job(), folder.state().baseline
    metric = job.goal.metric if baseline is None else baseline.metric
    return Job(
        model=str(folder.path / MODEL),
        data=job.data if data is None else DataSpec(source=data),
        goal=replace(job.goal, target=None, metric=metric),
        custom=payload["custom"] or job.custom,
    )


def _uncut(folder: RunFolder | None, job: Job, scratch: Path) -> Path | None:
    """The model before pruning; the model itself where there was no run; None where it is gone."""
    if folder is None:
        return exportable(job, scratch / "uncut") if job.weights or job.custom else Path(job.model)
    before = folder.job()
    if not Path(before.model).exists():
        return None
    return exportable(before, scratch / "uncut")


def _given(job: Job) -> dict[str, Path | None]:
    return {
        "weights": None if job.weights is None else Path(job.weights),
        "custom": None if job.custom is None else Path(job.custom),
    }


def _parts(folder: Path, graph: LayerGraph, weights: Weights) -> Path:
    folder.mkdir(parents=True)
    write_parts(folder, graph, weights)
    return folder


def clustered(job: Job, opened: Opened | None, values: int, scratch: Path) -> tuple[Path, Clusters]:
    """The model with clustered kernels, its centroids fine-tuned where there are training data."""
    from engine.export.centroids import tune_centroids
    from engine.export.clustering import cluster_weights
    from engine.export.normscale import fold_norm_scales
    from engine.modelfile.rebuild import build

    file, weights = open_model(Path(job.model), **_given(job))
    clustered = cluster_weights(file.graph, fold_norm_scales(file.graph, weights), values=values)
    steps, before, after, whole = 0, None, None, None
    if opened is not None and opened.task.kind != "regression":
        train, check = opened.data.train, opened.data.search.sample(CHECK_SAMPLES)
        model = build(file.graph, weights)
        outputs = predict_outputs(model, check.images, preprocess=opened.transform)
        _, whole = judge(outputs, np.asarray(check.labels), opened.task, opened.measure.name)
        tuned = tune_centroids(
            file.graph, clustered, train.images, train.labels, preprocess=opened.transform,
            loss=loss_of(opened.task, opened.data.ignore_label),
            teacher=predict_outputs(model, train.images, preprocess=opened.transform),
        )  # fmt: skip
        clustered, steps = tuned.clustered, tuned.steps
        before, after = tuned.loss_before, tuned.loss_after
    clusters = Clusters(
        values=max((k.values for k in clustered.kernels), default=0),
        kernels=len(clustered.kernels),
        rmse=clustered.rmse,
        fixed_bytes=clustered.fixed_bytes,
        huffman_bytes=clustered.huffman_bytes,
        steps=steps,
        loss_before=before,
        loss_after=after,
        unclustered_value=whole,
    )
    return _parts(scratch / "clustered", file.graph, clustered.weights), clusters


def _note(folder: RunFolder, answer: dict[str, Any]) -> None:
    """Keep an export of a run for its report, and write that again."""
    from engine.report.page import write_report

    place = Path(answer["path"])
    inside = place.is_relative_to(folder.path)
    shown = place.relative_to(folder.path).as_posix() if inside else place.name
    folder.note_export({**answer, "path": shown})
    if (folder.path / REPORT).is_file():
        write_report(folder)
