"""TensorFlow Lite files, for looking at: operators, tensors, sizes and zeros.

Owns the way from such a file to a layer graph whose layers are its operators; none of them can be
cut. The file's tables are read through LiteRT's own schema for Python, which runs nothing of the
file. It runs in the child process only.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine import jsonio
from engine.modelfile.answers import digest_of
from engine.modelfile.codec import graph_to_plain
from engine.modelfile.graph import (
    Layer,
    LayerGraph,
    Node,
    Shape,
    StoredTensor,
    Tensor,
    WeightSpec,
)
from engine.modelfile.refusals import damaged

_ERRORS = (
    struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError,
    RuntimeError, MemoryError, OSError,
)  # fmt: skip
_REASON: Final = "a TensorFlow Lite file can only be looked at"
_NUMPY: Final = {
    "FLOAT32": "<f4", "FLOAT16": "<f2", "FLOAT64": "<f8", "INT8": "i1", "UINT8": "u1",
    "INT16": "<i2", "UINT16": "<u2", "INT32": "<i4", "UINT32": "<u4", "INT64": "<i8",
    "UINT64": "<u8", "BOOL": "?", "BFLOAT16": "<u2",
}  # fmt: skip
_NAMES: Final = {
    "CONV_2D": (None, "kernel", "bias"),
    "DEPTHWISE_CONV_2D": (None, "depthwise_kernel", "bias"),
    "FULLY_CONNECTED": (None, "kernel", "bias"),
    "TRANSPOSE_CONV": (None, "kernel", None, "bias"),
    "DENSIFY": ("kernel",),
}
"""What the constant inputs of an operator are called."""

_MAX_NAME: Final = 80


def read_tflite(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read a ``.tflite`` file; payload and answer as :func:`engine.modelfile.child.read_h5`.

    The answer has ``tensors`` too: every constant tensor as plain data. Nothing is written to
    ``weights_to``: these arrays are for no model of ours.
    """
    path = Path(payload["path"])
    try:
        file = _File(path.read_bytes())
        graph, tensors = file.graph(path.stem)
    except _ERRORS as error:
        raise damaged("it is no whole TensorFlow Lite file", error) from None
    return {
        "graph": graph_to_plain(graph),
        "sha256": digest_of([path]),
        "arrays": [],
        "format": "tflite",
        "written_by": file.written_by,
        "compile_config": None,
        "warnings": file.warnings,
        "tensors": jsonio.to_plain(tensors),
    }


