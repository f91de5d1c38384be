"""Open any Keras file: config and arrays as plain data, without Keras, without running code.

The public names of the room. Everything here is light (no TensorFlow); ``rebuild``, with its
``custom_layers``, is what imports Keras, by its own name and in the engine process only.
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
