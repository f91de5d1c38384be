"""The model that is exported, opened in the converting process.

Owns the way from a file to a Keras model that runs, what its inputs and outputs are, and the
outputs that every export is compared with. It runs only in a child process and knows nothing of
the formats written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.data.task import Task, find_task, last_activation
from engine.errors import UserError
from engine.export.parts import GRAPH, read_parts
from engine.export.samples import InputSpec, Samples, fit_samples, live_samples, read_samples
from engine.modelfile import LayerGraph, open_model, rebuild
from engine.modelfile.precision import in_float32

BATCH = 64


def limit_threads(threads: int = 2) -> None:
    """Keep TensorFlow to some threads; before its first operation, later calls do nothing."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return


def plain_options() -> Any:
    """How SavedModels are written: without the gradients of custom operations (swish has one),
    which a frozen function cannot carry and inference does not need."""
    return tf.saved_model.SaveOptions(experimental_custom_gradients=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An opened model: our graph of it, and the Keras model built from it."""

    graph: LayerGraph
    model: keras.Model


def open_source(path: Path, custom: Path | None = None) -> Source:
    """Rebuild a model from a Keras file or from a folder of :mod:`engine.export.parts`.

    No code of the file runs, and Keras itself never opens it; ``custom`` is the user's own file of
    custom layers. Mixed precision ends here.
    """
    if (path / GRAPH).is_file():
        graph, weights = read_parts(path)
    else:
        model_file, weights = open_model(path, custom=custom)
        graph = model_file.graph
    graph = in_float32(graph)
    return Source(graph=graph, model=rebuild.build(graph, weights))


def inputs_of(model: keras.Model) -> tuple[InputSpec, ...]:
    """Inputs of a model, in order, with names that a signature can carry."""
    specs: list[InputSpec] = []
    for index, tensor in enumerate(model.inputs):
        name = _identifier(tensor.name, {s.name for s in specs}) or f"input_{index}"
        specs.append(InputSpec(name=name, shape=tuple(tensor.shape[1:]), dtype=str(tensor.dtype)))
    return tuple(specs)


def thresholds_of(source: Source) -> tuple[float | None, ...]:
    """For each output the value above which it says yes: 0.5 after a sigmoid, else None."""
    if len(source.model.outputs) == 1:
        return (0.5 if last_activation(source.graph) == "sigmoid" else None,)
    return tuple(_threshold(tensor) for tensor in source.model.outputs)


def task_of(source: Source, samples: Samples) -> Task | None:
    """What the labels make of the model; None without labels or with several outputs.

    Raises
    ------
    UserError
        Where labels and output do not belong together.
    """
    if samples.labels is None or len(source.model.outputs) != 1:
        return None
    return find_task(source.graph, samples.labels)


def static_inputs(
    specs: tuple[InputSpec, ...], samples: Samples | None, given: Sequence[int] | None = None
) -> tuple[InputSpec, ...]:
    """The inputs with every size known, from the samples where the model leaves it open.

    Raises
    ------
    UserError
        ``export.unknown_size`` where nothing says how large an input is.
    """
    filled = []
    for index, spec in enumerate(specs):
        shape = spec.shape
        if samples is not None:
            shape = tuple(samples.inputs[index].shape[1:])
        elif given is not None and len(specs) == 1:
            shape = tuple(given)
        if None in shape:
            raise UserError(
                "export.unknown_size",
                f"Input {spec.name} leaves its size open: "
                f"{' x '.join('any' if n is None else str(n) for n in shape)}.",
                "Give samples, or the size with --input-shape.",
            )
        filled.append(InputSpec(name=spec.name, shape=shape, dtype=spec.dtype))
    return tuple(filled)


def samples_for(
    model: keras.Model, path: Path | None, given: Sequence[int] | None = None
) -> tuple[Samples, tuple[InputSpec, ...]]:
    """Samples to compare on (read, or random and live), and the inputs at a static size."""
    specs = inputs_of(model)
    if path is not None:
        samples = fit_samples(read_samples(path), specs)
        return samples, static_inputs(specs, samples)
    specs = static_inputs(specs, None, given)
    return live_samples(specs, tuple(_range(model, i) for i in range(len(specs)))), specs


def kernel_zeros(model: keras.Model) -> int:
    """Exact zeros in the kernels of a model, a shared one once."""
    return sum(
        int(np.count_nonzero(keras.ops.convert_to_numpy(weight) == 0))
        for weight in model.weights
        if weight.name.endswith("kernel")
    )


def run_model(model: keras.Model, samples: Samples) -> tuple[np.ndarray, ...]:
    """Outputs of a Keras model in inference mode, float32, batch axis first."""

    call = tf.function(
        lambda *inputs: flat_outputs(model, inputs), autograph=False, reduce_retracing=True
    )
    parts = [
        call(*(tf.constant(a[start : start + BATCH]) for a in samples.inputs))
        for start in range(0, len(samples), BATCH)
    ]
    return tuple(
        np.concatenate([np.asarray(part[index], np.float32) for part in parts])
        for index in range(len(parts[0]))
    )


def flat_outputs(model: keras.Model, inputs: Sequence[Any]) -> list[Any]:
    """Call a model in inference mode; its outputs as a flat list, in order."""
    structure = list(inputs)
    if isinstance(model.input, dict):
        names = [next(k for k, t in model.input.items() if t is tensor) for tensor in model.inputs]
        answer = model(dict(zip(names, structure, strict=True)), training=False)
    else:
        answer = model(structure if len(structure) > 1 else structure[0], training=False)
    return list(tf.nest.flatten(answer))


def _identifier(name: str, taken: set[str]) -> str:
    """A name made of letters, digits and underscores, not taken yet; empty where none is left."""
    cleaned = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_")
    if not cleaned or cleaned[0].isdigit() or cleaned in taken:
        return ""
    return cleaned


def _threshold(tensor: Any) -> float | None:
    """0.5 for a sigmoid at the end, None for anything else."""
    operation = tensor._keras_history.operation
    activation = getattr(operation, "activation", None)
    name = getattr(activation, "__name__", None) or type(operation).__name__
    return 0.5 if name.lower() == "sigmoid" else None


def _range(model: keras.Model, index: int) -> tuple[float, float]:
    """Values that an input is likely made for: what a rescaling right behind it says, else 0..1."""
    tensor = model.inputs[index]
    if "int" in str(tensor.dtype):
        return 0.0, 255.0
    for layer in model.layers:
        if not any(t is tensor for node in layer._inbound_nodes for t in node.input_tensors):
            continue
        if isinstance(layer, keras.layers.Rescaling) and np.ndim(layer.scale) == 0:
            offset = float(np.min(layer.offset))
            low = (-1.0 if offset < 0 else 0.0) - offset
            high = 1.0 - offset
            return low / float(layer.scale), high / float(layer.scale)
        if isinstance(layer, keras.layers.Normalization):
            mean, spread = np.asarray(layer.mean), np.sqrt(np.asarray(layer.variance))
            return float((mean - 2 * spread).min()), float((mean + 2 * spread).max())
    return 0.0, 1.0
