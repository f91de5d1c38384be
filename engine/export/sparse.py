"""Sparse encoding of a TFLite file, kept only where it helps and runs.

Owns the edit of a converter's sparse file: a kernel that its sparse form makes larger, or that
the runtime cannot unfold, is written densely again. It needs the file's schema, no TensorFlow and
no runtime; whether the result runs is the promise check's business.

XNNPACK (LiteRT 2.3) cannot prepare a fully connected int8 layer behind a DENSIFY; every other
layer runs.
"""

from __future__ import annotations

from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_OVERHEAD_BYTES = 320
"""A DENSIFY operator, its tensor and the sparsity tables, beside segments and indices."""

_NUMPY_TYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT8: np.dtype(np.int8),
}


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Starts every vector at a multiple of 16 bytes, as the schema asks of buffers."""

    def StartVector(self, element_bytes: int, count: int, alignment: int) -> Any:
        return super().StartVector(element_bytes, count, max(alignment, 16))


def keep_where_it_helps(data: bytes) -> bytes:
    """The file with those kernels dense again whose sparse form is larger or does not run.

    Parameters
    ----------
    data
        A TFLite file written with sparse encoding.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    changed = False
    for graph in model.subgraphs:
        unfolded = [
            op for op in graph.operators if is_operator(model, op, schema.BuiltinOperator.DENSIFY)
        ]
        for op in unfolded:
            source, target = int(op.inputs[0]), int(op.outputs[0])
            if _is_better_sparse(model, graph, source, target):
                continue
            _make_dense(model, graph, source)
            for reader in graph.operators:
                reader.inputs = [source if int(i) == target else int(i) for i in reader.inputs]
            graph.operators.remove(op)
            _remove_tensor(model, graph, target)
            changed = True
    return pack(model) if changed else data


def pack(model: Any) -> bytes:
    """Bytes of a model in the schema's object form."""
    builder = _Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def dense_values(model: Any, tensor: Any) -> np.ndarray:
    """The array that a sparse tensor stands for.

    Raises
    ------
    ValueError
        For an encoding other than the converter's: axes in order, without blocks.
    """
    sparsity = tensor.sparsity
    rank = len(tensor.shape)
    blocks = 0 if sparsity.blockMap is None else len(sparsity.blockMap)
    if blocks or list(sparsity.traversalOrder) != list(range(rank)):
        raise ValueError(f"a sparse tensor with blocks or another order of axes: {tensor.name!r}")
    kind = _NUMPY_TYPES.get(tensor.type)
    if kind is None:
        raise ValueError(f"a sparse tensor of type {tensor.type}: {tensor.name!r}")
    values = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(kind)
    rows = np.zeros(1, np.int64)
    for axis, dimension in enumerate(sparsity.dimMetadata):
        size = int(tensor.shape[axis])
        if dimension.format == schema.DimensionType.DENSE:
            rows = (rows[:, None] * size + np.arange(size)).reshape(-1)
            continue
        segments = np.asarray(dimension.arraySegments.values, np.int64)
        indices = np.asarray(dimension.arrayIndices.values, np.int64)
        rows = np.repeat(rows, np.diff(segments)) * size + indices
    dense: np.ndarray = np.zeros(int(np.prod(tensor.shape)), kind)
    dense[rows] = values
    return dense.reshape([int(n) for n in tensor.shape])


def is_operator(model: Any, operator: Any, kind: int) -> bool:
    """Whether an operator is the built-in one of this code."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == kind


def _is_better_sparse(model: Any, graph: Any, source: int, target: int) -> bool:
    tensor = graph.tensors[source]
    if tensor.sparsity is None:
        return True
    if tensor.type == schema.TensorType.INT8 and any(
        is_operator(model, op, schema.BuiltinOperator.FULLY_CONNECTED)
        and target in [int(i) for i in op.inputs]
        for op in graph.operators
    ):
        return False
    sparse_bytes = _OVERHEAD_BYTES + len(model.buffers[tensor.buffer].data)
    for dimension in tensor.sparsity.dimMetadata:
        for vector in (dimension.arraySegments, dimension.arrayIndices):
            if vector is not None and vector.values is not None:
                sparse_bytes += int(np.asarray(vector.values).nbytes)
    kind = _NUMPY_TYPES.get(tensor.type)
    return kind is None or sparse_bytes < int(np.prod(tensor.shape)) * kind.itemsize


def _make_dense(model: Any, graph: Any, index: int) -> None:
    tensor = graph.tensors[index]
    values = dense_values(model, tensor)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    if sum(t.buffer == tensor.buffer for g in model.subgraphs for t in g.tensors) == 1:
        model.buffers[tensor.buffer].data = None
    tensor.buffer = len(model.buffers) - 1
    tensor.sparsity = None


def _remove_tensor(model: Any, graph: Any, index: int) -> None:
    """Take a tensor out that nothing reads any more; later ones move up."""

    def moved(value: Any) -> int:
        return int(value) - (int(value) > index)

    del graph.tensors[index]
    graph.inputs = [moved(i) for i in graph.inputs]
    graph.outputs = [moved(i) for i in graph.outputs]
    for op in graph.operators:
        op.inputs = [moved(i) for i in op.inputs]
        op.outputs = [moved(i) for i in op.outputs]
        if op.intermediates is not None:
            op.intermediates = [moved(i) for i in op.intermediates]
    subgraph = model.subgraphs.index(graph)
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == subgraph:
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = moved(entry.tensorIndex)
