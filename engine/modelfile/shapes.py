"""Shapes of a whole graph: each call's outputs from its inputs and its layer's config.

Owns the walk that applies the rules of ``shape_rules`` and ``shape_ops`` call by call. It is used
when a file is read and again after a cut. A layer without a rule gives tensors of unknown shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.modelfile.classes import words
from engine.modelfile.custom import MODULE
from engine.modelfile.graph import Layer, LayerGraph, Node, Shape, Tensor
from engine.modelfile.shape_ops import OP_RULES
from engine.modelfile.shape_rules import RULES, ShapeError

__all__ = ["ShapeError", "infer_outputs", "reshape_graph"]

_COMPUTE_DTYPES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_BOOLEAN = words(
    """All Any Equal Greater GreaterEqual Isclose Isfinite Isinf Isnan Less LessEqual LogicalAnd
    LogicalNot LogicalOr LogicalXor NotEqual"""
)


def compute_dtype(layer: Layer, inputs: Sequence[Tensor]) -> str:
    """The type of a layer's outputs, from its dtype policy; for operations, from the inputs."""
    policy = layer.config.get("dtype")
    if is_operation(layer):
        if layer.class_name in _BOOLEAN:
            return "bool"
        if isinstance(policy, str):
            return policy
        if layer.class_name in ("Argmax", "Argmin", "Argsort"):
            return "int32"
        return inputs[0].dtype if inputs else "float32"
    if not isinstance(policy, str):
        return "float32"
    return _COMPUTE_DTYPES.get(policy, policy)


def is_operation(layer: Layer) -> bool:
    """Whether this is a ``keras.ops`` call and not a layer."""
    return layer.module.startswith("keras.src.ops")


def infer_outputs(
    layer: Layer,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tensor: Callable[[int], Tensor],
    outputs: int = 1,
) -> list[Tensor]:
    """The tensors that one call gives.

    Parameters
    ----------
    layer
        What is called.
    args, kwargs
        JSON with ``{"tensor": id}`` leaves.
    tensor
        The tensor of an id.
    outputs
        How many outputs are known to be used; more may come back, never fewer.

    Raises
    ------
    ShapeError
        Where the shapes do not fit together; the message names the layer.
    """
    inputs = [tensor(i) for i in tensor_ids([*args, dict(kwargs)])]
    dtype = compute_dtype(layer, inputs)
    shapes: list[Shape | None] = []
    if all(t.shape is not None for t in inputs):
        try:
            shapes = list(_apply(layer, args, kwargs, tensor, inputs))
        except ShapeError as error:
            raise ShapeError(f"layer {layer.name!r} ({layer.class_name}): {error}") from None
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise ShapeError(
                f"layer {layer.name!r} ({layer.class_name}) has options that do not fit its "
                f"inputs: {type(error).__name__}: {error}"
            ) from None
    shapes += [None] * (outputs - len(shapes))
    return [Tensor(shape=shape, dtype=dtype) for shape in shapes]


def _apply(
    layer: Layer,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tensor: Callable[[int], Tensor],
    inputs: Sequence[Tensor],
) -> Sequence[Shape]:
    if is_operation(layer):
        op_rule = OP_RULES.get(layer.class_name)
        if op_rule is None:
            return ()
        with_shapes = _with_shapes(list(args), tensor)
        return op_rule(layer.config, with_shapes, _with_shapes(dict(kwargs), tensor))
    if layer.class_name == "InputLayer":
        return (tuple(layer.config["batch_shape"]),)
    rule = RULES.get(layer.class_name)
    if rule is None or not inputs:
        return ()
    return rule(layer.config, [t.shape for t in inputs if t.shape is not None])


def _with_shapes(value: Any, tensor: Callable[[int], Tensor]) -> Any:
    if is_tensor(value):
        return tensor(value["tensor"]).shape
    if isinstance(value, list | tuple):
        return [_with_shapes(item, tensor) for item in value]
    if isinstance(value, Mapping):
        return {key: _with_shapes(item, tensor) for key, item in value.items()}
    return value


def is_tensor(value: object) -> bool:
    """Whether this is a ``{"tensor": id}`` leaf."""
    return isinstance(value, Mapping) and len(value) == 1 and "tensor" in value


def tensor_ids(value: object) -> list[int]:
    """Ids of the tensors in JSON, in order of appearance."""
    if is_tensor(value):
        return [value["tensor"]]  # type: ignore[index]
    if isinstance(value, list | tuple):
        return [i for item in value for i in tensor_ids(item)]
    if isinstance(value, Mapping):
        return [i for item in value.values() for i in tensor_ids(item)]
    return []


def reshape_graph(graph: LayerGraph) -> LayerGraph:
    """The same graph with every tensor's shape inferred again from inputs and configs.

    Weight specs are left as they are.

    Raises
    ------
    ShapeError
        Where the configs do not fit together.
    """
    tensors: list[Tensor] = list(graph.tensors)
    for node in graph.nodes:
        if set(node.outputs) <= set(graph.inputs) or _same_inputs(graph, node, tensors):
            continue  # an input layer's config may leave open what the graph's input says
        found = _outputs(graph.layers[node.layer], node, tensors)
        for place, value in zip(node.outputs, found, strict=False):
            tensors[place] = value
    return replace(graph, tensors=tuple(tensors))


def _same_inputs(graph: LayerGraph, node: Node, tensors: Sequence[Tensor]) -> bool:
    """Whether this is a custom layer whose inputs are as before: then its outputs are, too."""
    custom = graph.layers[node.layer].module.startswith(MODULE)
    return custom and all(tensors[i] == graph.tensors[i] for i in node.inputs)


def _outputs(layer: Layer, node: Node, tensors: Sequence[Tensor]) -> list[Tensor]:
    return infer_outputs(
        layer, node.args, node.kwargs, lambda i: tensors[i], outputs=len(node.outputs)
    )
