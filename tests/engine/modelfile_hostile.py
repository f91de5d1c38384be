"""A corpus of hostile model files, each made here, one for each known trick and advisory.

``corpus(folder, marker)`` writes them all; a file that could run code would write ``marker``.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Json = dict[str, Any]

CONV: Json = {
    "module": "keras.layers",
    "class_name": "Conv2D",
    "registered_name": None,
    "config": {"name": "conv", "trainable": True, "dtype": "float32", "filters": 2,
               "kernel_size": [1, 1], "use_bias": False},
}  # fmt: skip


def layer(class_name: str, **config: Any) -> Json:
    """A Keras 3 layer as JSON."""
    named = {"name": class_name.lower(), "trainable": True, "dtype": "float32", **config}
    return {"module": "keras.layers", "class_name": class_name, "registered_name": None,
            "config": named}  # fmt: skip


def model(*layers: Json) -> Json:
    """A Sequential model as JSON, an input before the layers."""
    start = layer("InputLayer", batch_shape=[None, 4, 4, 3])
    return {"module": "keras", "class_name": "Sequential", "registered_name": "Sequential",
            "config": {"name": "net", "layers": [start, *copy.deepcopy(layers)]}}  # fmt: skip


def weights(change: Callable[[h5py.File], None] | None = None) -> bytes:
    """A ``model.weights.h5`` for :data:`CONV`, changed."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/conv2d/vars/0"] = np.ones((1, 1, 3, 2), "float32")
        if change is not None:
            change(file)
    return buffer.getvalue()


