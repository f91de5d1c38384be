"""Small SavedModel folders, checkpoints and TFLite files, written byte by byte: no TensorFlow.

What the fuzz bench damages, what hostile files start from, and what the window's tests open.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np


def varint(value: int) -> bytes:
    """A number of variable length."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(field << 3) + varint(value)


def block(field: int, value: bytes | str) -> bytes:
    """A field that is a message or a text."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def write_table(entries: dict[bytes, bytes]) -> bytes:
    """A sorted table of one block."""
    body = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value
        for key, value in sorted(entries.items())
    )
    body += struct.pack("<II", 0, 1)
    last = max(entries) + b"\xff"
    handle = varint(0) + varint(len(body))
    index = varint(0) + varint(len(last)) + varint(len(handle)) + last + handle
    index += struct.pack("<II", 0, 1)
    data = body + bytes(5) + index + bytes(5)
    footer = varint(0) + varint(0) + varint(len(body) + 5) + varint(len(index))
    return data + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def write_checkpoint(
    stem: Path, arrays: dict[str, np.ndarray], objects: list[tuple[dict[str, int], str | None]]
) -> Path:
    """A checkpoint of float32 arrays; ``objects``: parts by name, and the key of a value."""
    nodes = b""
    for parts, key in objects:
        children = b"".join(
            block(1, number(1, place) + block(2, name)) for name, place in parts.items()
        )
        value = b"" if key is None else block(2, block(1, "VARIABLE_VALUE") + block(3, key))
        nodes += block(1, children + value)
    text = varint(len(nodes)) + bytes(4) + nodes
    data = b""
    entries = {b"": number(1, 1)}

    def add(key: str, dtype: int, shape: tuple[int, ...], values: bytes) -> None:
        nonlocal data
        dims = block(2, b"".join(block(2, number(1, size)) for size in shape))
        place = number(4, len(data)) + number(5, len(values))
        entries[key.encode()] = number(1, dtype) + dims + place
        data += values

    for key, array in arrays.items():
        add(key, 1, array.shape, array.astype("<f4").tobytes())
    add("_CHECKPOINTABLE_OBJECT_GRAPH", 7, (), text)
    index = stem.with_name(f"{stem.name}.index")
    index.write_bytes(write_table(entries))
    stem.with_name(f"{stem.name}.data-00000-of-00001").write_bytes(data)
    return index


def metadata(text: str) -> bytes:
    """A ``keras_metadata.pb`` with the model alone, which this JSON describes."""
    return block(1, block(3, "root") + block(4, "_tf_keras_sequential") + block(5, text))


def write_metadata(path: Path, config: dict[str, Any], **more: Any) -> None:
    """The same from a config, as a file."""
    about = {"name": "net", "keras_version": "2.11.0", "model_config": config, **more}
    path.write_bytes(metadata(json.dumps(about)))


def write_savedmodel(folder: Path, config: dict[str, Any], kernel: np.ndarray) -> Path:
    """A folder of a Sequential model whose first layer has a kernel and nothing else has."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(number(1, 1))
    write_metadata(folder / "keras_metadata.pb", config)
    key = "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    write_checkpoint(
        folder / "variables" / "variables",
        {key: kernel},
        [({"layer-0": 1, "layer_with_weights-0": 1}, None), ({"kernel": 2}, None), ({}, key)],
    )
    return folder


def write_tflite(path: Path, kernel: np.ndarray) -> Path:
    """A TFLite file of one fully connected operator without a bias."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], buffer: int) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name, shape, buffer
        made.type = schema.TensorType.FLOAT32
        return made

    units, width = kernel.shape
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.inputs, operator.outputs = [0, 1], [2]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", [1, width], 0), tensor("kernel", [units, width], 1), tensor("y", [1, units], 0)
    ]  # fmt: skip
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [2]
    empty, full = schema.BufferT(), schema.BufferT()
    full.data = np.frombuffer(kernel.astype("<f4").tobytes(), np.uint8)
    model = schema.ModelT()
    model.version, model.description = 3, "by hand"
    model.operatorCodes, model.subgraphs, model.buffers = [code], [graph], [empty, full]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
