"""Fused norms against Keras's own."""

from __future__ import annotations

from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine.training.compiled import Compiled
from engine.training.finetune import fine_tune
from engine.training.fused import FusedBatchNormalization, can_fuse, fused_norms
from engine.training.model_parts import norm_layers
from engine.training.settings import LossSpec
from tests.engine.training_nets import dots, enliven, quick, scaled, small_net


def norm_net(**options: Any) -> keras.Model:
    inputs = keras.Input((5, 4, 3))
    return enliven(keras.Model(inputs, keras.layers.BatchNormalization(**options)(inputs)))


def pass_through(model: keras.Model, *, fused: bool, training: bool) -> dict[str, np.ndarray]:
    """Outputs, gradients and statistics of one call."""
    x = tf.constant(np.random.default_rng(1).normal(2.0, 3.0, (6, 5, 4, 3)).astype(np.float32))

    def call(batch: Any) -> Any:
        watched = [weight.value for weight in model.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(batch)
            if fused:
                with fused_norms(model) as count:
                    assert count == 1
                    outputs = model(batch, training=training)
            else:
                outputs = model(batch, training=training)
            value = tf.reduce_sum(tf.sin(outputs))
        return outputs, tape.gradient(value, [batch, *watched])

    outputs, gradients = Compiled(call)(x)
    found = {"outputs": outputs.numpy()}
    found |= {f"gradient {i}": g.numpy() for i, g in enumerate(gradients)}
    return found | {w.name: w.numpy() for w in model.weights}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"momentum": 0.5, "epsilon": 1e-2}]
)
def test_that_outputs_gradients_and_statistics_equal_those_of_keras(
    options: dict[str, Any], training: bool
) -> None:
    ours = pass_through(norm_net(**options), fused=True, training=training)
    theirs = pass_through(norm_net(**options), fused=False, training=training)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=2e-5, atol=2e-5, err_msg=name)


def test_that_a_fine_tune_ends_alike_with_stock_norms() -> None:
    images, labels = dots()
    nets = [small_net(), small_net()]
    fine_tune(nets[0], images, labels, preprocess=scaled, loss=LossSpec(), settings=quick())
    with mock.patch("engine.training.fused.can_fuse", return_value=False):
        fine_tune(nets[1], images, labels, preprocess=scaled, loss=LossSpec(), settings=quick())
    for a, b in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-4, err_msg=a.path)


def test_that_the_classes_come_back_after_an_error() -> None:
    model = small_net()

    def fail_within() -> None:
        with fused_norms(model) as count:
            assert count == 2
            assert {type(layer) for layer in norm_layers(model)} == {FusedBatchNormalization}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within()
    assert {type(layer) for layer in norm_layers(model)} == {keras.layers.BatchNormalization}


def test_that_what_is_saved_meanwhile_is_a_stock_model() -> None:
    model = small_net()
    before = model.to_json()
    configs: list[str] = []

    def on_epoch(epoch: int, loss: float) -> bool:
        configs.append(model.to_json())
        return False

    fine_tune(
        model, *dots(), preprocess=scaled, loss=LossSpec(), settings=quick(), on_epoch=on_epoch
    )
    assert configs == [before, before]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((5,), {}),
        ((5, 3), {}),
        ((5, 4, 3), {"axis": 1}),
        ((5, 4, 3), {"epsilon": 1e-6}),
        ((5, 4, 3), {"renorm": True}),
        ((5, 4, 3), {"dtype": "float64"}),
    ],
)
def test_that_what_the_kernel_cannot_do_stays_stock(
    shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    inputs = keras.Input(shape)
    model = keras.Model(inputs, keras.layers.BatchNormalization(**options)(inputs))
    assert not can_fuse(norm_layers(model)[0])
    with fused_norms(model) as count:
        assert count == 0


def test_that_a_frozen_norm_keeps_its_statistics() -> None:
    model = norm_net()
    norm_layers(model)[0].trainable = False
    before = [w.numpy() for w in model.weights]
    frozen = pass_through(model, fused=True, training=True)
    assert all(np.array_equal(a, w.numpy()) for a, w in zip(before, model.weights, strict=True))
    inference = pass_through(norm_net(), fused=False, training=False)
    np.testing.assert_allclose(frozen["outputs"], inference["outputs"], rtol=1e-5, atol=1e-5)
