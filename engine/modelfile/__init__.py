"""Open any Keras file: config and arrays as plain data, without Keras, without running code.

The public names of the room. Everything here is light (no TensorFlow); ``rebuild`` is the one
module that imports Keras and is imported by its own name, in the engine process only.
"""

from engine.modelfile.codec import digest
from engine.modelfile.graph import (
    Layer,
    LayerGraph,
    ModelFile,
    Node,
    Shape,
    Tensor,
    Weights,
    WeightSpec,
)
from engine.modelfile.reader import open_model, read_model, read_weights, view_model
from engine.modelfile.shapes import reshape_graph

__all__ = [
    "Layer",
    "LayerGraph",
    "ModelFile",
    "Node",
    "Shape",
    "Tensor",
    "WeightSpec",
    "Weights",
    "digest",
    "open_model",
    "read_model",
    "read_weights",
    "reshape_graph",
    "view_model",
]
