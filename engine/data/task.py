"""What a model does, from its graph and the labels: the task, and the classes it predicts.

Owns the reading of the last operation (softmax, sigmoid or plain numbers; the compile section is
never asked) and the choice of the default metric. It knows neither Keras nor pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from engine.data.parts import LabelKind
from engine.data.script_parts import Packing, Script
from engine.errors import UserError
from engine.modelfile.graph import LayerGraph, Node

TaskKind = Literal[
    "classification", "binary", "multilabel", "segmentation", "binary_segmentation", "regression",
    "script",
]  # fmt: skip
Activation = Literal["softmax", "sigmoid", "linear"]

_TRANSPARENT = frozenset(
    (
        "Flatten", "Reshape", "Permute", "Identity", "Dropout", "SpatialDropout2D", "Cast",
        "Cropping2D", "ZeroPadding2D", "UpSampling2D", "Resizing", "Squeeze", "ExpandDims",
        "RepeatVector", "ActivityRegularization", "Transpose",
    )
)  # fmt: skip
_METRICS: dict[TaskKind, str] = {
    "classification": "accuracy",
    "binary": "accuracy",
    "multilabel": "macro_f1",
    "segmentation": "mean_iou",
    "binary_segmentation": "iou",
    "regression": "mae",
    "script": "script",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted, and in what form.

    Attributes
    ----------
    classes
        Number of classes (2 where one output decides), 0 for regression.
    outputs
        Size of the model's last axis.
    activation
        The model's last operation; ``from_logits`` is True for ``linear`` class outputs.
    metric
        Name of the default metric; ``higher_is_better`` is the metric's.
    script
        The data script's own metric and loss, for the kind ``script``.
    """

    kind: TaskKind
    classes: int
    outputs: int
    activation: Activation
    from_logits: bool
    metric: str
    higher_is_better: bool = True
    script: Script | None = None


def find_task(graph: LayerGraph, labels: np.ndarray, script: Script | None = None) -> Task:
    """The task of a model with these labels (in one of the forms of ``LoadedData``).

    Raises
    ------
    UserError
        ``model.outputs`` where the model has several outputs, ``data.labels`` where the labels
        are not what it puts out.
    """
    if script is not None and script.metric is not None:
        return script_task(graph, script)
    if len(graph.outputs) != 1:
        raise UserError(
            "model.outputs",
            f"The model must have one output to be judged; it has {len(graph.outputs)}.",
            "Say what counts by 'metric' and 'loss' in a data script, or save the model with one "
            "output.",
        )
    shape = graph.shape(graph.outputs[0])
    outputs = shape[-1] if shape else None
    if shape is None or outputs is None:
        raise UserError(
            "model.outputs",
            f"The size of the model's output is not known: {shape}.",
            "Save the model with a fixed number of outputs.",
        )
    kind = _kind(label_kind(labels), labels, len(shape), outputs)
    activation = last_activation(graph)
    if kind == "regression" and activation != "linear" and _look_like_ids(labels):
        raise UserError(
            "data.label_range",
            f"The labels do not fit the model, which has one {activation} output: they go from "
            f"{labels.min():g} to {labels.max():g}.",
            "Check that data and model belong together; a model with one output takes 0 and 1.",
        )
    return Task(
        kind=kind,
        classes=0 if kind == "regression" else max(outputs, 2 if kind != "multilabel" else 1),
        outputs=outputs,
        activation=activation,
        from_logits=activation == "linear" and kind != "regression",
        metric=_METRICS[kind],
        higher_is_better=kind != "regression",
    )


def script_task(graph: LayerGraph, script: Script) -> Task:
    """The task of a script that judges by a metric of its own.

    Raises
    ------
    UserError
        ``data.script`` where outputs and labels are packed and do not correspond.
    """
    shapes = [graph.shape(tensor) for tensor in graph.outputs]
    if len(shapes) > 1:
        if any(shape is None or None in shape[1:] for shape in shapes):
            raise UserError(
                "model.outputs",
                f"The sizes of the model's outputs are not all known: {shapes}.",
                "Save the model with fixed sizes.",
            )
        names = _output_names(graph) if script.labels is None or script.labels.names else ()
        known = tuple(tuple(int(n or 1) for n in shape[1:]) for shape in shapes if shape)
        script = replace(script, outputs=Packing(shapes=known, names=names))
    name = "script" if script.higher_is_better else "script_error"
    shape = shapes[0]
    return Task(
        kind="script", classes=0, outputs=(shape[-1] if shape else None) or 1,
        activation=last_activation(graph), from_logits=False, metric=name,
        higher_is_better=script.higher_is_better, script=script,
    )  # fmt: skip


