"""A plan applied: a really narrower graph and its arrays, the input untouched.

Owns slicing, the placing of folded constants and the change of configs, in numpy on our own layer
graph; :mod:`engine.modelfile.rebuild` makes a Keras model of the result. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.channels.constants import Folds, folds
from engine.channels.groups import Axis, Channels
from engine.channels.ops import Call, Resized, op_of
from engine.channels.plan import Plan, check
from engine.channels.trace import call_of
from engine.errors import EngineFailure
from engine.modelfile.graph import Layer, LayerGraph, Node, Shape, Tensor, Weights, WeightSpec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """A narrower model. ``border_effects`` name, for people, where folding is not exact."""

    graph: LayerGraph
    weights: Weights
    border_effects: tuple[str, ...] = ()


def cut(
    graph: LayerGraph,
    weights: Weights,
    channels: Channels,
    plan: Plan,
    *,
    fold: bool = True,
) -> Cut:
    """Remove what a plan does not keep.

    Parameters
    ----------
    graph, weights
        The model; neither is changed. The result shares arrays that nothing was cut from.
    channels
        The trace of this graph.
    plan
        What to keep; an empty plan gives the model back.
    fold
        Put the constants of removed channels into the readers' biases.

    Raises
    ------
    UserError
        Where the plan is not for this model, or leaves nothing of a group.
    """
    check(plan, channels)
    keep = channels.keep_mask(plan.keep)
    if keep.all():
        return Cut(graph=graph, weights=dict(weights))
    found = folds(channels, weights, keep) if fold else Folds(added={}, notes=())
    graph, weights = with_folds(graph, weights, found.added)
    arrays = _slice(graph, weights, channels, keep)
    narrow = _shrink(graph, channels, keep, arrays)
    return Cut(graph=narrow, weights=arrays, border_effects=found.notes)


def with_folds(
    graph: LayerGraph, weights: Weights, added: Mapping[str, np.ndarray]
) -> tuple[LayerGraph, Weights]:
    """The full-width model with constants added to the biases of their readers.

    A layer without a bias gives them to the batch norm that alone reads it (its moving mean goes
    down by as much), or gets a bias.
    """
    layers = dict(graph.layers)
    out = {name: dict(arrays) for name, arrays in weights.items()}
    for name, values in added.items():
        arrays = out[name]
        if "bias" in arrays:
            arrays["bias"] = (arrays["bias"] + values).astype(arrays["bias"].dtype)
            continue
        norm = only_norm(graph, name)
        if norm is not None and "moving_mean" in out.get(norm, {}):
            mean = out[norm]["moving_mean"]
            out[norm]["moving_mean"] = (mean - values).astype(mean.dtype)
            continue
        kernel = next(iter(arrays.values()))
        arrays["bias"] = values.astype(kernel.dtype)
        layers[name] = _with_bias(layers[name], values.size)
    return replace(graph, layers=layers), out


def _with_bias(layer: Layer, width: int) -> Layer:
    spec = WeightSpec(name="bias", shape=(width,), dtype=layer.weights[0].dtype)
    return replace(
        layer,
        config={**layer.config, "use_bias": True},
        weights=(*layer.weights, spec),
    )


def with_gamma(graph: LayerGraph, weights: Weights) -> tuple[LayerGraph, Weights]:
    """The same model in which every batch norm has a gamma, of ones where it had none."""
    layers, out = dict(graph.layers), dict(weights)
    for name, layer in graph.layers.items():
        if layer.class_name != "BatchNormalization" or layer.opaque is not None:
            continue
        if layer.config.get("scale", True):
            continue
        gamma = replace(layer.weights[0], name="gamma", trainable=True, zeros=None)
        layers[name] = replace(
            layer, config={**layer.config, "scale": True}, weights=(gamma, *layer.weights)
        )
        out[name] = {"gamma": np.ones(gamma.shape, gamma.dtype), **weights[name]}
    return replace(graph, layers=layers), out


def only_norm(graph: LayerGraph, name: str) -> str | None:
    """The batch norm that alone reads the only call of a layer without an activation."""
    calls = list(graph.calls(name))
    activation = graph.layers[name].config.get("activation")
    if len(calls) != 1 or activation not in (None, "linear"):
        return None
    (tensor,) = calls[0].outputs
    readers = list(graph.readers(tensor))
    if tensor in graph.outputs or len(readers) != 1:
        return None
    layer = graph.layers[readers[0].layer]
    if layer.class_name != "BatchNormalization":
        return None
    if len(list(graph.calls(layer.name))) != 1 or layer.opaque is not None:
        return None
    axis = layer.config.get("axis", -1)
    shape = graph.shape(tensor) or ()
    listed = axis if isinstance(axis, list | tuple) else [axis]
    first = graph.layers[name].config.get("data_format") == "channels_first"
    wanted = 1 if first else len(shape) - 1
    return layer.name if len(listed) == 1 and listed[0] % len(shape) == wanted else None


def kept_positions(axis: Axis, keep: np.ndarray) -> np.ndarray:
    """Mask over the positions of a weight's axis."""
    mask: np.ndarray = (axis.units < 0) | keep[axis.units]
    return mask


