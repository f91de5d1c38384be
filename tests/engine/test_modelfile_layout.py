"""Channels-first nets are rebuilt with channels last and compute what their twins compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from engine.modelfile import rebuild
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import open_here, refusal, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]
SHAPE = (8, 10, 3)
Net = Callable[[Any, bool], Any]


def _chain(library: Any, first: bool) -> Any:
    """Every kind of layer that says the order, with followers between and a Flatten behind."""
    layers = library.layers
    order = {"data_format": "channels_first" if first else "channels_last"}
    axis = 1 if first else -1
    x = layers.Input((3, 8, 10) if first else SHAPE, name="x")
    y = layers.ZeroPadding2D(1, **order)(x)
    y = layers.Conv2D(6, 3, **order)(y)
    y = layers.BatchNormalization(axis=axis)(y)
    y = layers.ReLU()(y)
    y = layers.DepthwiseConv2D(3, padding="same", **order)(y)
    y = layers.MaxPooling2D(2, **order)(y)
    y = layers.SeparableConv2D(5, 3, padding="same", activation="relu", **order)(y)
    y = layers.UpSampling2D(2, **order)(y)
    y = layers.Conv2DTranspose(4, 3, **order)(y)
    y = layers.AveragePooling2D(2, **order)(y)
    y = layers.Flatten(**order)(y)
    return library.Model(x, layers.Dense(4)(y), name="net")


def _residual(library: Any, first: bool) -> Any:
    """Adds and concats along the channels, a squeeze, and a pool at the end."""
    layers = library.layers
    order = {"data_format": "channels_first" if first else "channels_last"}
    axis = 1 if first else -1
    x = layers.Input((3, 8, 10) if first else SHAPE, name="x")
    a = layers.Conv2D(6, 3, padding="same", **order)(x)
    b = layers.Conv2D(6, 1, **order)(x)
    y = layers.Activation("tanh")(layers.Add()([a, b]))
    y = layers.Concatenate(axis=axis)([y, layers.Conv2D(2, 1, **order)(y)])
    gate = layers.GlobalAveragePooling2D(keepdims=True, **order)(y)
    y = layers.Multiply()([y, layers.Conv2D(8, 1, activation="sigmoid", **order)(gate)])
    y = layers.GlobalMaxPooling2D(**order)(layers.Dropout(0.3)(y))
    return library.Model(x, layers.Dense(4)(y), name="net")


@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras3", "keras2"])
@pytest.mark.parametrize("net", [_chain, _residual], ids=["chain", "residual"])
def test_that_a_channels_first_net_computes_what_its_twin_does(
    net: Net, library: Any, tmp_path: Path
) -> None:
    written = zoo.alive(net(library, True))
    written.save(tmp_path / "net.keras")
    twin = net(keras, False)
    twin.set_weights(written.get_weights())
    model_file, weights = open_here(tmp_path / "net.keras")
    rebuilt = rebuild.build(model_file.graph, weights)
    x = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype("float32")
    wanted = np.asarray(twin(x, training=False))
    got = np.asarray(rebuilt(x.transpose(0, 3, 1, 2), training=False))
    assert wanted.std() > 1e-3
    assert relative_difference(wanted, got) <= 1e-5
    assert "channels last" in model_file.warnings[0]
    assert len([la for la in model_file.graph.layers.values() if la.class_name == "Permute"]) == 1


def test_that_a_flatten_keeps_the_file_s_order(tmp_path: Path) -> None:
    """Keras 2 flattened channels-first maps as they lie, unless it was told otherwise."""
    layers = keras.layers
    x = layers.Input((3, 4, 5))
    y = layers.Flatten()(layers.Conv2D(2, 1, use_bias=False, data_format="channels_first")(x))
    written = keras.Model(x, y)
    kernel = np.random.default_rng(0).normal(size=(1, 1, 3, 2)).astype("float32")
    written.set_weights([kernel])
    written.save(tmp_path / "net.h5")
    model_file, weights = open_here(tmp_path / "net.h5")
    given = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype("float32")
    wanted = np.einsum("bchw,cf->bfhw", given, kernel[0, 0]).reshape(2, -1)
    got = np.asarray(rebuild.build(model_file.graph, weights)(given))
    assert relative_difference(wanted, got) <= 1e-5


def test_that_channels_first_inside_a_wrapper_is_refused(tmp_path: Path) -> None:
    layers = keras.layers
    conv = layers.Conv2D(2, 1, data_format="channels_first")
    net = keras.Sequential([layers.Input((2, 3, 4, 5)), layers.TimeDistributed(conv)])
    net.save(tmp_path / "net.keras")
    error = refusal(tmp_path / "net.keras")
    assert error.code == "model.no_counterpart"
    assert "channels first" in error.message
