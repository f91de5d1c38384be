"""Fine-tunes the centroids of clustered kernels: the gradients of a cluster's weights, summed.

Owns the training loop of deep compression's second stage (Han, Mao and Dally, ICLR 2016, section
3.3): which weight belongs to which centroid stands still, zeros stay zeros, norms and biases are
left alone. It runs in the engine process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.export.clustering import Clustered, recode
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import build, keras_name
from engine.training import losses
from engine.training.model_parts import single_output
from engine.training.settings import LossSpec

STEPS, BATCH, JUDGED = 200, 64, 2048
TEMPERATURE = 2.0
REACH = 0.002
"""How far a centroid moves in a step, over the standard deviation of its kernel's weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Clusters after fine-tuning; losses are means over the training samples that were used."""

    clustered: Clustered
    steps: int
    loss_before: float
    loss_after: float


class _Kernel:
    """A kernel variable, the cluster of each of its weights, and how far centroids have moved."""

    def __init__(self, variable: Any, array: np.ndarray) -> None:
        flat = array.ravel()
        values, index = np.unique(flat, return_inverse=True)
        zero = np.flatnonzero(values == 0)
        self.variable = variable
        self.index = tf.constant(index.reshape(-1), tf.int32)
        self.start = tf.constant(values, tf.float32)
        # the cluster of the zeros does not move
        moves = np.ones(len(values), np.float32)
        moves[zero] = 0.0
        self.unit = tf.constant(moves * (float(np.std(flat[flat != 0])) if flat.any() else 0.0))
        self.moved = keras.Variable(np.zeros(len(values), np.float32))

    def place(self) -> None:
        """Write the centroids into the kernel."""
        table = self.start + self.unit * self.moved.value
        flat = tf.gather(table, self.index)
        self.variable.assign(tf.reshape(flat, self.variable.shape))

    def gradient(self, of_kernel: Any) -> Any:
        """The summed gradients of each cluster."""
        flat = tf.reshape(of_kernel, [-1])
        sums = tf.math.unsorted_segment_sum(flat, self.index, int(self.start.shape[0]))
        return sums * self.unit


def tune_centroids(
    graph: LayerGraph,
    clustered: Clustered,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    preprocess: Callable[[Any], Any],
    loss: LossSpec,
    teacher: np.ndarray,
    steps: int = STEPS,
    seed: int = 0,
) -> Tuned:
    """Fine-tune centroids on training samples; what came in where that did not help.

    Parameters
    ----------
    graph, clustered
        The model and its clustered kernels.
    images, labels
        Training samples as :func:`engine.training.finetune.fine_tune` takes them.
    preprocess
        From images to the model's input, as TensorFlow operations.
    teacher
        Outputs of the model before clustering for ``images``: half of the loss is how far the
        clustered one is from them.
    steps
        Batches of 64, at least one; the step size falls linearly to 0.
    """
    model = build(graph, clustered.weights)
    variables = {
        (layer.name, variable.name): variable.value
        for layer in model.layers
        for variable in layer.weights
    }
    kernels = [
        _Kernel(variables[keras_name(k.layer), k.weight], clustered.weights[k.layer][k.weight])
        for k in clustered.kernels
        if (keras_name(k.layer), k.weight) in variables
    ]
    optimizer = keras.optimizers.Adam(REACH)
    optimizer.build([kernel.moved for kernel in kernels])

    def batch_loss(some: Any, told: Any, taught: Any) -> Any:
        outputs = single_output(model(preprocess(tf.cast(some, tf.float32)), training=False))
        logits = losses.logits_of(outputs, loss)
        values, counts = losses.label_loss(logits, losses.fit_labels(told, logits, loss), loss)
        apart = losses.teacher_loss(logits, losses.logits_of(taught, loss), loss, TEMPERATURE)
        return losses.weighted_mean(0.5 * values + 0.5 * apart, counts)

    def step(some: Any, told: Any, taught: Any) -> None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([kernel.variable for kernel in kernels])
            value = batch_loss(some, told, taught)
        found = tape.gradient(
            value, [kernel.variable for kernel in kernels],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )  # fmt: skip
        gradients = [k.gradient(g) for k, g in zip(kernels, found, strict=True)]
        optimizer.apply(gradients, [kernel.moved for kernel in kernels])
        for kernel in kernels:
            kernel.place()

    compiled, judged = tf.function(step), tf.function(batch_loss)
    batches = _batches(len(images), steps, seed)

    def samples(chosen: np.ndarray) -> tuple[Any, Any, Any]:
        arrays = images[chosen], labels[chosen], teacher[chosen]
        return tuple(tf.constant(array) for array in arrays)

    seen = np.unique(np.concatenate(batches))[:JUDGED]

    def mean_loss() -> float:
        parts = [seen[i : i + BATCH] for i in range(0, len(seen) - len(seen) % BATCH or 1, BATCH)]
        return float(np.mean([judged(*samples(p)).numpy() for p in parts]))

    before = mean_loss()
    for number, chosen in enumerate(batches):
        optimizer.learning_rate = REACH * (1 - number / len(batches))
        compiled(*samples(chosen))
    after = mean_loss()
    if not after < before:
        return Tuned(clustered=clustered, steps=0, loss_before=before, loss_after=before)
    weights: Weights = {layer: dict(arrays) for layer, arrays in clustered.weights.items()}
    for code in clustered.kernels:
        variable = variables.get((keras_name(code.layer), code.weight))
        if variable is not None:
            weights[code.layer][code.weight] = variable.numpy()
    return Tuned(
        clustered=recode(clustered, weights),
        steps=len(batches),
        loss_before=before,
        loss_after=after,
    )


def _batches(samples: int, steps: int, seed: int) -> list[np.ndarray]:
    """Places of the samples of each batch: shuffled epochs, one after the other."""
    size = min(BATCH, samples)
    each = samples // size
    found: list[np.ndarray] = []
    for epoch in range(-(-steps // each)):
        order = np.random.default_rng((seed, epoch)).permutation(samples)
        found += [order[i * size : (i + 1) * size] for i in range(each)]
    return found[:steps]
