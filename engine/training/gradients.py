"""Gradients of the loss by weight, batch by batch: what the criterion ``taylor`` looks at.

Owns which samples are taken and the gradient of the plain label loss in inference mode. It changes
no weight and knows nothing of channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import keras_name
from engine.training import losses
from engine.training.compiled import Compiled
from engine.training.control import Control, FreeRun
from engine.training.fused import fused_norms
from engine.training.model_parts import single_output
from engine.training.protocols import BatchTransform
from engine.training.settings import LossSpec

BATCH_SIZE = 64
BATCHES = 16


def batch_gradients(
    model: keras.Model,
    graph: LayerGraph,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    preprocess: BatchTransform,
    loss: LossSpec,
    batches: int = BATCHES,
    seed: int = 0,
    control: Control | None = None,
) -> Iterator[Weights]:
    """Gradients by layer and weight name, for ``batches`` random batches.

    Parameters
    ----------
    model, graph
        A model that :func:`engine.modelfile.rebuild.build` made of this graph.
    images, labels
        Raw training samples [samples, ...].

    Raises
    ------
    Stopped
        Where the control asks for it.
    """
    control = control or FreeRun()
    places = [
        (layer.name, spec.name, variable)
        for layer in graph.layers.values()
        if layer.weights
        for spec, variable in zip(
            layer.weights, model.get_layer(keras_name(layer.name)).weights, strict=True
        )
        if spec.trainable and str(variable.dtype).startswith("float")
    ]

    def gradients(batch: Any, wanted: Any) -> Any:
        ready = preprocess(tf.cast(batch, tf.float32))
        with tf.GradientTape() as tape:
            tape.watch([variable.value for _, _, variable in places])
            with fused_norms(model):
                outputs = single_output(model(ready, training=False))
            logits = losses.logits_of(outputs, loss)
            values, counts = losses.label_loss(
                logits, losses.fit_labels(wanted, logits, loss), loss
            )
            value = losses.weighted_mean(values, counts)
        return tape.gradient(
            value,
            [variable.value for _, _, variable in places],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    compiled = Compiled(gradients)
    order = np.random.default_rng(seed).permutation(len(images))
    size = min(BATCH_SIZE, len(images))
    for start in range(0, min(batches * size, len(images) // size * size), size):
        control.checkpoint()
        chosen = np.sort(order[start : start + size])
        found = compiled(tf.constant(images[chosen]), tf.constant(labels[chosen]))
        out: Weights = {}
        for (layer, name, _), gradient in zip(places, found, strict=True):
            out.setdefault(layer, {})[name] = tf.convert_to_tensor(gradient).numpy()
        yield out
