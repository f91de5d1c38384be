"""A Keras model as the bytes of a TFLite file.

Owns how the converter is called: batch 1, static sizes, frozen variables (so that norms fold
into convolutions), one signature, built-in operators only. It runs only in a child process: the
converter can abort it. It knows nothing of files at their place and of checks.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from engine.errors import EngineFailure, UserError
from engine.export.samples import InputSpec
from engine.export.source import flat_outputs, plain_options
from engine.export.unsafe import refuse_unsafe

CALIBRATION_SAMPLES = 200


def frozen_function(model: keras.Model, inputs: Sequence[InputSpec]) -> Any:
    """The model at batch 1 in inference mode, as a concrete function without variables."""

    call = tf.function(lambda *tensors: flat_outputs(model, tensors), autograph=False)
    specs = [tf.TensorSpec((1, *s.shape), s.dtype, name=s.name) for s in inputs]
    return convert_variables_to_constants_v2(call.get_concrete_function(*specs))


def convert_frozen(
    frozen: Any,
    inputs: Sequence[InputSpec],
    *,
    quantize: str = "none",
    sparse: bool = False,
    io: str = "float",
    calibration: Sequence[np.ndarray] | None = None,
) -> bytes:
    """TFLite bytes of a frozen function.

    Parameters
    ----------
    frozen
        Of :func:`frozen_function`.
    inputs
        The same inputs that it was made with.
    quantize
        ``"none"``, ``"float16"``, ``"dynamic"`` (int8 weights) or ``"int8"`` (weights and
        activations).
    sparse
        Encode kernels with many zeros sparsely; they are made dense again when a runtime loads
        the file.
    io
        Type of input and output of a full int8 file: ``"float"``, ``"int8"`` or ``"uint8"``.
    calibration
        For int8: one array an input, batch axis first.

    Raises
    ------
    UserError
        ``export.sparse_dynamic``, ``export.no_calibration``, ``export.operators``.
    EngineFailure
        ``export.converter`` where the converter gives up for another reason.
    """
    refuse_unsafe(quantize=quantize, sparse=sparse, io=io, calibrated=calibration is not None)
    with tempfile.TemporaryDirectory(prefix="secateur-") as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=frozen, options=plain_options())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        _set_options(converter, quantize, sparse, inputs, calibration)
        if io != "float":
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)
        try:
            return bytes(converter.convert())
        except ConverterError as error:
            raise _explain(str(error), quantize) from None
        except (ValueError, RuntimeError) as error:
            raise EngineFailure(
                "export.converter",
                f"The TensorFlow Lite converter gave up: {_first_line(str(error))}.",
                "Another quantisation may work.",
            ) from error


def _set_options(
    converter: Any,
    quantize: str,
    sparse: bool,
    inputs: Sequence[InputSpec],
    calibration: Sequence[np.ndarray] | None,
) -> None:
    lite = tf.lite
    optimizations = [lite.Optimize.DEFAULT] if quantize != "none" else []
    if sparse:
        optimizations.append(lite.Optimize.EXPERIMENTAL_SPARSITY)
    converter.optimizations = optimizations
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8" and calibration is not None:
        arrays = [_spread(a) for a in calibration]

        def feed() -> Iterator[dict[str, np.ndarray]]:
            for index in range(len(arrays[0])):
                yield {s.name: a[index : index + 1] for s, a in zip(inputs, arrays, strict=True)}

        converter.representative_dataset = feed
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]


def _spread(array: np.ndarray) -> np.ndarray:
    """At most the calibration count of samples, evenly over the array."""
    index = np.linspace(0, len(array) - 1, min(len(array), CALIBRATION_SAMPLES)).astype(int)
    return np.ascontiguousarray(array[index])


def _explain(text: str, quantize: str) -> UserError | EngineFailure:
    """The converter's pages of text as one sentence."""
    named = re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", text)
    for line in re.findall(r"^(?:Flex|Custom|TF Select) ops: (.+)$", text, re.MULTILINE):
        named += [name.strip() for name in line.split(",")]
    if named:
        listed = ", ".join(sorted(set(named)))
        return UserError(
            "export.operators",
            f"TensorFlow Lite has no built-in operator for: {listed}.",
            "Files with Flex or custom operators run in few places, so none is written; export "
            "a SavedModel instead, or replace those layers.",
        )
    hint = "Another quantisation may work." if quantize != "none" else "Export a SavedModel."
    return EngineFailure(
        "export.converter",
        f"The TensorFlow Lite converter gave up: {_first_line(text)}.",
        hint,
    )


def _first_line(text: str) -> str:
    line = next((part for part in text.splitlines() if part.strip()), "no reason given")
    return line.strip().rstrip(".")[:300]
