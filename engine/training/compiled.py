"""Functions traced to TensorFlow graphs, once for each kind of arguments.

Owns tracing. Concrete functions are called directly: a search makes a fresh function for every
candidate, which TensorFlow's own detector would report as needless retracing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class Compiled:
    """A function of tensors, traced without autograph; it lives as long as this object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = tf.function(function, autograph=False)
        self._traced: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *tensors: Any) -> Any:
        """Call with tensors; the first call with a new dtype or shape traces."""
        kind = tuple((tensor.dtype, tuple(tensor.shape)) for tensor in tensors)
        traced = self._traced.get(kind)
        if traced is None:
            specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
            traced = self._traced[kind] = self._function.get_concrete_function(*specs)
        return traced(*tensors)
