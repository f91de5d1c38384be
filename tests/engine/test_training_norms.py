"""Re-estimation of norm statistics."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from engine.training.control import Stopped
from engine.training.evaluate import predict_outputs
from engine.training.model_parts import norm_layers
from engine.training.norms import reestimate_norms
from tests.engine.training_nets import dots, enliven, scaled, small_net


def statistics(model: keras.Model) -> list[np.ndarray]:
    return [
        w.numpy()
        for layer in norm_layers(model)
        for w in (layer.moving_mean, layer.moving_variance)
    ]


def test_that_the_first_norm_gets_the_exact_statistics_of_the_images() -> None:
    images, _ = dots(60)
    model = small_net()
    used = reestimate_norms(model, images, preprocess=scaled, batch_size=20, batches=3)
    assert used == 3
    convolved = model.get_layer("first")(images / np.float32(255.0)).numpy()
    norm = model.get_layer("first_norm")
    np.testing.assert_allclose(norm.moving_mean, convolved.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, convolved.var((0, 1, 2)), rtol=1e-4)


def test_that_one_batch_gives_what_keras_itself_would_have() -> None:
    images, _ = dots(40)
    ours, theirs = small_net(), small_net()
    for layer in norm_layers(theirs):
        layer.momentum = 0.0
    theirs(images / np.float32(255.0), training=True)
    reestimate_norms(ours, images, preprocess=scaled, batch_size=40, batches=1)
    for a, b in zip(statistics(ours), statistics(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_that_a_wrong_scale_before_every_norm_is_made_good() -> None:
    images, _ = dots(120)
    model = small_net()
    reestimate_norms(model, images, preprocess=scaled, batch_size=40)
    before = predict_outputs(model, images, preprocess=scaled)
    for name in ("first", "second"):
        layer = model.get_layer(name)
        layer.kernel.assign(7.0 * layer.kernel.numpy())
        layer.bias.assign(layer.bias.numpy() - 3.0)
    broken = predict_outputs(model, images, preprocess=scaled)
    reestimate_norms(model, images, preprocess=scaled, batch_size=40)
    healed = predict_outputs(model, images, preprocess=scaled)
    assert np.abs(broken - before).max() > 0.1
    np.testing.assert_allclose(healed, before, atol=0.02)


def test_that_dropout_stays_off_and_nothing_else_changes() -> None:
    images, _ = dots(40)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Dropout(0.5)(inputs)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    model = enliven(keras.Model(inputs, x))
    others = [w.numpy() for w in model.weights if not w.name.startswith("moving")]
    reestimate_norms(model, images, preprocess=scaled, batch_size=40, batches=1)
    norm = norm_layers(model)[0]
    convolved = model.layers[2](images / np.float32(255.0)).numpy()
    np.testing.assert_allclose(norm.moving_mean, convolved.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    after = [w.numpy() for w in model.weights if not w.name.startswith("moving")]
    assert all(np.array_equal(a, b) for a, b in zip(others, after, strict=True))
    assert type(norm) is keras.layers.BatchNormalization


def test_that_shared_nested_and_flat_norms_are_all_reached() -> None:
    norm = keras.layers.BatchNormalization(name="shared")
    inner_in = keras.Input((5,))
    inner = keras.Model(inner_in, keras.layers.BatchNormalization(name="inside")(inner_in))
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Dense(5, name="dense")(keras.layers.Flatten()(inputs))
    x = keras.layers.Add()([norm(x), norm(keras.layers.ReLU()(x))])
    model = enliven(keras.Model(inputs, inner(x)))
    assert {layer.name for layer in norm_layers(model)} == {"shared", "inside"}
    images, _ = dots(64)
    reestimate_norms(model, images, preprocess=scaled, batch_size=64, batches=1)
    flat = model.get_layer("dense")(images.reshape(64, 64) / np.float32(255.0)).numpy()
    both = np.concatenate([flat, np.maximum(flat, 0)])
    np.testing.assert_allclose(norm.moving_mean, both.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, both.var(0), rtol=1e-4)


def test_that_a_model_without_norms_is_left_alone() -> None:
    model = small_net(norms=False)
    assert reestimate_norms(model, dots()[0], preprocess=scaled) == 0


def test_that_a_stop_leaves_statistics_and_layers_as_they_were() -> None:
    class StopAtSecond:
        calls = 0

        def checkpoint(self) -> None:
            self.calls += 1
            if self.calls == 2:
                raise Stopped

    model = small_net()
    before = statistics(model)
    with pytest.raises(Stopped):
        reestimate_norms(
            model, dots(60)[0], preprocess=scaled, batch_size=20, control=StopAtSecond()
        )
    assert all(np.array_equal(a, b) for a, b in zip(before, statistics(model), strict=True))
    assert {type(layer) for layer in norm_layers(model)} == {keras.layers.BatchNormalization}
