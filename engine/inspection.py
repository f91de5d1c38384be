"""``inspect``: a model file as JSON, without TensorFlow.

Owns the shape of that answer; reading and tracing are other rooms' work.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import jsonio
from engine.channels.cost import cost
from engine.channels.trace import trace
from engine.errors import UserError
from engine.modelfile.compiled import compiled_of
from engine.modelfile.graph import LayerGraph, Tensor
from engine.modelfile.reader import view_model
from engine.modelfile.shapes import reshape_graph
from engine.search.describe import layer_states, output_shapes


def inspect_model(
    path: Path,
    *,
    input_shape: tuple[int, ...] | None = None,
    weights: Path | None = None,
    custom: Path | None = None,
) -> dict[str, Any]:
    """The answer of ``inspect``: see the command's keys in the README."""
    file = view_model(path, weights=weights, custom=custom)
    graph = file.graph if input_shape is None else with_input_shape(file.graph, input_shape)
    channels = trace(graph)
    rows = layer_states(graph, channels, weights=None, before=graph)
    shapes = _layer_shapes(graph)
    only_shown = file.format == "tflite"
    return {
        "schema": 1,
        "format": file.format,
        "written_by": file.written_by,
        "inputs": [_plain(graph, t) for t in graph.inputs],
        "outputs": [_plain(graph, t) for t in graph.outputs],
        "params": graph.params,
        "macs": None if only_shown else cost(graph).macs,
        "layers": [
            {
                "name": row.name,
                "class": row.class_name,
                "output_shape": shapes.get(row.name),
                "params": row.params,
                "macs": None if only_shown else row.macs,
                "zeros": row.zeros,
                "group": row.group,
                "prunable": row.prunable,
                "reason": row.reason,
            }
            for row in rows
        ],
        "groups": [
            {
                "id": group.id,
                "channels": group.channels,
                "layers": list(group.layers),
                "producers": list(group.producers),
                "pinned": group.pinned,
                "prunable": group.prunable,
                "reason": group.reason,
            }
            for group in channels.groups
        ],
        "warnings": list(file.warnings),
        "compile": jsonio.to_plain(compiled_of(file.compile_config)),
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "dtype": tensor.dtype,
                "bytes": tensor.bytes,
                "zeros": tensor.zeros,
                "sparse": tensor.sparse,
            }
            for tensor in file.tensors
        ],
    }


def with_input_shape(graph: LayerGraph, shape: tuple[int, ...]) -> LayerGraph:
    """The graph at another input size, all shapes inferred again.

    Raises
    ------
    UserError
        Where the model has several inputs or the shape does not fit its input.
    """
    own = graph.shape(graph.inputs[0]) if len(graph.inputs) == 1 else None
    if own is None or len(own) != len(shape) + 1:
        raise UserError(
            "input_shape.misfit",
            f"The input shape does not fit the model's input {own and list(own[1:])}:"
            f" {list(shape)}.",
            "Give one size for each axis without the batch, such as 224,224,3.",
        )
    if any(a is not None and a != b for a, b in zip(own[1:], shape, strict=True)):
        raise UserError(
            "input_shape.fixed",
            f"The model fixes its input to {list(own[1:])}; received {list(shape)}.",
            "Only sizes that the model leaves open can be set.",
        )
    tensors = list(graph.tensors)
    index = graph.inputs[0]
    tensors[index] = Tensor(shape=(None, *shape), dtype=tensors[index].dtype)
    return reshape_graph(replace(graph, tensors=tuple(tensors)))


def _plain(graph: LayerGraph, tensor: int) -> dict[str, Any]:
    shape = graph.shape(tensor)
    producer = next((n.layer for n in graph.nodes if tensor in n.outputs), None)
    return {
        "name": producer,
        "shape": None if shape is None else list(shape[1:]),
        "dtype": graph.tensors[tensor].dtype,
    }


def _layer_shapes(graph: LayerGraph) -> dict[str, Any]:
    """Output shape by layer without the batch axis; a list of shapes for several outputs."""
    shapes: dict[str, Any] = {
        name: None if shape is None else list(shape[1:])
        for name, shape in output_shapes(graph).items()
    }
    for node in graph.nodes:
        if len(node.outputs) > 1:
            found = [graph.shape(t) for t in node.outputs]
            shapes[node.layer] = [None if s is None else list(s[1:]) for s in found]
    return shapes
