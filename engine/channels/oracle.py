"""The reference of promise 3: the full-width model in which readers of cut channels see constants.

Owns how it is made (readers' weights zeroed, the same constants in their biases) and the number
that compares two outputs. A cut model must equal it; a plan shifted by one index must not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.channels.constants import Folds, folds
from engine.channels.groups import Channels
from engine.channels.plan import Plan, check
from engine.channels.surgery import kept_positions, with_folds
from engine.modelfile.graph import LayerGraph, Weights

REL_DIFF_LIMIT = 1e-4
"""Largest difference over the output's standard deviation that counts as equal."""

_LAST = ("Softmax", "Activation", "ReLU", "Sigmoid", "LogSoftmax", "Relu", "Tanh")


def reference(
    graph: LayerGraph,
    weights: Weights,
    channels: Channels,
    plan: Plan,
    *,
    fold: bool = True,
) -> tuple[LayerGraph, Weights]:
    """The original in which every reader of a cut channel sees that channel's constant.

    Raises
    ------
    UserError
        As :func:`engine.channels.surgery.cut`.
    """
    check(plan, channels)
    keep = channels.keep_mask(plan.keep)
    found = folds(channels, weights, keep) if fold else Folds(added={}, notes=())
    graph, out = with_folds(graph, weights, found.added)
    for axis in channels.axes:
        mask = kept_positions(axis, keep)
        if axis.role != "in" or mask.all():
            continue
        array = np.array(out[axis.layer][axis.weight])
        index: list[slice | np.ndarray] = [slice(None)] * array.ndim
        index[axis.axis] = ~mask
        array[tuple(index)] = 0
        out[axis.layer][axis.weight] = array
    return graph, out


def shifted(plan: Plan, channels: Channels) -> Plan | None:
    """The plan with each group's kept units moved by one, where that is another plan.

    The check of the check: it must fail the comparison. Groups with pinned units, or whose move
    would empty a tensor, stay as they are; None where nothing could be moved.
    """
    keep = dict(plan.keep)
    for group_id, kept in plan.keep.items():
        group = channels.group(group_id)
        if group.pinned:
            continue
        keep[group_id] = tuple(sorted((i + 1) % group.channels for i in kept))
        mask = channels.keep_mask(keep)
        if not all(mask[floor].any() for floor in channels.floors):
            keep[group_id] = kept
    return replace(plan, keep=keep) if keep != plan.keep else None


def rel_diff(ours: np.ndarray, reference_output: np.ndarray) -> tuple[float, float]:
    """Largest absolute difference, and that over the reference's standard deviation."""
    a, b = np.asarray(ours, np.float64), np.asarray(reference_output, np.float64)
    largest = float(np.max(np.abs(a - b))) if a.size else 0.0
    spread = float(np.std(b))
    return largest, largest / spread if spread > 0 else (0.0 if largest == 0 else float("inf"))


def linear_outputs(graph: LayerGraph) -> LayerGraph:
    """The graph before its last activations, so that a saturated softmax hides nothing.

    An activation layer at an output is left out, one inside an output layer is switched off.
    """
    made = {tensor: node for node in graph.nodes for tensor in node.outputs}
    layers, outputs = dict(graph.layers), []
    for tensor in graph.outputs:
        node = made[tensor]
        layer = layers[node.layer]
        if layer.class_name in _LAST and len(node.inputs) == 1 and layer.opaque is None:
            tensor = node.inputs[0]
            layer = layers[made[tensor].layer]
        if layer.config.get("activation") not in (None, "linear") and layer.opaque is None:
            layers[layer.name] = replace(layer, config={**layer.config, "activation": "linear"})
        outputs.append(tensor)
    structure = [{"tensor": tensor} for tensor in outputs]
    return replace(graph, layers=layers, outputs=tuple(outputs), output_structure=structure)
