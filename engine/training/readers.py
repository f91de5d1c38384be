"""Channels weakened or taken away without a cut: factors on what reads them.

Owns the one place where a channel can be scaled in any network: the input axis of every kernel
that reads it, behind its norm and activation. A factor of 0 is the channel's removal.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.channels.groups import Axis, Channels
from engine.modelfile.rebuild import keras_name


def variable_of(model: keras.Model, axis: Axis) -> keras.Variable:
    """The weight of an axis in a model that :func:`engine.modelfile.rebuild.build` made."""
    layer = model.get_layer(keras_name(axis.layer))
    return next(weight for weight in layer.weights if weight.name == axis.weight)


class Readers:
    """All kernels that read channels of a model.

    Parameters
    ----------
    model, channels
        A model that :func:`engine.modelfile.rebuild.build` made, and the groups of its graph.
    """

    def __init__(self, model: keras.Model, channels: Channels) -> None:
        self._units = int(channels.unit_group.size)
        self._kernels = []
        for axis in channels.axes:
            if axis.role == "in" and (axis.units >= 0).any():
                variable = variable_of(model, axis)
                shape = [1] * len(variable.shape)
                shape[axis.axis] = -1
                units = np.where(axis.units < 0, self._units, axis.units)
                self._kernels.append((variable, units, tuple(shape)))

    def scaled(self, factors: Any) -> list[tuple[keras.Variable, Any]]:
        """Each kernel, and what it is where every global unit is read times its factor."""
        factors = tf.concat([factors, tf.ones(1)], axis=0)
        return [
            (variable, variable.value * tf.reshape(tf.gather(factors, units), shape))
            for variable, units, shape in self._kernels
        ]
