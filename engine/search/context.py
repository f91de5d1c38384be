"""What all trials of a search share: model, data, preprocessing, metric, settings, teacher.

Owns how a job becomes that context, telling as it goes. It judges nothing and trains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine import data as rooms
from engine import events as ev
from engine.channels.cost import cost
from engine.channels.floors import with_floors
from engine.channels.groups import Channels
from engine.channels.trace import trace
from engine.control import EngineControl, StepWatch
from engine.data.tf_preprocess import as_tf
from engine.effort import MAX_EPOCHS, MIN_EPOCHS
from engine.errors import UserError
from engine.export.sparse_speed import fast_when_sparse
from engine.job import Job
from engine.modelfile.compiled import compiled_of
from engine.modelfile.graph import LayerGraph, ModelFile, Weights
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build
from engine.search.allocation import Path as WidthPath
from engine.search.augmenting import Augmenting, choose_augmentation, teacher_of
from engine.search.describe import layer_states
from engine.search.measure import Measure
from engine.search.models import Candidate
from engine.sparsity.levels import levels_global, prunable_weights
from engine.sparsity.settings import WeightKey
from engine.training.evaluate import Predictor, batch_for
from engine.training.protocols import BatchTransform, as_is
from engine.training.safe_rate import LOWEST, safe_rate
from engine.training.settings import FineTuneSettings, LossSpec, default_settings

Emit = Callable[[ev.Event], None]

MOST_STEPS = 5000
"""A fine-tune's steps, at most, unless epochs are given."""

MOST_WORK = 2.7e13
"""A fine-tune's :func:`work` over all its images, at most: some minutes on two cores."""

ELEMENT_WORK = 200
"""What moving one activation through memory costs, in multiply-adds, about."""

NORM_BATCHES = 30
"""Batches of training images that norms are re-estimated on (EagleEye, ECCV 2020)."""

DISTILL = 0.5
"""Share of the loss that compares with the dense model (self-distillation, GAP 2018). With 0.8 a
cut VGG is 0.2 points better after one short fine-tune, level after two (``tests.bench.recipe``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model with the data that fit it and the preprocessing that was found."""

    file: ModelFile
    weights: Weights
    model: keras.Model
    data: rooms.LoadedData
    task: rooms.Task
    measure: Measure
    preprocess: rooms.Preprocess
    preprocess_values: dict[str, float]
    notes: tuple[str, ...]
    near_ties: tuple[str, ...] = ()
    label_order: tuple[int, ...] | None = None

    @property
    def transform(self) -> BatchTransform:
        """The preprocessing as TensorFlow operations."""
        transform: BatchTransform = as_tf(self.preprocess)
        return transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """See the module.

    ``baseline_rows`` are the metric's, on search; ``teacher`` has the dense model's answers on the
    training images, ``train_rows`` what the metric counts in them. ``first_rate`` is the learning
    rate that was tried first, which may have been too much for the model. ``path`` is how cuts are
    shared out among groups, None for one threshold. ``step_s`` is how long a training step of the
    uncut model takes, None where it was not timed.
    """

    job: Job
    file: ModelFile
    candidate: Candidate
    channels: Channels
    data: rooms.LoadedData
    task: rooms.Task
    measure: Measure
    preprocess: rooms.Preprocess
    transform: BatchTransform
    loss: LossSpec
    settings: FineTuneSettings
    teacher: np.ndarray | None
    baseline_rows: np.ndarray
    augmenting: Augmenting
    train_rows: np.ndarray | None = None
    first_rate: float = 0.0
    path: WidthPath | None = None
    step_s: float | None = None

    @property
    def epochs(self) -> int:
        """Epochs of one fine-tune."""
        return self.settings.epochs

    def levels(self, candidate: Candidate, sparsity: float) -> dict[WeightKey, float]:
        """Share of zeros by weight that makes ``sparsity`` over all weights that are zeroed."""
        keys = prunable_weights(candidate.graph)
        if self.job.sparse_for == "speed":
            fast = set(fast_when_sparse(candidate.graph))
            keys = tuple(key for key in keys if key[0] in fast)
        return levels_global(candidate.weights, keys, sparsity)


def open_files(job: Job) -> tuple[ModelFile, Weights]:
    """Read the model file.

    Raises
    ------
    UserError
        Where it cannot be opened, or has more than one input or output.
    """
    file, weights = open_model(
        Path(job.model),
        weights=None if job.weights is None else Path(job.weights),
        custom=custom_of(job),
    )
    graph = file.graph
    by_script = job.data.source.endswith(".py")
    for what, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if len(tensors) != 1 and not (what == "outputs" and by_script):
            raise UserError(
                f"model.{what}",
                f"A search needs a model with one input and one output; the number of {what} is"
                f" {len(tensors)}: {job.model}.",
                "A data script can judge several outputs; 'secateur slim' cuts without data.",
            )
    return file, weights


