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
from engine.modelfile.graph import Layer, LayerGraph, Node, Weights, WeightSpec

REL_DIFF_LIMIT = 1e-4
"""Largest difference over the output's standard deviation that counts as equal."""

_ACROSS = ("LayerNormalization", "RMSNormalization", "UnitNormalization", "GroupNormalization")

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
    return _narrow_norms(graph, out, channels, keep)


def _narrow_norms(
    graph: LayerGraph, weights: Weights, channels: Channels, keep: np.ndarray
) -> tuple[LayerGraph, Weights]:
    """Norms over channels (followed with ``through_norms``) see only what is kept.

    Around each such norm, two dense layers of zeros and ones pick the kept channels and lay its
    outputs back into full width, so that all else keeps its width.
    """
    layers, tensors, nodes = dict(graph.layers), list(graph.tensors), list[Node]()
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        units = channels.tensor_units[node.outputs[0]]
        mask = None if units is None else ((units < 0) | keep[units]).ravel()
        if mask is None or mask.all() or not _spans_channels(layer, mask.size):
            nodes.append(node)
            continue
        pick = np.eye(mask.size, dtype=np.float32)[:, mask]
        for spec in layer.weights:
            weights[layer.name][spec.name] = weights[layer.name][spec.name][mask]
        specs = tuple(replace(w, shape=(int(mask.sum()),)) for w in layer.weights)
        layers[layer.name] = replace(layer, weights=specs)
        wide, narrow = tensors[node.inputs[0]], len(tensors)
        shape = (*(wide.shape or ())[:-1], int(mask.sum()))
        tensors += [replace(wide, shape=shape), replace(wide, shape=shape)]
        number = len(nodes)
        nodes += [
            _linear(layers, weights, f"{layer.name}_keep_{number}", pick, node.inputs[0], narrow),
            replace(
                node, inputs=(narrow,), outputs=(narrow + 1,),
                args=({"tensor": narrow}, *node.args[1:]),
            ),
            _linear(
                layers, weights, f"{layer.name}_lay_{number}", pick.T, narrow + 1, node.outputs[0]
            ),
        ]  # fmt: skip
    return replace(graph, layers=layers, tensors=tuple(tensors), nodes=tuple(nodes)), weights


def _spans_channels(layer: Layer, width: int) -> bool:
    """Whether a norm's statistics are over several channels (an instance norm's are not)."""
    return layer.class_name in _ACROSS and layer.config.get("groups") not in (-1, width)


def _linear(
    layers: dict[str, Layer], weights: Weights, name: str, kernel: np.ndarray, source: int, to: int
) -> Node:
    """A dense layer of ours without bias, put among the layers; its call."""
    config = {"name": name, "units": kernel.shape[1], "use_bias": False, "activation": "linear"}
    layers[name] = Layer(
        name=name,
        class_name="Dense",
        config=config,
        weights=(WeightSpec(name="kernel", shape=kernel.shape),),
    )
    weights[name] = {"kernel": kernel}
    return Node(layer=name, inputs=(source,), outputs=(to,), args=({"tensor": source},))


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
