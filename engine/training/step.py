"""The compiled training step: one batch in, one loss out, the weights moved.

Owns the order of events inside a step and the optimiser that it uses. It knows nothing of
epochs, shuffling and learning-rate schedules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from engine.sparsity.masks import Masks
from engine.training import losses
from engine.training.beside import Beside, seen_in
from engine.training.compiled import Compiled
from engine.training.fused import fused_norms
from engine.training.model_parts import norm_layers, single_output
from engine.training.protocols import Augment, BatchTransform
from engine.training.settings import FineTuneSettings, LossSpec


def make_optimizer(
    model: keras.Model, settings: FineTuneSettings, extra: Sequence[keras.Variable] = ()
) -> keras.optimizers.Optimizer:
    """A fresh optimiser, built for the model's trainable weights and for what is trained beside
    them (``extra``); decay on the model's kernels only."""
    decay = settings.weight_decay or None
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            settings.learning_rate, momentum=0.9, nesterov=True, weight_decay=decay
        )
    else:
        optimizer = keras.optimizers.Adam(settings.learning_rate, weight_decay=decay)
    weights = model.trainable_variables
    if decay is not None:
        optimizer.exclude_from_weight_decay(
            var_list=[weight for weight in weights if len(weight.shape) < 2] + list(extra)
        )
    optimizer.build([*weights, *extra])
    _for_one_replica(optimizer)
    return optimizer


def _for_one_replica(optimizer: keras.optimizers.Optimizer) -> None:
    """Leave out the sum over replicas, of which there is one.

    Keras 3.15 takes it through a custom gradient, which TensorFlow registers by name for as long as
    the process lives, and with it the graph of every step ever traced: 3 MiB a candidate of the
    sample model. The method is private: a test fails where it is no longer there.
    """
    optimizer._all_reduce_sum_gradients = lambda gradients: gradients


def compile_step(
    *,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    masks: Masks | None,
    preprocess: BatchTransform,
    loss: LossSpec,
    settings: FineTuneSettings,
    teacher: keras.Model | None,
    augment: Augment | None,
    beside: Beside | None = None,
) -> Compiled:
    """The step as a traced function ``(images, labels, recorded, seed) -> loss``.

    ``recorded`` are the teacher's outputs for the batch, or of size 0 where there are none. The
    loss that comes back is that of labels and teacher, without regularisers and L1. The
    subgradient of the L1 norm of a BN scale is its sign (0 at 0), which is what ``tf.abs`` has.
    """
    weights = [*model.trainable_variables, *(() if beside is None else beside.variables)]
    gammas = [layer.gamma for layer in norm_layers(model) if layer.gamma is not None]
    share = settings.distill

    def teach(ready: Any, recorded: Any) -> Any:
        """The teacher's logits, or None."""
        if share == 0 or (teacher is None and recorded.shape[-1] == 0):
            return None
        told = recorded if teacher is None else single_output(teacher(ready, training=False))
        return tf.stop_gradient(losses.logits_of(told, loss))

    def objective(outputs: Any, labels: Any, taught: Any) -> Any:
        """Mean loss of a batch."""
        logits = losses.logits_of(outputs, loss)
        values, counts = losses.label_loss(logits, losses.fit_labels(labels, logits, loss), loss)
        if taught is not None:
            apart = losses.teacher_loss(logits, taught, loss, settings.temperature)
            values = (1.0 - share) * values + share * apart
        return losses.weighted_mean(values, counts)

    def penalty() -> Any:
        """The model's own regularisers and the L1 norm of its BN scales; what is beside it."""
        terms = [tf.cast(term, tf.float32) for term in model.losses]
        if settings.gamma_l1 > 0:
            terms += [settings.gamma_l1 * tf.reduce_sum(tf.abs(g.value)) for g in gammas]
        if beside is not None:
            terms.append(beside.penalty())
        return tf.add_n(terms) if terms else tf.zeros(())

    def step(images: Any, labels: Any, recorded: Any, seed: Any) -> Any:
        if masks is not None:
            masks.apply()
        if beside is not None:
            beside.begin_step(keras.ops.convert_to_tensor(optimizer.learning_rate))
        images = tf.cast(images, tf.float32)
        if augment is not None:
            images, labels = augment(images, labels, seed)
        ready = preprocess(images)
        taught = teach(ready, recorded)
        with tf.GradientTape() as tape, fused_norms(model), seen_in(model, beside):
            outputs = single_output(model(ready, training=True))
            value = objective(outputs, labels, taught)
            total = value + penalty()
        gradients = tape.gradient(
            total,
            [weight.value for weight in weights],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        optimizer.apply(gradients, weights)
        return value

    return Compiled(step)