def custom_of(job: Job) -> Path | None:
    """The file of the model's custom layers."""
    return None if job.custom is None else Path(job.custom)


def model_opened(file: ModelFile, channels: Channels) -> ev.ModelOpened:
    """The event that tells of an opened model."""
    graph = file.graph
    return ev.ModelOpened(
        name=Path(file.path).stem,
        format=file.format,
        params=graph.params,
        macs=cost(graph).macs,
        layers=layer_states(graph, channels, weights=None, before=graph),
        warnings=file.warnings,
        sha256=file.sha256,
    )


def open_data(
    job: Job, file: ModelFile, weights: Weights, control: EngineControl | None = None
) -> Opened:
    """Read the data, find task, metric and preprocessing for the model.

    Raises
    ------
    UserError
        Where the data cannot be read or do not fit the model.
    """
    graph = file.graph
    model = build(graph, weights)
    data = rooms.load(job.data, input_shape=input_shape(graph), outputs=outputs(graph))
    if job.data.label_order not in ("given", "found"):
        data = rooms.reordered(data, rooms.parse_order(job.data.label_order))
    task = rooms.find_task(graph, data.train.labels, data.script)
    measure = Measure(
        name=metric_name(task, job.goal.metric, file.compile_config),
        task=task,
        ignore_label=data.ignore_label,
    )
    predictor = Predictor(model, as_is, batch_size=batch_for(data.train.images))

    def predict(images: np.ndarray) -> np.ndarray:
        return predictor(images, control=control)

    def find() -> rooms.Found:
        return rooms.find_preprocess(
            predict, data.train, task, wish=rooms.parse_preprocess(job.data.preprocess),
            class_names=data.class_names, ignore_label=data.ignore_label,
        )  # fmt: skip

    found = find()
    if job.data.label_order == "found" and found.permutation is not None:
        data = rooms.reordered(data, found.permutation)
        found = find()
    return Opened(
        file=file, weights=weights, model=model, data=data, task=task, measure=measure,
        preprocess=found.preprocess, preprocess_values=dict(found.values),
        notes=(*data.notes, *found.warnings, *rooms.imbalance(data, measure.name)),
        near_ties=found.near_ties, label_order=found.permutation,
    )  # fmt: skip


def metric_name(
    task: rooms.Task, wanted: str | None, compile_config: Mapping[str, Any] | None
) -> str:
    """The metric that was asked for, or that the model was compiled with, or the task's own.

    Raises
    ------
    UserError
        Where it cannot judge the task.
    """
    if wanted is None:
        compiled = compiled_of(compile_config)
        own = None if compiled is None else rooms.compiled_metric(compiled.metrics, task)
        return task.metric if own is None else own
    known = rooms.metrics_for(task)
    if wanted not in known:
        raise UserError(
            "metric.unfit",
            f"This metric cannot judge a {task.kind.replace('_', ' ')} model: {wanted}.",
            f"Choose one of {', '.join(known)}.",
        )
    return wanted


def data_opened(opened: Opened) -> ev.DataOpened:
    """The event that tells of opened data."""
    data = opened.data
    return ev.DataOpened(
        source=data.source,
        train=len(data.train),
        search=len(data.search),
        report=len(data.report),
        classes=tuple(data.class_names),
        task=opened.task.kind,
        preprocess=opened.preprocess.name,
        preprocess_values=opened.preprocess_values,
        seen=data.seen,
        notes=opened.notes,
        sha256=data.sha256,
        near_ties=opened.near_ties,
        label_order=opened.label_order,
        counts=rooms.counts_by_part(data),
        split_sha256=data.split_sha256,
    )


def complete(
    job: Job, opened: Opened, baseline_rows: np.ndarray, control: EngineControl
) -> Context:
    """All that trials need, the teacher's answers on the training images included."""
    data, task, measure = opened.data, opened.task, opened.measure
    train = data.train
    class_weights = rooms.class_weights(data, job.data, measure.name)
    loss = loss_of(task, data.ignore_label, class_weights, data.script)
    if loss.kind == "values":
        loss = replace(loss, variance=float(np.var(train.labels, dtype=np.float64)) or 1.0)
    settings = default_settings(
        opened.file.compile_config,
        epochs=job.budget.epochs or 1,
        samples=len(train),
        seed=job.seed,
        large_rate=has_norms(opened.file.graph) and loss.kind != "script",
        batch_size=job.batch_size,
        distill=DISTILL,
    )
    if job.budget.epochs is None:
        epochs = default_epochs(len(train), settings.batch_size, work(opened.file.graph))
        settings = replace(settings, epochs=epochs)
    predictor = Predictor(opened.model, opened.transform, batch_size=batch_for(train.images))
    augmenting = choose_augmentation(
        job, predictor, data, task, measure.name, settings.epochs, control
    )
    teacher = train_rows = None
    first_rate = settings.learning_rate
    watch = StepWatch(control)
    if loss.kind == "script":
        settings = replace(settings, distill=0.0)
    else:
        teacher = teacher_of(augmenting, predictor, train.images, control)
        train_rows = None if teacher is None else measure.rows(teacher, train.labels)
        settings = settings if teacher is not None else replace(settings, distill=0.0)
        settings = _borne(opened, loss, settings, watch)
    return Context(
        job=job, file=opened.file,
        candidate=Candidate(graph=opened.file.graph, weights=opened.weights),
        channels=channels_of(job, opened.file.graph),
        data=opened.data, task=opened.task,
        measure=opened.measure, preprocess=opened.preprocess, transform=opened.transform,
        loss=loss, settings=settings, teacher=teacher, baseline_rows=baseline_rows,
        augmenting=augmenting, train_rows=train_rows, first_rate=first_rate, step_s=watch.step_s,
    )  # fmt: skip