def _slice(graph: LayerGraph, weights: Weights, channels: Channels, keep: np.ndarray) -> Weights:
    out = {name: dict(arrays) for name, arrays in weights.items()}
    for axis in _all_axes(graph, channels):
        mask = kept_positions(axis, keep)
        if not mask.all():
            array = out[axis.layer][axis.weight]
            out[axis.layer][axis.weight] = array.compress(mask, axis.axis)
    return out


def _all_axes(graph: LayerGraph, channels: Channels) -> list[Axis]:
    """The traced axes, and those of biases that folding added."""
    axes = list(channels.axes)
    for axis in channels.axes:
        layer = graph.layers[axis.layer]
        if axis.role != "out" or channels.graph.layers[axis.layer] is layer:
            continue
        axes.append(replace(axis, weight="bias", axis=0, role="through"))
    return axes


def _masks(channels: Channels, tensor: int, keep: np.ndarray) -> tuple[np.ndarray | None, ...]:
    """Per non-batch axis of a tensor, which positions are kept; None where all are."""
    units = channels.tensor_units[tensor]
    rank = len(channels.graph.shape(tensor) or (None,)) - 1
    out: list[np.ndarray | None] = [None] * rank
    if units is None:
        return tuple(out)
    mask = ((units < 0) | keep[units]).ravel()
    if not mask.all():
        (axis,) = [a for a in range(units.ndim) if units.shape[a] > 1]
        out[axis] = mask
    return tuple(out)


def _shrink(graph: LayerGraph, channels: Channels, keep: np.ndarray, arrays: Weights) -> LayerGraph:
    masks = [_masks(channels, i, keep) for i in range(len(graph.tensors))]
    tensors = tuple(
        _narrow(tensor, mask) for tensor, mask in zip(graph.tensors, masks, strict=True)
    )
    layers = {name: _respec(layer, arrays.get(name, {})) for name, layer in graph.layers.items()}
    edited: dict[str, Mapping[str, Any]] = {}
    nodes = []
    for node in graph.nodes:
        touched = any(m is not None for i in (*node.inputs, *node.outputs) for m in masks[i])
        call = call_of(graph, node) if touched else None
        nodes.append(node if call is None else _edit(call, masks, arrays, layers, edited))
    return replace(graph, layers=layers, nodes=tuple(nodes), tensors=tensors)


def _narrow(tensor: Tensor, masks: tuple[np.ndarray | None, ...]) -> Tensor:
    if tensor.shape is None or all(m is None for m in masks):
        return tensor
    shape: Shape = (
        tensor.shape[0],
        *(n if m is None else int(m.sum()) for n, m in zip(tensor.shape[1:], masks, strict=True)),
    )
    return replace(tensor, shape=shape)


def _respec(layer: Layer, arrays: Mapping[str, np.ndarray]) -> Layer:
    """Weight shapes (and counts of zeros, where they were counted) of the new arrays."""
    specs = tuple(
        spec
        if spec.name not in arrays or arrays[spec.name].shape == spec.shape
        else replace(
            spec,
            shape=arrays[spec.name].shape,
            zeros=None
            if spec.zeros is None
            else int(arrays[spec.name].size - np.count_nonzero(arrays[spec.name])),
        )
        for spec in layer.weights
    )
    return replace(layer, weights=specs)


def _edit(
    call: Call,
    masks: list[tuple[np.ndarray | None, ...]],
    arrays: Weights,
    layers: dict[str, Layer],
    edited: dict[str, Mapping[str, Any]],
) -> Node:
    """Adapt a call's layer config and arguments; calls of a shared layer must agree."""
    name = call.name
    edit = op_of(call.layer).resize(
        Resized(
            call=call,
            keep_in=tuple(masks[i] for i in call.node.inputs),
            keep_out=tuple(masks[i] for i in call.node.outputs),
            weights=arrays.get(name, {}),
        )
    )
    if edit.config:
        if edited.setdefault(name, edit.config) != edit.config:
            raise EngineFailure(
                "surgery.shared_layer",
                "A layer that is called more than once would need two different configs after "
                f"the cut: {name}.",
                "Exclude this layer with its group.",
            )
        layers[name] = replace(layers[name], config={**layers[name].config, **edit.config})
    return replace(
        call.node,
        args=call.node.args if edit.args is None else edit.args,
        kwargs=call.node.kwargs if edit.kwargs is None else edit.kwargs,
    )