def write_keras(path: Path, config: Json, h5: bytes | None = None, **members: bytes) -> Path:
    """A ``.keras`` archive."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights() if h5 is None else h5)
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return path


def write_h5(path: Path, config: Json, change: Callable[[h5py.File], None] | None = None) -> Path:
    """A whole-model HDF5 file as Keras 2 writes it."""
    with h5py.File(path, "w") as file:
        inner = {key: value for key, value in config.items() if key != "compile_config"}
        file.attrs["model_config"] = json.dumps(inner)
        if "compile_config" in config:
            file.attrs["training_config"] = json.dumps(config["compile_config"])
        file.attrs["keras_version"] = "2.11.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array(["conv"], dtype="S")
        place = group.create_group("conv")
        place.attrs["weight_names"] = np.array(["conv/kernel:0"], dtype="S")
        place["conv/kernel:0"] = np.ones((1, 1, 3, 2), "float32")
        if change is not None:
            change(file)
    return path


def _payload(marker: Path) -> str:
    code = compile(f"open({str(marker)!r}, 'w').close()", "x", "exec")
    return base64.b64encode(marshal.dumps(code)).decode()


def configs(marker: Path) -> Iterator[tuple[str, Json]]:
    """Configs that name what may not be named."""
    code = _payload(marker)
    lambda_value = {"class_name": "__lambda__", "config": {"value": [code, None, None]}}
    system = {"module": "os", "class_name": "function", "config": "system",
              "registered_name": "system"}  # fmt: skip
    yield "lambda", model(layer("Lambda", function=lambda_value))
    yield "old lambda", model(layer("Lambda", function=[code, None, None], function_type="lambda"))
    yield "lambda by name", model(layer("Lambda", function="system", module="os"))
    wrapped = layer("TimeDistributed", layer=layer("Lambda", function=lambda_value))
    yield "lambda in a wrapper", model(wrapped)
    both = layer("Bidirectional", layer=layer("LSTM", units=2),
                 backward_layer=layer("Lambda", function=lambda_value))  # fmt: skip
    yield "lambda in a second direction", model(both)
    deep = layer("TimeDistributed", layer=model(layer("Lambda", function=lambda_value)))
    yield "lambda in a model in a wrapper", model(deep)
    yield "lambda in a nested model", model(model(layer("Lambda", function=lambda_value)))
    yield "lambda as activation", model(layer("Activation", activation=lambda_value))
    yield "TFSMLayer", model(layer("TFSMLayer", filepath="/tmp/evil"))
    yield "TorchModuleWrapper", model(layer("TorchModuleWrapper", module="UEsDBA=="))
    yield "JaxLayer", model(layer("JaxLayer", call_fn="os.system"))
    yield "StringLookup", model(layer("StringLookup", vocabulary="/etc/passwd"))
    yield "TextVectorization", model(layer("TextVectorization", vocabulary="http://x/y"))
    yield "FeatureSpace", model(layer("FeatureSpace"))
    yield "unknown", model(layer("MyLayer"))
    yield "module path", model({**CONV, "module": "evil"})
    yield "registered", model({**CONV, "registered_name": "evil>Conv2D"})
    yield "os.system", model({**layer("Conv2D"), "module": "os", "class_name": "system"})
    yield "exec", model({"module": "builtins", "class_name": "exec", "config": "1"})
    for key in ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint"):
        changed = copy.deepcopy(CONV)
        changed["config"][key] = system
        yield f"function as {key}", model(changed)
    for name in ("get_file", "os.system", "keras.utils.get_file", "__import__"):
        yield f"activation {name}", model(layer("Activation", activation=name))
    get_file = {"module": "keras.src.utils.file_utils", "class_name": "function",
                "config": "get_file", "registered_name": "get_file"}  # fmt: skip
    yield "keras gadget", model(layer("Activation", activation=get_file))
    unsafe = {"module": "keras.src.config", "class_name": "function", "registered_name": None,
              "config": "enable_unsafe_deserialization"}  # fmt: skip
    yield (
        "unsafe mode",
        model(layer("Activation", activation=unsafe), layer("Lambda", function=lambda_value)),
    )
    fetch = {"module": "keras.src.utils.file_utils", "class_name": "get_file",
             "config": {"origin": "http://127.0.0.1:9/x", "fname": str(marker)}}  # fmt: skip
    yield "fetched file", model(CONV, fetch)
    load = {"module": "keras.saving", "class_name": "load_model", "config": {"filepath": "x"}}
    yield "keras gadget as class", model(load)
    typespec = {"class_name": "__typespec__", "spec_name": "os", "module": "os", "config": [None]}
    yield "typespec", model({**CONV, "config": {**CONV["config"], "dtype": typespec}})
    build = {**CONV, "build_config": {"input_shape": lambda_value}}
    yield "lambda in a build config", model(build)
    policy = {"module": "evil", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    yield "policy by module path", model({**CONV, "config": {**CONV["config"], "dtype": policy}})
    for name in ("os.system", "subprocess.Popen", "builtins.exec", "keras.src.utils.x.get_file"):
        module, _, function = name.rpartition(".")
        loss = {"module": module, "class_name": "function", "config": function}
        yield f"loss {name}", {**model(CONV), "compile_config": {"loss": loss}}
    yield "lambda as metric", {**model(CONV), "compile_config": {"metrics": [lambda_value]}}
    optimizer = {"module": "subprocess", "class_name": "Popen", "config": {"args": "x"}}
    yield "optimizer", {**model(CONV), "compile_config": {"optimizer": optimizer}}
    tf_op = {"class_name": "TFOpLambda", "config": {"name": "a", "function": "io.write_file"}}
    yield "tf function", _functional(tf_op, [["x", 0, 0, {}]])
    raw_op = {"class_name": "TensorFlowOpLayer", "config": {"name": "a", "node_def": "x"}}
    yield "tf node", _functional(raw_op, [[["x", 0, 0, {}]]])
    in_call = {"args": [_tensor("x")], "kwargs": {"training": lambda_value}}
    yield "lambda in a call", _functional({**CONV}, in_call)


def _tensor(name: str) -> Json:
    return {"class_name": "__keras_tensor__",
            "config": {"shape": [None, 4, 4, 3], "dtype": "float32",
                       "keras_history": [name, 0, 0]}}  # fmt: skip


def _functional(item: Json, node: Any) -> Json:
    name = item["config"]["name"]
    start = {**layer("InputLayer", batch_shape=[None, 4, 4, 3]), "name": "x", "inbound_nodes": []}
    start["config"]["name"] = "x"
    layers = [start, {**item, "name": name, "inbound_nodes": [node]}]
    return {"class_name": "Functional", "config": {
        "name": "net", "layers": layers, "input_layers": [["x", 0, 0]],
        "output_layers": [[name, 0, 0]]}}  # fmt: skip


def sizes() -> Iterator[tuple[str, Json]]:
    """Configs that ask for too much."""
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    yield "deep json", model({**CONV, "config": {**CONV["config"], "x": deep}})
    inner = model(CONV)
    for level in range(60):
        inner = {**model(inner), "config": {**model(inner)["config"], "name": f"m{level}"}}
    yield "deep models", inner
    yield "laughs", _laughs(20)
    yield "huge input", model(layer("InputLayer", name="y", batch_shape=[None] * 5000), CONV)
    split = {"module": "keras.src.ops.numpy", "class_name": "Split",
             "config": {"name": "s", "indices_or_sections": 10**9, "axis": 1}}  # fmt: skip
    yield "split", _functional(split, {"args": [_tensor("x")], "kwargs": {}})
    unstack = {"module": "keras.src.ops.core", "class_name": "Unstack",
               "config": {"name": "s", "num": 10**9, "axis": 1}}  # fmt: skip
    yield "unstack", _functional(unstack, {"args": [_tensor("x")], "kwargs": {}})
    far = _tensor("x")
    far["config"]["keras_history"] = ["x", 0, 10**9]
    yield "far output", _functional({**CONV}, {"args": [far], "kwargs": {}})
    circle = _functional({**CONV}, {"args": [_tensor("conv")], "kwargs": {}})
    yield "circle", circle
    wide = copy.deepcopy(CONV)
    wide["config"]["filters"] = 10**15
    yield "wide layer", model(wide)


def _laughs(levels: int) -> Json:
    """Models that call the next one twice each: 2^levels calls."""
    current = model(CONV)
    current["config"]["name"] = "m0"
    for level in range(1, levels):
        name = f"m{level}"
        start = {**layer("InputLayer", batch_shape=[None, 4, 4, 3]), "inbound_nodes": []}
        start["config"]["name"] = start["name"] = "x"
        inner = current["config"]["name"]
        nodes = [{"args": [_tensor("x")], "kwargs": {}} for _ in range(2)]
        join = {
            **layer("Add", name="add"),
            "name": "add",
            "inbound_nodes": [
                {
                    "args": [
                        [
                            _tensor(inner),
                            {
                                **_tensor(inner),
                                "config": {
                                    **_tensor(inner)["config"],
                                    "keras_history": [inner, 1, 0],
                                },
                            },
                        ]
                    ],
                    "kwargs": {},
                }
            ],
        }
        layers = [start, {**current, "name": inner, "inbound_nodes": nodes}, join]
        current = {"class_name": "Functional", "module": "keras", "config": {
            "name": name, "layers": layers, "input_layers": ["x", 0, 0],
            "output_layers": ["add", 0, 0]}}  # fmt: skip
    return current


def hdf5_changes(folder: Path) -> Iterator[tuple[str, Callable[[h5py.Group], None]]]:
    """What may not stand in an HDF5 file; the function gets the group of the layer's arrays."""
    secret = folder / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.ones((1, 1, 3, 2), "float32")
    raw = folder / "secret.bin"
    raw.write_bytes(bytes(64))

    def name_of(group: h5py.Group) -> str:
        return next(iter(group))

    def external_link(group: h5py.Group) -> None:
        name = name_of(group)
        del group[name]
        group[name] = h5py.ExternalLink(str(secret), "data")

    def soft_link(group: h5py.Group) -> None:
        name = name_of(group)
        del group[name]
        group[name] = h5py.SoftLink("/somewhere")

    def external_data(group: h5py.Group) -> None:
        name = name_of(group)
        del group[name]
        group.create_dataset(name, (1, 1, 3, 2), "float32", external=[(str(raw), 0, 24)])

    def virtual(group: h5py.Group) -> None:
        name = name_of(group)
        del group[name]
        layout = h5py.VirtualLayout((1, 1, 3, 2), "float32")
        layout[...] = h5py.VirtualSource(str(secret), "data", (1, 1, 3, 2))
        group.create_virtual_dataset(name, layout)

    def bomb(group: h5py.Group) -> None:
        group.create_dataset("big", (2**20, 2**12), "float32", chunks=(2**10, 2**10))

    def packed_bomb(group: h5py.Group) -> None:
        zeros = np.zeros((2**24,), "float32")
        group.create_dataset("big", data=zeros, chunks=(2**20,), compression="gzip")

    def texts(group: h5py.Group) -> None:
        group["text"] = np.array(["a", "b"], dtype=h5py.string_dtype())

    def loop(group: h5py.Group) -> None:
        group["again"] = group

    def foreign(group: h5py.Group) -> None:
        group["also"] = np.ones(3, "float32")

    def named_type(group: h5py.Group) -> None:
        group["type"] = np.dtype("float32")

    yield "external link", external_link
    yield "soft link", soft_link
    yield "external dataset", external_data
    yield "virtual dataset", virtual
    yield "shape bomb", bomb
    yield "packed bomb", packed_bomb
    yield "object type", texts
    yield "loop", loop
    yield "array of no layer", foreign
    yield "named type", named_type


