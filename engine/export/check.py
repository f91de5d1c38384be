"""The checking process: re-opens a written export, runs it, compares it.

Owns :func:`check`, the target of a child process that shares nothing with the one that wrote the
file. For TFLite it never imports TensorFlow.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine import jsonio
from engine.data.preprocess import Preprocess
from engine.export.card import inside, read_inside
from engine.export.compare import compare, judge, too_far
from engine.export.request import CheckAnswer, CheckRequest
from engine.export.samples import Samples, fit_samples, read_samples

BATCH = 64
PIXEL_SAMPLES = 16
Outputs = list[np.ndarray]


def check(payload: Any) -> Any:
    """Check one export; payload and answer are those of :mod:`engine.export.request`."""
    request = jsonio.from_plain(payload, CheckRequest)
    samples = read_samples(Path(request.samples))
    with np.load(request.reference, allow_pickle=False) as file:
        reference = [file[f"r_{i}"] for i in range(len(file.files))]
    runners = {"tflite": _tflite, "savedmodel": _saved_model}
    answer = runners.get(request.format, _keras_file)(request, samples, reference)
    if answer.failure is None and _lost_card(request):
        answer = replace(answer, failure="its class names and preprocessing are not in it")
    return jsonio.to_plain(answer)


def _lost_card(request: CheckRequest) -> bool:
    """Whether the card that was put into the file cannot be read back."""
    if request.card is None or request.format == "savedmodel":
        return False
    return read_inside(Path(request.path), request.format) != inside(request.card)


def _tflite(request: CheckRequest, samples: Samples, reference: Outputs) -> CheckAnswer:
    from engine.export import litert
    from engine.export.kernels import kernel_zeros

    path = Path(request.path)
    ops = litert.operators(path)
    try:
        interpreter = litert.open_interpreter(path, threads=request.threads)
        outputs = litert.run_file(interpreter, request.inputs, samples.inputs)
    except (ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0].rstrip(".")[:200]
        return replace(_unrun(samples), ops=ops, failure=f"the runtime cannot run it ({line})")
    answer = _judge(request, samples, reference, list(outputs))
    timed = litert.time_files([path], threads=request.threads, runs=request.runs)[0]
    return replace(answer, ops=ops, latency_ms=timed, zeros=kernel_zeros(path))


def _saved_model(request: CheckRequest, samples: Samples, reference: Outputs) -> CheckAnswer:
    import tensorflow as tf

    from engine.export.source import limit_threads

    limit_threads(request.threads)
    loaded = tf.saved_model.load(request.path)
    signatures = loaded.signatures
    outputs = _serve(signatures["serving_default"], request.inputs, samples.inputs)
    zeros = sum(
        int(np.count_nonzero(variable.numpy() == 0))
        for variable in loaded.kept
        if variable.name.split(":")[0].endswith("kernel")
    )
    answer = replace(_judge(request, samples, reference, outputs), zeros=zeros)
    preprocess = None if request.card is None else request.card.preprocess
    if answer.failure is not None or preprocess is None or len(request.inputs) > 1:
        return answer
    pixels = _pixels(preprocess, samples.inputs[0].shape)
    prepared = preprocess.apply_numpy(pixels)
    expected = _serve(
        signatures["serving_default"], request.inputs, (prepared.astype(samples.inputs[0].dtype),)
    )
    got = _serve(signatures["serving_pixels"], ("pixels",), (pixels,))
    failure = _judge(replace(request, task=None), Samples(inputs=(pixels,)), expected, got).failure
    if failure is None:
        return answer
    return replace(answer, failure=f"with its preprocessing {failure}")


def _serve(signature: Any, names: tuple[str, ...], inputs: tuple[np.ndarray, ...]) -> Outputs:
    """Outputs of a signature on all samples, in order, float32."""
    import tensorflow as tf

    parts = []
    for start in range(0, len(inputs[0]), BATCH):
        arrays = (tf.constant(a[start : start + BATCH]) for a in inputs)
        parts.append(signature(**dict(zip(names, arrays, strict=True))))
    return [
        np.concatenate([np.asarray(part[f"output_{i}"], np.float32) for part in parts])
        for i in range(len(parts[0]))
    ]


def _pixels(preprocess: Preprocess, shape: tuple[int, ...]) -> np.ndarray:
    """Random raw pixels, float32, from 0 to the value that means white."""
    size = (PIXEL_SAMPLES, *shape[1:])
    return (np.random.default_rng(0).random(size) * preprocess.peak).astype(np.float32)


def _keras_file(request: CheckRequest, samples: Samples, reference: Outputs) -> CheckAnswer:
    """Open the file as Secateur does and as Keras does; both must give the model's outputs."""
    import keras

    from engine.export.source import (
        inputs_of,
        kernel_zeros,
        limit_threads,
        open_source,
        run_model,
    )
    from engine.modelfile.custom_layers import custom_objects

    limit_threads(request.threads)
    custom = None if request.custom is None else Path(request.custom)
    source = open_source(Path(request.path), custom)
    samples = fit_samples(samples, inputs_of(source.model))
    answer = _judge(request, samples, reference, list(run_model(source.model, samples)))
    if answer.failure is not None:
        return answer
    theirs = keras.saving.load_model(
        request.path, compile=False, safe_mode=True, custom_objects=custom_objects(source.graph)
    )
    answer = _judge(request, samples, reference, list(run_model(theirs, samples)))
    return replace(answer, zeros=kernel_zeros(source.model))


def _judge(
    request: CheckRequest, samples: Samples, reference: Outputs, outputs: Outputs
) -> CheckAnswer:
    try:
        difference = compare(reference, outputs, thresholds=request.thresholds, task=request.task)
    except ValueError as error:
        return replace(_unrun(samples), failure=f"it gives {error}")
    metric = value = model_value = None
    if samples.labels is not None and request.task is not None:
        metric, value = judge(outputs[0], samples.labels, request.task, request.metric)
        _, model_value = judge(reference[0], samples.labels, request.task, request.metric)
    return CheckAnswer(
        samples=len(samples),
        max_abs_diff=difference.max_abs,
        agreement=difference.agreement,
        metric=metric,
        value=value,
        model_value=model_value,
        failure=too_far(difference, request.quantize),
        notes=()
        if difference.ratio is not None
        else ("The outputs are constant on these samples: their comparison says little.",),
    )


def _unrun(samples: Samples) -> CheckAnswer:
    return CheckAnswer(samples=len(samples), max_abs_diff=None, agreement=None)
