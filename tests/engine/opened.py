"""A Keras model of a test as our layer graph and arrays, by the way that files go.

The model is saved and read by the functions of the reading child, in this process: a test of cuts
need not start a process for each net.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

from engine.modelfile.child import read_keras
from engine.modelfile.codec import graph_from_plain
from engine.modelfile.graph import LayerGraph, Weights


def opened(model: keras.Model) -> tuple[LayerGraph, Weights]:
    """Graph and arrays of a model."""
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