def zips(folder: Path, marker: Path) -> Iterator[tuple[str, Path]]:
    """Archives that are not what they seem."""
    good = model(CONV)
    for index, name in enumerate(("../../evil", "/etc/evil", "a/../../b", "C:\\evil")):
        path = write_keras(folder / f"traversal{index}.keras", good)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"x")
        yield f"traversal {name}", path
    bomb = folder / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("config.json", json.dumps(good))
        archive.writestr("model.weights.h5", bytes(64 << 20))
    yield "zip bomb", bomb
    config_bomb = folder / "config_bomb.keras"
    with zipfile.ZipFile(config_bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("config.json", b" " * (64 << 20))
        archive.writestr("model.weights.h5", weights())
    yield "config bomb", config_bomb

    class Evil:
        def __reduce__(self) -> Any:
            return open, (str(marker), "w")

    npz = folder / "npz.keras"
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr("config.json", json.dumps(good))
        archive.writestr("model.weights.npz", pickle.dumps(Evil()))
    yield "pickled weights", npz
    locked = write_keras(folder / "locked.keras", good)
    data = bytearray(locked.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1  # "encrypted"
    locked.write_bytes(bytes(data))
    yield "encrypted", locked
    (folder / "evil.h5").write_bytes(pickle.dumps(Evil()))
    yield "pickle", folder / "evil.h5"


ADVISORIES = {
    "CVE-2024-3660": ("lambda (.keras)", "old lambda (.h5)", "lambda in a wrapper (.keras)"),
    "CVE-2025-1550": ("module path (.keras)", "os.system (.keras)", "exec (.keras)"),
    "CVE-2025-8747": ("keras gadget (.keras)", "fetched file (.keras)"),
    "CVE-2025-9905": ("lambda (.h5)", "lambda by name (.h5)"),
    "CVE-2025-9906": ("unsafe mode (.keras)",),
    "CVE-2025-49655": ("TorchModuleWrapper (.keras)", "TorchModuleWrapper (.h5)"),
    "CVE-2026-0897": ("shape bomb (.keras)", "shape bomb (.h5)", "packed bomb (.keras)"),
    "CVE-2026-1462": ("TFSMLayer (.keras)", "TFSMLayer (.h5)"),
    "CVE-2026-1669": ("external dataset (.keras)", "external link (.h5)", "virtual dataset (.h5)"),
}
"""Advisory -> files of the corpus that use it."""


def corpus(folder: Path, marker: Path) -> Iterator[tuple[str, Path]]:
    """Every hostile file, by what is wrong with it."""
    for number, (name, config) in enumerate([*configs(marker), *sizes()]):
        yield f"{name} (.keras)", write_keras(folder / f"{number}.keras", config)
        yield f"{name} (.h5)", write_h5(folder / f"{number}.h5", config)
    for number, (name, change) in enumerate(hdf5_changes(folder)):
        inner = weights(lambda file, change=change: change(file["layers/conv2d/vars"]))
        path = folder / f"h5_{number}"
        yield f"{name} (.keras)", write_keras(path.with_suffix(".keras"), model(CONV), inner)

        def in_h5(file: h5py.File, change: Any = change) -> None:
            change(file["model_weights/conv/conv"])

        yield f"{name} (.h5)", write_h5(path.with_suffix(".h5"), model(CONV), in_h5)
    yield from zips(folder, marker)
