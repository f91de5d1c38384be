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

from engine.data.preprocess import Preprocess
from engine.data.tf_preprocess import as_tf
from engine.export.samples import InputSpec
from engine.export.source import flat_outputs, plain_options

PIXELS = "serving_pixels"
"""Name of the signature that takes raw pixels."""


def write_saved_model(
    model: keras.Model,
    inputs: Sequence[InputSpec],
    out: Path,
    *,
    preprocess: Preprocess | None = None,
) -> None:
    """Write a SavedModel with the signature ``serving_default`` and a function ``serve``.

    Parameters
    ----------
    model
        The model; batch size and sizes that it leaves open stay open.
    inputs
        Names and types of its inputs, in order. Outputs are called ``output_0``, ``output_1``...
    out
        The folder to make.
    preprocess
        Where given, and the model has one input, the signature :data:`PIXELS` takes raw pixels
        (float32) and prepares them itself; ``serving_default`` stays without it.
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
    signatures = {"serving_default": module.serve.get_concrete_function()}
    if preprocess is not None and len(specs) == 1:
        prepare = as_tf(preprocess)
        module.serve_pixels = tf.function(
            lambda pixels: serve(tf.cast(prepare(pixels), inputs[0].dtype)),
            input_signature=[tf.TensorSpec(specs[0].shape, tf.float32, name="pixels")],
            autograph=False,
        )
        signatures[PIXELS] = module.serve_pixels.get_concrete_function()
    tf.saved_model.save(module, str(out), signatures=signatures, options=plain_options())
