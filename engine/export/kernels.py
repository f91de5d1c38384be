"""Kernels of a TFLite file, read from its bytes.

Owns which constant tensors are kernels and how their zeros are counted. It needs the file's
schema, no runtime: nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from engine.export.sparse import dense_values, is_operator

_KERNEL_INPUT = {
    schema.BuiltinOperator.CONV_2D: 1,
    schema.BuiltinOperator.CONV_3D: 1,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 1,
    schema.BuiltinOperator.FULLY_CONNECTED: 1,
    schema.BuiltinOperator.TRANSPOSE_CONV: 1,
    schema.BuiltinOperator.BATCH_MATMUL: 1,
}
_UNPACKERS = (schema.BuiltinOperator.DENSIFY, schema.BuiltinOperator.DEQUANTIZE)
_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
}


def kernel_zeros(path: Path) -> int:
    """Exact zeros in all kernels of a file, a shared one once.

    Of an int8 kernel: values that stand for 0 (kernels have the zero point 0).
    """
    return sum(int(np.count_nonzero(kernel == 0)) for kernel in kernels(path))


def kernels(path: Path) -> Iterator[np.ndarray]:
    """The arrays of all kernels as stored (int8 ones unscaled), sparse ones unfolded."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    for graph in model.subgraphs or ():
        made_by = {
            int(output): op
            for op in graph.operators or ()
            if any(is_operator(model, op, kind) for kind in _UNPACKERS)
            for output in op.outputs
        }
        seen: set[int] = set()
        for op in graph.operators or ():
            place = next((p for k, p in _KERNEL_INPUT.items() if is_operator(model, op, k)), None)
            if place is None:
                continue
            index = int(op.inputs[place])
            while index in made_by:
                index = int(made_by[index].inputs[0])
            if index not in seen:
                seen.add(index)
                yield from _constant(model, graph.tensors[index])


def _constant(model: Any, tensor: Any) -> Iterator[np.ndarray]:
    """The array of a constant tensor; nothing where it is computed."""
    data = model.buffers[tensor.buffer].data
    kind = _TYPES.get(tensor.type)
    if data is None or not len(data) or kind is None:
        return
    if tensor.sparsity is not None:
        yield dense_values(model, tensor)
    else:
        yield np.asarray(data, np.uint8).view(kind)
