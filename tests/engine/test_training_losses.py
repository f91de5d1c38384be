"""Losses inside the step, against Keras's own and against arithmetic by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine.training import losses
from engine.training.finetune import fine_tune
from engine.training.settings import LossSpec
from tests.engine.training_nets import enliven, quick, scaled


def value_of(outputs: np.ndarray, labels: np.ndarray, spec: LossSpec) -> float:
    logits = losses.logits_of(tf.constant(outputs, tf.float32), spec)
    fitted = losses.fit_labels(tf.constant(labels), logits, spec)
    return float(losses.weighted_mean(*losses.label_loss(logits, fitted, spec)))


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.asarray(tf.nn.softmax(logits))


@pytest.mark.parametrize("shape", [(5, 4), (2, 6, 6, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_that_categorical_loss_is_keras_sparse_cross_entropy(
    shape: tuple[int, ...], dtype: Any
) -> None:
    logits = random(*shape)
    labels = np.random.default_rng(0).integers(0, 4, shape[:-1]).astype(dtype)
    expected = float(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels.astype(int), logits)
    )
    assert value_of(logits, labels, LossSpec(from_logits=True)) == pytest.approx(expected)
    assert value_of(softmax(logits), labels, LossSpec()) == pytest.approx(expected, rel=1e-5)
    extra_axis = value_of(logits, labels[..., None], LossSpec(from_logits=True))
    assert extra_axis == pytest.approx(expected)


@pytest.mark.parametrize("label_shape", [(6,), (6, 1)])
def test_that_binary_loss_is_keras_binary_cross_entropy(label_shape: tuple[int, ...]) -> None:
    logits = random(6, 1)
    labels = np.array([0, 1, 1, 0, 1, 0])
    expected = float(
        keras.losses.BinaryCrossentropy(from_logits=True)(labels.reshape(6, 1), logits)
    )
    shaped = labels.reshape(label_shape)
    spec = LossSpec(kind="binary", from_logits=True)
    assert value_of(logits, shaped, spec) == pytest.approx(expected)
    sigmoid = LossSpec(kind="binary")
    assert value_of(1 / (1 + np.exp(-logits)), shaped, sigmoid) == pytest.approx(expected, rel=1e-5)


def test_that_ignored_labels_do_not_count_at_all() -> None:
    logits = random(2, 3, 3, 4)
    labels = np.random.default_rng(0).integers(0, 4, (2, 3, 3))
    labels[0] = 11
    spec = LossSpec(from_logits=True, ignore_label=11)
    alone = value_of(logits[1:], labels[1:], LossSpec(from_logits=True))
    assert value_of(logits, labels, spec) == pytest.approx(alone)
    assert value_of(logits[:1], labels[:1], spec) == 0.0


def test_that_class_weights_weigh_the_mean() -> None:
    logits, labels = random(4, 2), np.array([0, 0, 0, 1])
    spec = LossSpec(from_logits=True, class_weights=(1.0, 3.0))
    single = [
        value_of(logits[i : i + 1], labels[i : i + 1], LossSpec(from_logits=True)) for i in range(4)
    ]
    expected = (sum(single[:3]) + 3 * single[3]) / 6
    assert value_of(logits, labels, spec) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["categorical", "binary"])
def test_that_the_teacher_loss_is_zero_at_the_teacher_and_positive_elsewhere(kind: Any) -> None:
    spec = LossSpec(kind=kind, from_logits=True)
    teacher, student = tf.constant(random(4, 4)), tf.constant(random(4, 4)[::-1].copy())
    same = losses.teacher_loss(teacher, teacher, spec, 3.0)
    np.testing.assert_allclose(same, np.zeros_like(same), atol=1e-5)
    assert float(tf.reduce_min(losses.teacher_loss(student, teacher, spec, 3.0))) > 1e-4


def test_that_the_teacher_loss_is_the_divergence_at_a_temperature() -> None:
    teacher, student = random(5, 4), random(4, 5).T.copy()
    p, q = softmax(teacher / 2.0), softmax(student / 2.0)
    expected = 4.0 * (p * np.log(p / q)).sum(-1)
    found = losses.teacher_loss(tf.constant(student), tf.constant(teacher), LossSpec(), 2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_that_a_saturated_softmax_still_gives_a_gradient() -> None:
    logits = tf.Variable([[60.0, -60.0]])

    @tf.function(autograph=False)
    def gradient() -> Any:
        with tf.GradientTape() as tape:
            outputs = keras.ops.softmax(logits)
            found = losses.logits_of(outputs, LossSpec())
            value, _ = losses.label_loss(found, tf.constant([1]), LossSpec())
        return tape.gradient(value, logits)

    np.testing.assert_allclose(gradient(), [[1.0, -1.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("head", "kind"), [("sigmoid", "binary"), ("softmax", "categorical"), (None, "categorical")]
)
def test_that_maps_are_learnt(head: str | None, kind: Any) -> None:
    random_images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1)).astype(np.uint8)
    masks = (random_images > 128).astype(np.uint8)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 1, activation="tanh")(inputs)
    outputs = keras.layers.Conv2D(1 if kind == "binary" else 2, 1, activation=head)(x)
    model = enliven(keras.Model(inputs, outputs))
    result = fine_tune(
        model, random_images, masks, preprocess=lambda x: scaled(x) * 4 - 2,
        loss=LossSpec(kind=kind, from_logits=head is None),
        settings=quick(epochs=10, learning_rate=0.05, optimizer="adam"),
    )  # fmt: skip
    assert result.losses[-1] < 0.35 < result.losses[0]
