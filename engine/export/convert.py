"""The converting process: opens a model, writes the export and what it must be compared with.

Owns :func:`convert`, the target of a child process. What it writes lies in a temporary folder;
another process checks it (:mod:`engine.export.check`). It never imports TF-MOT.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine import jsonio
from engine.export.request import ConvertAnswer, ConvertRequest
from engine.export.samples import InputSpec, Samples, write_samples
from engine.export.source import (
    flat_outputs,
    limit_threads,
    open_source,
    outputs_of,
    run_model,
    samples_for,
)
from engine.export.tflite import convert_frozen, frozen_function
from engine.export.unsafe import refuse_unsafe


def convert(payload: Any) -> Any:
    """Write one export; payload and answer are those of :mod:`engine.export.request`."""
    request = jsonio.from_plain(payload, ConvertRequest)
    refuse_unsafe(
        quantize=request.quantize, sparse=request.sparse, calibrated=request.samples is not None
    )
    limit_threads()
    keras.utils.clear_session()
    model = open_source(Path(request.source))
    samples, inputs = samples_for(
        model, None if request.samples is None else Path(request.samples), request.input_shape
    )
    out, notes = Path(request.out), []
    sparse = False
    if request.to == "tflite":
        data, sparse, note = _tflite(model, inputs, samples, request)
        out.write_bytes(data)
        notes += [note] if note else []
    elif request.to == "savedmodel":
        write_saved_model(model, inputs, out)
    else:
        model.save(out)
    reference = run_model(model, samples)
    np.savez(Path(request.reference), **{f"r_{i}": r for i, r in enumerate(reference)})  # type: ignore[arg-type]
    if samples.live:
        write_samples(Path(request.live_samples), samples)
    return ConvertAnswer(
        inputs=tuple(s.name for s in inputs),
        outputs=tuple(o.name for o in outputs_of(model)),
        thresholds=tuple(o.threshold for o in outputs_of(model)),
        live=samples.live,
        sparse=sparse,
        notes=tuple(notes),
    )


def write_saved_model(model: keras.Model, inputs: tuple[InputSpec, ...], out: Path) -> None:
    """Write a SavedModel for inference: ``serving_default``, any batch size, no optimiser."""
    open_sizes = [tuple(t.shape[1:]) for t in model.inputs]
    archive = keras.export.ExportArchive()
    archive.track(model)

    def serve(*tensors: Any) -> dict[str, Any]:
        return {f"output_{i}": t for i, t in enumerate(flat_outputs(model, tensors))}

    archive.add_endpoint(
        "serve",
        serve,
        input_signature=[
            tf.TensorSpec((None, *shape), spec.dtype, name=spec.name)
            for shape, spec in zip(open_sizes, inputs, strict=True)
        ],
    )
    archive.write_out(str(out), verbose=False)


def _tflite(
    model: keras.Model, inputs: tuple[InputSpec, ...], samples: Samples, request: ConvertRequest
) -> tuple[bytes, bool, str]:
    """TFLite bytes, whether they are sparsely encoded, and a note where that did not help."""
    frozen = frozen_function(model, inputs)
    calibration = samples.inputs if request.quantize == "int8" else None

    def bytes_of(sparse: bool) -> bytes:
        return convert_frozen(
            frozen, inputs, quantize=request.quantize, sparse=sparse, calibration=calibration
        )

    dense = bytes_of(False)
    if not request.sparse:
        return dense, False, ""
    encoded = bytes_of(True)
    if len(encoded) < len(dense):
        return encoded, True, ""
    return (
        dense,
        False,
        (
            f"Sparse encoding would not make this file smaller ({len(encoded)} bytes against "
            f"{len(dense)}): written densely."
        ),
    )