class _File:
    """The tables of one file."""

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._size = len(data)
        self._model = schema.Model.GetRootAs(data, 0)
        self._operators = _words(schema.BuiltinOperator)
        self._types = _words(schema.TensorType)
        description = self._model.Description()
        self.written_by = None if not description else _text(description)
        count = self._counted(self._model.SubgraphsLength())
        if count < 1:
            raise ValueError("it has no graph")
        self._graph = self._model.Subgraphs(0)
        self.warnings = [] if count == 1 else [f"Only the first of {count} graphs is shown."]

    def _counted(self, count: int) -> int:
        """A count of table entries, none of which takes fewer than four bytes."""
        if not 0 <= count <= self._size // 4:
            raise ValueError(f"{count} entries")
        return count

    def graph(self, name: str) -> tuple[LayerGraph, list[StoredTensor]]:
        """Operators as layers, and the constant tensors."""
        graph = self._graph
        every = [graph.Tensors(i) for i in range(self._counted(graph.TensorsLength()))]
        stored = {i: found for i, t in enumerate(every) if (found := self._stored(t)) is not None}
        inputs = [int(graph.Inputs(i)) for i in range(self._counted(graph.InputsLength()))]
        outputs = [int(graph.Outputs(i)) for i in range(self._counted(graph.OutputsLength()))]
        layers: dict[str, Layer] = {}
        nodes: list[Node] = []
        for index in inputs:
            label = _unused(_name(every[index]), layers)
            layers[label] = Layer(name=label, class_name="INPUT", opaque=_REASON)
            nodes.append(Node(layer=label, inputs=(), outputs=(index,), args=()))
        counted: set[int] = set()
        for number in range(self._counted(graph.OperatorsLength())):
            operator = graph.Operators(number)
            kind = self._kind(operator)
            read = [operator.Inputs(i) for i in range(self._counted(operator.InputsLength()))]
            made = [operator.Outputs(i) for i in range(self._counted(operator.OutputsLength()))]
            label = _unused(_name(every[made[0]]) if made else kind, layers)
            weights = tuple(_specs(kind, read, stored, counted))
            layers[label] = Layer(name=label, class_name=kind, weights=weights, opaque=_REASON)
            flow = tuple(int(i) for i in read if 0 <= i < len(every) and i not in stored)
            nodes.append(
                Node(layer=label, inputs=flow, outputs=tuple(int(i) for i in made), args=())
            )
        tensors = tuple(
            Tensor(shape=self._flow_shape(t), dtype=self._types[t.Type()].lower()) for t in every
        )
        made_graph = LayerGraph(
            name=name, layers=layers, nodes=tuple(nodes), tensors=tensors,
            inputs=tuple(inputs), outputs=tuple(outputs),
        )  # fmt: skip
        return made_graph, [stored[i] for i in sorted(stored)]

    def _kind(self, operator: Any) -> str:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        number = max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))
        kind = self._operators.get(number, f"operator {number}")
        return _text(code.CustomCode() or b"CUSTOM")[:_MAX_NAME] if kind == "CUSTOM" else kind

    def _shape(self, tensor: Any) -> tuple[int, ...]:
        shape = tuple(int(tensor.Shape(i)) for i in range(self._counted(tensor.ShapeLength())))
        if len(shape) > 32 or any(size < 0 for size in shape):
            raise ValueError(f"a tensor of the shape {shape[:8]}")
        return shape

    def _flow_shape(self, tensor: Any) -> Shape:
        shape = self._shape(tensor)
        if tensor.ShapeSignatureLength() == len(shape) and shape:
            signature = (int(tensor.ShapeSignature(i)) for i in range(len(shape)))
            known: Shape = tuple(None if size < 0 else size for size in signature)
            return (None, *known[1:])
        return (None, *shape[1:])

    def _stored(self, tensor: Any) -> StoredTensor | None:
        """A tensor whose values stand in the file; None for one that flows."""
        buffer = self._model.Buffers(tensor.Buffer())
        size = self._counted(buffer.DataLength() // 4) * 4 if buffer.DataLength() else 0
        if not size:
            return None
        shape, dtype = self._shape(tensor), self._types[tensor.Type()]
        sparse = tensor.Sparsity() is not None
        return StoredTensor(
            name=_name(tensor),
            shape=shape,
            dtype=dtype.lower(),
            bytes=int(buffer.DataLength()),
            zeros=_zeros(tensor, buffer, shape, dtype, sparse=sparse),
            sparse=sparse,
        )


def _zeros(
    tensor: Any, buffer: Any, shape: tuple[int, ...], dtype: str, *, sparse: bool
) -> int | None:
    """Exact zeros (for integers: zero points); None where the values are packed or text."""
    form = _NUMPY.get(dtype)
    data = buffer.DataAsNumpy()
    if form is None or isinstance(data, int) or data.size % np.dtype(form).itemsize:
        return None
    values = data.view(form)
    total = math.prod(shape)
    points = tensor.Quantization()
    zero = points.ZeroPoint(0) if points is not None and points.ZeroPointLength() == 1 else 0
    nonzero = int(np.count_nonzero(values != values.dtype.type(zero)))
    if not sparse and values.size != total:
        return None
    return max(total - nonzero, 0)


def _specs(
    kind: str, read: list[int], stored: Mapping[int, StoredTensor], counted: set[int]
) -> Iterator[WeightSpec]:
    """Constant inputs of an operator; a tensor that several read belongs to the first."""
    names = _NAMES.get(kind, ())
    for place, index in enumerate(read):
        found = stored.get(index)
        if found is None or index in counted:
            continue
        counted.add(index)
        name = names[place] if place < len(names) and names[place] else f"constant_{place}"
        yield WeightSpec(
            name=str(name), shape=found.shape, dtype=found.dtype, trainable=False,
            zeros=found.zeros,
        )  # fmt: skip


def _words(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _name(tensor: Any) -> str:
    return _text(tensor.Name() or b"tensor")[:_MAX_NAME]


def _unused(name: str, taken: Mapping[str, Layer]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found
