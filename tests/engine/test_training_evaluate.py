"""Prediction in batches of one shape."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from engine.training.control import Stopped
from engine.training.evaluate import Predictor, batch_for, predict_outputs
from tests.engine.training_nets import dots, enliven, scaled, small_net


@pytest.mark.parametrize("samples", [1, 16, 37])
def test_that_outputs_are_those_of_keras_predict(samples: int) -> None:
    model, images = small_net(dropout=0.5), dots(samples)[0]
    outputs = predict_outputs(model, images, preprocess=scaled, batch_size=16)
    expected = model.predict(images / np.float32(255.0), verbose=0)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)


def test_that_a_predictor_traces_once_and_sees_new_weights() -> None:
    traces: list[Any] = []

    def transform(images: Any) -> Any:
        traces.append(images.shape)
        return images / 255.0

    model = small_net()
    predictor = Predictor(model, transform, batch_size=8)
    first = predictor(dots(37)[0])
    predictor(dots(3)[0])
    model.get_layer("classes").bias.assign([5.0, 0.0, 0.0])
    second = predictor(dots(37)[0])
    assert len(traces) == 1
    assert second[:, 0].mean() > first[:, 0].mean()


def test_that_maps_keep_their_shape() -> None:
    inputs = keras.Input((None, None, 1))
    model = enliven(keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(inputs)))
    outputs = predict_outputs(model, dots(5)[0], preprocess=scaled, batch_size=4)
    assert outputs.shape == (5, 8, 8, 2)


def test_that_a_stop_is_obeyed_between_batches() -> None:
    class Stop:
        def checkpoint(self) -> None:
            raise Stopped

    with pytest.raises(Stopped):
        predict_outputs(small_net(), dots(5)[0], preprocess=scaled, control=Stop())


def test_that_two_outputs_are_put_side_by_side() -> None:
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, [keras.layers.Flatten()(inputs), keras.layers.ReLU()(inputs)])
    found = predict_outputs(model, dots(5)[0], preprocess=scaled)
    assert found.shape == (5, 128)
    np.testing.assert_array_equal(np.maximum(found[:, :64], 0), found[:, 64:])


def test_that_large_images_come_in_small_batches() -> None:
    assert batch_for(np.zeros((1000, 28, 28, 1), np.uint8)) == 256
    assert batch_for(np.zeros((1000, 224, 224, 3), np.uint8)) == 27
    assert batch_for(np.zeros((3, 2000, 2000, 3), np.uint8)) == 3


def test_that_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        predict_outputs(small_net(), dots(5)[0][:0], preprocess=scaled)
