"""The converting process: opens a model, writes the export and what it must be compared with.

Owns :func:`convert`, the target of a child process. What it writes lies in a temporary folder;
another process checks it (:mod:`engine.export.check`). It never imports TF-MOT.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine import jsonio
from engine.errors import SecateurError
from engine.export.card import embed_card
from engine.export.place import gzip_bytes
from engine.export.request import ConvertAnswer, ConvertRequest, SizesRequest
from engine.export.samples import InputSpec, Samples, write_samples
from engine.export.savedmodel import write_saved_model
from engine.export.source import (
    kernel_zeros,
    limit_threads,
    open_source,
    run_model,
    samples_for,
    task_of,
    thresholds_of,
)
from engine.export.sparse import keep_where_it_helps
from engine.export.tflite import convert_frozen, frozen_function
from engine.export.unsafe import refuse_unsafe
from engine.modelfile.custom import custom_file

SIZE_CALIBRATION_SAMPLES = 4


def convert(payload: Any) -> Any:
    """Write one export; payload and answer are those of :mod:`engine.export.request`."""
    request = jsonio.from_plain(payload, ConvertRequest)
    refuse_unsafe(
        quantize=request.quantize,
        sparse=request.sparse,
        io=request.io,
        calibrated=request.samples is not None,
    )
    limit_threads()
    keras.utils.clear_session()
    custom = None if request.custom is None else Path(request.custom)
    source = open_source(Path(request.source), custom)
    model = source.model
    samples, inputs = samples_for(
        model, None if request.samples is None else Path(request.samples), request.input_shape
    )
    task = task_of(source, samples)
    out, notes = Path(request.out), []
    sparse = False
    if request.to == "tflite":
        data, sparse, note = _tflite(model, inputs, samples, request)
        out.write_bytes(data)
        notes += [note] if note else []
    elif request.to == "savedmodel":
        write_saved_model(model, inputs, out, preprocess=request.preprocess)
    else:
        model.save(out)
    if request.card is not None:
        embed_card(out, request.to, request.card)
    reference = run_model(model, samples)
    np.savez(Path(request.reference), **{f"r_{i}": r for i, r in enumerate(reference)})  # type: ignore[arg-type]
    if samples.live:
        write_samples(Path(request.live_samples), samples)
    return ConvertAnswer(
        inputs=tuple(s.name for s in inputs),
        input_specs=inputs,
        thresholds=thresholds_of(source),
        custom=custom_file(source.graph),
        task=task,
        live=samples.live,
        sparse=sparse,
        zeros=kernel_zeros(model),
        notes=tuple(notes),
    )


def sizes(payload: Any) -> Any:
    """Bytes of a model's TFLite files, for :mod:`engine.export.sizes`."""
    request = jsonio.from_plain(payload, SizesRequest)
    limit_threads()
    keras.utils.clear_session()
    model = open_source(Path(request.source)).model
    samples, inputs = samples_for(model, None, request.input_shape)
    frozen = frozen_function(model, inputs)
    plain = convert_frozen(frozen, inputs)
    if request.tflite is not None:
        Path(request.tflite).write_bytes(plain)
    answer: dict[str, int | None] = {
        "tflite_bytes": len(plain),
        "tflite_gzip_bytes": gzip_bytes(plain),
    }
    small = _int8(frozen, inputs, samples) if request.int8 else None
    if small is not None:
        if request.tflite_int8 is not None:
            Path(request.tflite_int8).write_bytes(small)
        answer |= {"tflite_int8_bytes": len(small), "tflite_int8_gzip_bytes": gzip_bytes(small)}
    return answer


def _int8(frozen: Any, inputs: tuple[InputSpec, ...], samples: Samples) -> bytes | None:
    """Full int8 bytes, calibrated on a few samples; None where the converter has no such form."""
    calibration = [a[:SIZE_CALIBRATION_SAMPLES] for a in samples.inputs]
    try:
        return convert_frozen(frozen, inputs, quantize="int8", calibration=calibration)
    except SecateurError:
        return None


def _tflite(
    model: keras.Model, inputs: tuple[InputSpec, ...], samples: Samples, request: ConvertRequest
) -> tuple[bytes, bool, str]:
    """TFLite bytes, whether they are sparsely encoded, and a note where that did not help."""
    frozen = frozen_function(model, inputs)
    calibration = None
    if request.quantize == "int8":
        calibration = samples.calibration or samples.inputs

    def bytes_of(sparse: bool) -> bytes:
        return convert_frozen(
            frozen,
            inputs,
            quantize=request.quantize,
            sparse=sparse,
            io=request.io,
            calibration=calibration,
        )

    dense = bytes_of(False)
    if not request.sparse:
        return dense, False, ""
    encoded = keep_where_it_helps(bytes_of(True))
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