def _output_names(graph: LayerGraph) -> tuple[str, ...]:
    """The layer that gives each output."""
    return tuple(
        next(node.layer for node in graph.nodes if tensor in node.outputs)
        for tensor in graph.outputs
    )


def label_kind(labels: np.ndarray) -> LabelKind:
    """The form of labels of a :class:`engine.data.parts.Part`, from type and shape."""
    if labels.ndim >= 3:
        return "masks"
    if labels.dtype.kind == "f":
        return "values"
    return "classes" if labels.ndim == 1 else "multi_hot"


def _kind(labels_are: LabelKind, labels: np.ndarray, rank: int, outputs: int) -> TaskKind:
    """Task by form of labels, number of output axes (with the batch) and last axis."""
    if labels_are == "masks" and rank == 4:
        return "binary_segmentation" if outputs == 1 else "segmentation"
    if labels_are == "classes" and rank == 2:
        return "binary" if outputs == 1 else "classification"
    if labels_are == "multi_hot" and rank == 2 and labels.shape[1] == outputs:
        return "multilabel"
    if labels_are == "values" and rank == 2 and labels.shape[1] == outputs:
        return "regression"
    words = {
        "masks": "masks",
        "classes": "one class an image",
        "multi_hot": f"{labels.shape[-1]} yes-or-no labels an image",
        "values": f"{labels.shape[-1]} numbers an image",
    }
    form = "one map" if rank == 4 else "one vector" if rank == 2 else f"{rank - 1} axes"
    raise UserError(
        "data.labels",
        f"The labels do not fit the model, which puts out {form} of {outputs} channels an image; "
        f"the data have {words[labels_are]}.",
        "Check that data and model belong together.",
    )


def _look_like_ids(labels: np.ndarray) -> bool:
    return bool((labels == np.round(labels)).all() and labels.min() >= 0)


def last_activation(graph: LayerGraph) -> Activation:
    """Softmax, sigmoid or linear: the last operation before the (first) output."""
    return _activation_of(graph, graph.outputs[0], depth=0)


def _activation_of(graph: LayerGraph, tensor: int, depth: int) -> Activation:
    node = next((n for n in graph.nodes if tensor in n.outputs), None)
    if node is None or depth > 100:
        return "linear"
    layer = graph.layers[node.layer]
    name = layer.class_name
    if name in _TRANSPARENT and node.inputs:
        return _activation_of(graph, node.inputs[0], depth + 1)
    if name in ("Concatenate", "Average") and node.inputs:
        found = {_activation_of(graph, item, depth + 1) for item in node.inputs}
        return found.pop() if len(found) == 1 else "linear"
    if name in ("Softmax", "Sigmoid"):
        return "softmax" if name == "Softmax" else "sigmoid"
    return _named_activation(layer.config, node)


def _named_activation(config: Mapping[str, Any], node: Node) -> Activation:
    """Softmax or sigmoid by the ``activation`` of a config: a word, or a serialised object."""
    value = config.get("activation")
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    word = str(value).lower()
    if word == "softmax":
        return "softmax"
    return "sigmoid" if word == "sigmoid" else "linear"


def predicted_classes(outputs: np.ndarray, task: Task) -> np.ndarray:
    """Class ids that outputs stand for.

    Parameters
    ----------
    outputs
        ``(n, k)`` or ``(n, h, w, k)``, as the model puts them out.

    Returns
    -------
    int64 array
        ``(n,)`` or ``(n, h, w)``; 0/1 ``(n, k)`` for ``multilabel``. -1 where an output is no
        number, so that it never counts as right.
    """
    if task.kind == "regression":
        raise ValueError("a regression has no classes")
    cut = 0.0 if task.from_logits else 0.5
    if task.kind == "multilabel":
        found = (outputs > cut).astype(np.int64)
        return np.where(np.isfinite(outputs), found, -1)
    if task.outputs == 1:
        single = outputs[..., 0]
        return np.where(np.isfinite(single), (single > cut).astype(np.int64), -1)
    found = outputs.argmax(axis=-1).astype(np.int64)
    return np.where(np.isfinite(outputs).all(axis=-1), found, -1)
