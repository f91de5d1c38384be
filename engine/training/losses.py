"""Losses inside the compiled step: labels, teacher, ignored labels, class weights.

Owns the arithmetic from a model's outputs to one number. Everything here runs on TensorFlow
tensors while a graph is traced; it knows neither optimiser nor data source.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.training.settings import LossSpec

_SMALLEST = 1e-7


def logits_of(outputs: Any, spec: LossSpec) -> Any:
    """Outputs as logits, numerically sound.

    Probabilities straight from a softmax or sigmoid are traced back to its input (in a graph),
    others go through a logarithm, which is the same up to a constant per sample.
    """
    if spec.from_logits or spec.kind in ("values", "script"):
        return tf.cast(outputs, tf.float32)
    wanted = "Softmax" if spec.kind == "categorical" else "Sigmoid"
    source = outputs
    while not tf.executing_eagerly() and source.op.type in ("Identity", "Cast"):
        source = source.op.inputs[0]
    if not tf.executing_eagerly() and source.op.type == wanted:
        return tf.cast(source.op.inputs[0], tf.float32)
    share = tf.clip_by_value(tf.cast(outputs, tf.float32), _SMALLEST, 1.0 - _SMALLEST)
    if spec.kind == "categorical":
        return tf.math.log(share)
    return tf.math.log(share) - tf.math.log1p(-share)


def fit_labels(labels: Any, logits: Any, spec: LossSpec) -> Any:
    """Labels as int32, in the shape of the logits (binary) or without their last axis."""
    shape = logits.shape if spec.kind == "binary" else logits.shape[:-1]
    if spec.kind == "script":
        return labels
    if spec.kind == "values":
        return tf.reshape(tf.cast(labels, tf.float32), tf.shape(logits))
    labels = tf.cast(labels, tf.int32)
    if labels.shape.rank == shape.rank + 1:
        labels = tf.squeeze(labels, axis=-1)
    elif labels.shape.rank == shape.rank - 1:
        labels = tf.expand_dims(labels, axis=-1)
    labels.shape.assert_is_compatible_with(shape)
    return labels


def label_loss(logits: Any, labels: Any, spec: LossSpec) -> tuple[Any, Any]:
    """Cross entropy and weight of every label; ``labels`` from :func:`fit_labels`."""
    if spec.kind in ("values", "script"):
        values = _free_loss(logits, labels, spec)
        return values, tf.ones_like(values)
    weights = tf.ones(tf.shape(labels), tf.float32)
    if spec.ignore_label is not None:
        counts = tf.not_equal(labels, spec.ignore_label)
        weights = tf.cast(counts, tf.float32)
        labels = tf.where(counts, labels, tf.zeros_like(labels))
    if spec.class_weights is not None:
        weights *= tf.gather(tf.constant(spec.class_weights, tf.float32), labels)
    if spec.kind == "categorical":
        values = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    else:
        values = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.cast(labels, tf.float32), logits=logits
        )
    return values, weights


def _free_loss(outputs: Any, labels: Any, spec: LossSpec) -> Any:
    """Squared error a sample, or what the script's loss says (a sample, or of the batch)."""
    if spec.script is None:
        return _by_sample(tf.square(outputs - labels)) / spec.variance
    assert spec.script.loss is not None
    true = spec.script.true(labels, tf.reshape)
    told = spec.script.loss(true, spec.script.predicted(outputs, tf.reshape))
    values = tf.cast(tf.convert_to_tensor(told), tf.float32)
    return values if values.shape.rank == 0 else _by_sample(values)


def _by_sample(values: Any) -> Any:
    """Mean over all axes but the first."""
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))


def teacher_loss(logits: Any, teacher: Any, spec: LossSpec, temperature: float) -> Any:
    """Divergence from the teacher's softened outputs, times temperature squared, per label.

    The Kullback-Leibler divergence of Hinton et al. 2015; ``teacher`` are logits.
    """
    if spec.kind == "values":
        return _by_sample(tf.square(logits - teacher)) / spec.variance
    student, teacher = logits / temperature, teacher / temperature
    if spec.kind == "categorical":
        target = tf.nn.softmax(teacher)
        gap = tf.nn.log_softmax(teacher) - tf.nn.log_softmax(student)
        return temperature**2 * tf.reduce_sum(target * gap, axis=-1)
    target = tf.sigmoid(teacher)
    cross = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=student)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=teacher)
    return temperature**2 * (cross - entropy)


def weighted_mean(values: Any, weights: Any) -> Any:
    """Mean by weight; 0 where all weights are 0."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))
