"""A live Keras 3 model from a layer graph, and its arrays back out.

Owns the only way from our plain data to Keras objects: layers from our own class table, operations
from our own operation table, arrays assigned with every shape checked. It imports Keras and runs
in the engine process only. It knows nothing of files.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.errors import UserError
from engine.modelfile import custom_layers
from engine.modelfile.classes import OPERATIONS
from engine.modelfile.graph import Layer, LayerGraph, Weights
from engine.modelfile.layer_defaults import layer_defaults
from engine.modelfile.shape_ops import ELEMENTWISE
from engine.modelfile.shapes import is_operation, is_tensor

_KERAS_ERRORS = (
    TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, RuntimeError,
    AssertionError, MemoryError, tf.errors.OpError,
)  # fmt: skip
"""What Keras and TensorFlow raise for options and shapes that make no sense."""

_EXPORTED = {"GroupedQueryAttention": "GroupQueryAttention"}
_WITHOUT_TRAINABLE = frozenset({"SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"})


def keras_name(name: str) -> str:
    """The Keras name of one of our layers: Keras allows no slash, so "outer/inner" has a dot."""
    return name.replace("/", ".")


def build(graph: LayerGraph, weights: Weights) -> keras.Model:
    """A functional Keras 3 model that computes what the graph says.

    Parameters
    ----------
    graph
        The graph; nested models are already flattened.
    weights
        Arrays by layer and weight name; every weight of every layer, in any order.

    Returns
    -------
    keras.Model
        Not compiled. Its layers are called :func:`keras_name` of ours.

    Raises
    ------
    UserError
        Where Keras refuses a layer's options, or an array is missing or has another shape.
    """
    layers = _layers(graph)
    tensors: dict[int, Any] = {}
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        if layer.class_name == "InputLayer":
            outputs = [layers[node.layer].output]
        else:
            args = [_live(value, tensors, layer) for value in node.args]
            kwargs = {key: _live(value, tensors, layer) for key, value in node.kwargs.items()}
            outputs = keras.tree.flatten(_called(layer, layers[node.layer], args, kwargs))
        for number, tensor in zip(node.outputs, outputs, strict=False):
            tensors[number] = tensor
    model = keras.Model(
        inputs=_structure(graph.input_structure, graph.inputs, tensors),
        outputs=_structure(graph.output_structure, graph.outputs, tensors),
        name=keras_name(graph.name),
    )
    for name, layer in graph.layers.items():
        _assign(layer, layers[name], weights.get(name, {}))
    return model


def weights_of(model: keras.Model, graph: LayerGraph) -> Weights:
    """The arrays of a model that :func:`build` made of this graph, by our names.

    Raises
    ------
    ValueError
        Where the model's weights are not those of the graph.
    """
    found: Weights = {}
    for name, layer in graph.layers.items():
        if not layer.weights:
            continue
        live = model.get_layer(keras_name(name))
        if custom_layers.is_custom(layer):
            found[name] = custom_layers.values_of(layer, live)
            continue
        variables = live.weights
        if len(variables) != len(layer.weights):
            raise ValueError(f"layer {name!r} has {len(variables)} weights")
        found[name] = {}
        for spec, variable in zip(layer.weights, variables, strict=True):
            if tuple(variable.shape) != spec.shape:
                raise ValueError(f"{name!r}: {spec.name} is {tuple(variable.shape)}")
            found[name][spec.name] = np.asarray(keras.ops.convert_to_numpy(variable.value))
    return found


def _layers(graph: LayerGraph) -> dict[str, Any]:
    names = [keras_name(name) for name in graph.layers]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            "model.names_clash",
            f"Two layers would have one name once nested models are opened up: {twice!r}.",
            "Rename one of them and save the model again.",
        )
    return {name: _layer(layer) for name, layer in graph.layers.items()}


def _layer(layer: Layer) -> Any:
    config = {**layer.config, "name": keras_name(layer.name)}
    if custom_layers.is_custom(layer):
        return custom_layers.make(layer, config)
    try:
        if is_operation(layer):
            return _operation(layer, config)
        if layer.class_name == "InputLayer":
            return keras.layers.InputLayer.from_config(config)
        if layer.class_name not in layer_defaults():
            raise ValueError("no class that we open")
        if layer.class_name in _WITHOUT_TRAINABLE:
            config.pop("trainable")
        exported = _EXPORTED.get(layer.class_name, layer.class_name)
        return getattr(keras.layers, exported).from_config(config)
    except _KERAS_ERRORS as error:
        raise _refused(layer, error) from error


def _operation(layer: Layer, config: dict[str, Any]) -> Any:
    module = OPERATIONS[layer.class_name]
    operation = getattr(importlib.import_module(module), layer.class_name)
    return operation(**{key: _tupled(value) for key, value in config.items()})


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def _called(layer: Layer, live: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if custom_layers.is_custom(layer):
        return custom_layers.call(layer, live, args, kwargs)
    try:
        return live(*args, **kwargs)
    except _KERAS_ERRORS as error:
        raise _refused(layer, error) from error


def _refused(layer: Layer, error: Exception) -> UserError:
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered"):
        del lines[0]
    lines = [x for x in lines if x.startswith("Exception encountered: ")] or lines
    return UserError(
        "model.keras_refused",
        f"Keras {keras.__version__} cannot make the layer {layer.name!r} ({layer.class_name}): "
        f"{(lines[0] if lines else type(error).__name__)[:200].rstrip('.')}.",
        "Save the model again with a recent Keras 3.",
    )


def _live(value: Any, tensors: Mapping[int, Any], layer: Layer) -> Any:
    """Arguments of a call as Keras wants them: tensors, slices, tuples."""
    if is_tensor(value):
        return tensors[value["tensor"]]
    if isinstance(value, Mapping):
        kind = value.get("class_name")
        if kind == "__slice__":
            cut = value["config"]
            return slice(cut.get("start"), cut.get("stop"), cut.get("step"))
        if kind == "__ellipsis__":
            return Ellipsis
        return {key: _live(item, tensors, layer) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if is_operation(layer) and _is_constant(value) and layer.class_name in ELEMENTWISE:
            return np.asarray(value, "float32")
        items = [_live(item, tensors, layer) for item in value]
        return tuple(items) if layer.class_name == "GetItem" else items
    return value


def _is_constant(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_constant(item) for item in value)
    return isinstance(value, int | float)


def _structure(structure: Any, ids: Sequence[int], tensors: Mapping[int, Any]) -> Any:
    if structure is None:
        return [tensors[number] for number in ids]
    if is_tensor(structure):
        return tensors[structure["tensor"]]
    if isinstance(structure, Mapping):
        return {key: _structure(item, ids, tensors) for key, item in structure.items()}
    return [_structure(item, ids, tensors) for item in structure]


def _assign(layer: Layer, live: Any, arrays: Mapping[str, np.ndarray]) -> None:
    variables = [] if is_operation(layer) else list(live.weights)
    if custom_layers.is_custom(layer):
        if layer.weights or variables:
            custom_layers.assign(layer, live, arrays)
        return
    if len(variables) != len(layer.weights):
        raise _wrong(layer, f"Keras has {len(variables)} weights, the file {len(layer.weights)}")
    if set(arrays) != {spec.name for spec in layer.weights}:
        raise _wrong(layer, f"it was given the arrays {sorted(arrays)}")
    for spec, variable in zip(layer.weights, variables, strict=True):
        array = arrays[spec.name]
        if variable.path.rpartition("/")[2] != spec.name.rpartition("/")[2]:
            raise _wrong(layer, f"{spec.name!r} is Keras's {variable.path!r}")
        if tuple(variable.shape) != tuple(array.shape) or tuple(array.shape) != spec.shape:
            raise _wrong(
                layer, f"{spec.name!r} has the shape {array.shape}, not {tuple(variable.shape)}"
            )
        variable.assign(array)
    if layer.class_name == "Normalization":
        live.finalize_state()


def _wrong(layer: Layer, what: str) -> UserError:
    return UserError(
        "model.weights_mismatch",
        f"The weights do not fit the layer {layer.name!r} ({layer.class_name}): {what}.",
        "Save the model again with Keras.",
    )