def _borne(
    opened: Opened, loss: LossSpec, settings: FineTuneSettings, control: StepWatch
) -> FineTuneSettings:
    """The settings at a rate that the model bears; with those of a net without norms if there is
    none: a gradient of squares is as large as the labels are, and may be too large for SGD.
    """
    careful = default_settings(
        opened.file.compile_config, epochs=1, samples=len(opened.data.train), large_rate=False
    )
    careful = replace(settings, optimizer=careful.optimizer, learning_rate=careful.learning_rate)
    train = opened.data.train
    for tried in dict.fromkeys((settings, careful)):
        rate = safe_rate(
            lambda: build(opened.file.graph, opened.weights), train.images, train.labels,
            preprocess=opened.transform, loss=loss, settings=tried, control=control,
        )  # fmt: skip
        if rate is not None:
            return replace(tried, learning_rate=rate)
    return replace(careful, learning_rate=careful.learning_rate * LOWEST)


def default_epochs(samples: int, batch_size: int, each: float) -> int:
    """Epochs of a fine-tune: as many as steps and work allow, 2 to :data:`MAX_EPOCHS`.

    It follows from model and data alone and not from a clock, so that the same job makes the same
    decisions again.

    Parameters
    ----------
    each
        Work of one image, see :func:`work`.
    """
    by_steps = MOST_STEPS * batch_size / max(1, samples)
    by_work = MOST_WORK / max(1.0, samples * each)
    return max(MIN_EPOCHS, min(MAX_EPOCHS, round(min(by_steps, by_work))))


def activations(graph: LayerGraph) -> int:
    """Values that the layers put out for one sample; sizes that are open count as 1."""
    tensors = [tensor for node in graph.nodes for tensor in node.outputs]
    shapes = [graph.shape(tensor) or (None,) for tensor in tensors]
    return sum(math.prod(size or 1 for size in shape[1:]) for shape in shapes)


def work(graph: LayerGraph) -> float:
    """What an image costs, in multiply-adds: those of the layers, and the moving of activations."""
    return float(cost(graph).macs or 0) + ELEMENT_WORK * activations(graph)


def loss_of(
    task: rooms.Task,
    ignore_label: int | None = None,
    class_weights: tuple[float, ...] | None = None,
    script: rooms.Script | None = None,
) -> LossSpec:
    """The training loss that belongs to a task, or that its data script brings.

    Raises
    ------
    UserError
        Where a script judges by a metric of its own and says no loss.
    """
    own = script if task.script is None else task.script
    if own is not None and own.loss is not None:
        return LossSpec(kind="script", from_logits=True, script=own)
    if task.script is not None:
        raise UserError(
            "data.script",
            "The data script has a metric of its own and no loss to train by.",
            "Add loss(y_true, y_pred) to it.",
        )
    if task.kind == "regression":
        return LossSpec(kind="values", from_logits=True)
    binary = task.kind in ("binary", "multilabel", "binary_segmentation")
    return LossSpec(
        kind="binary" if binary else "categorical",
        from_logits=task.from_logits,
        ignore_label=ignore_label,
        class_weights=class_weights,
    )


def channels_of(job: Job, graph: LayerGraph) -> Channels:
    """The channel groups of a model as a job wants them cut, and not cut.

    Raises
    ------
    UserError
        Where a name that the job leaves alone or gives a floor is none of the model's.
    """
    found = trace(graph, through_norms=job.through_norms, exclude=job.exclude)
    return with_floors(found, job.floors)


def has_norms(graph: LayerGraph) -> bool:
    """Whether a model has batch norms."""
    return any(layer.class_name == "BatchNormalization" for layer in graph.layers.values())


def input_shape(graph: LayerGraph) -> tuple[int | None, ...]:
    """Shape of the one input without the batch axis."""
    return tuple((graph.shape(graph.inputs[0]) or (None,))[1:])


def outputs(graph: LayerGraph) -> int | None:
    """Size of the one output's last axis; None where it is not known."""
    shape = graph.shape(graph.outputs[0])
    return None if shape is None else shape[-1]
