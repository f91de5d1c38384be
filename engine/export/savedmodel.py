"""A Keras model as a SavedModel for inference.

Owns the module that is saved: the model's variables once (Keras's own export archive writes them
twice), one serving signature, no optimiser. It runs only in a child process.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from engine.export.samples import InputSpec
from engine.export.source import flat_outputs, plain_options


def write_saved_model(model: keras.Model, inputs: Sequence[InputSpec], out: Path) -> None:
    """Write a SavedModel with the signature ``serving_default`` and a function ``serve``.

    Parameters
    ----------
    model
        The model; batch size and sizes that it leaves open stay open.
    inputs
        Names and types of its inputs, in order. Outputs are called ``output_0``, ``output_1``...
    out
        The folder to make.
    """

    def serve(*tensors: Any) -> dict[str, Any]:
        return {f"output_{i}": t for i, t in enumerate(flat_outputs(model, tensors))}

    specs = [
        tf.TensorSpec(tensor.shape, spec.dtype, name=spec.name)
        for tensor, spec in zip(model.inputs, inputs, strict=True)
    ]
    module = tf.Module()
    module.kept = [variable.value for variable in model.variables]
    module.serve = tf.function(serve, input_signature=specs, autograph=False)
    tf.saved_model.save(
        module,
        str(out),
        signatures={"serving_default": module.serve.get_concrete_function()},
        options=plain_options(),
    )
