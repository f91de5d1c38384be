"""A Keras model of a test as our layer graph and arrays, without starting a process.

``opened`` goes the way that files go (save, then the reading child's own functions, in this
process); ``from_model`` takes config and variables as they are, for models too large for that.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from engine.modelfile.build_graph import build
from engine.modelfile.child import read_keras
from engine.modelfile.codec import graph_from_plain
from engine.modelfile.graph import LayerGraph, Weights, WeightSpec
from engine.modelfile.translate import model_tree


def opened(model: keras.Model) -> tuple[LayerGraph, Weights]:
    """Graph and arrays of a model, through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        target = Path(folder) / "weights.npz"
        answer = read_keras({"path": str(path), "weights_to": str(target)})
        weights: Weights = {}
        with np.load(target, allow_pickle=False) as arrays:
            for index, (layer, weight) in enumerate(answer["arrays"]):
                weights.setdefault(layer, {})[weight] = arrays[f"a{index}"]
    return graph_from_plain(answer["graph"]), weights


def from_model(model: keras.Model) -> tuple[LayerGraph, Weights]:
    """Graph and arrays of a model, from its config and its variables."""
    built = build(model_tree(json.loads(model.to_json()), 3))
    layers = dict(built.graph.layers)
    weights: Weights = {}
    for slot in built.slots:
        if not slot.variables:
            continue
        layer = model
        for name in slot.chain:
            layer = layer.get_layer(name)
        assert len(layer.weights) == len(slot.variables), slot.layer
        specs = []
        for variable, wanted in zip(layer.weights, slot.variables, strict=True):
            array = np.asarray(keras.ops.convert_to_numpy(variable.value))
            if array.ndim:
                array = slot.form.restore(wanted.name, array, wanted.shape, wanted.gates)
            weights.setdefault(slot.layer, {})[wanted.name] = array
            specs.append(
                WeightSpec(
                    name=wanted.name, shape=array.shape, dtype=str(array.dtype),
                    trainable=wanted.trainable,
                )
            )  # fmt: skip
        layers[slot.layer] = replace(layers[slot.layer], weights=tuple(specs))
    return replace(built.graph, layers=layers), weights
