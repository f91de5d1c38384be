"""Finding things in a Keras model: its norms, its random states, its one output.

Owns walks over a model's layers, nested models and wrappers included. It changes nothing.
"""

from __future__ import annotations

from typing import Any

import keras


def norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Every BatchNormalization of a model, once each."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def random_states(model: keras.Model) -> list[keras.Variable]:
    """States of seed generators (of dropout, noise): variables that are not weights."""
    weights = {id(weight) for weight in model.weights}
    return [v for v in model.variables if id(v) not in weights and tuple(v.shape) == (2,)]


def single_output(outputs: Any) -> Any:
    """The one output tensor of a model's call; several are put side by side, flat [batch, k]."""
    leaves = keras.tree.flatten(outputs)
    if len(leaves) == 1:
        return leaves[0]
    flat = [keras.ops.reshape(leaf, (keras.ops.shape(leaf)[0], -1)) for leaf in leaves]
    return keras.ops.concatenate([keras.ops.cast(leaf, "float32") for leaf in flat], axis=1)
