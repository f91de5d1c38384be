"""Operators and function calls between layers, of both generations, open to the same function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from keras import ops

from engine.modelfile import rebuild
from tests.engine.modelfile_tools import as_list, open_here, refusal, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]

SHAPE = (8, 6, 4)
Call = Callable[[Any], Any]

TENSORFLOW: dict[str, Call] = {
    "scale": lambda x: x * 2 - 1,
    "reverse minus": lambda x: 2 - x,
    "divide": lambda x: x / 255.0,
    "power": lambda x: abs(x) ** 1.5,
    "negative": lambda x: -x,
    "add itself": lambda x: tf.add(x, x),
    "per channel": lambda x: (x - [1.0, 2, 3, 4]) * tf.constant([1.0, 2.0, 3.0, 4.0]),
    "hard swish": lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "slice": lambda x: x[:, 1:, ::2, :2],
    "index": lambda x: x[:, 0],
    "ellipsis": lambda x: x[..., 1:3],
    "new axis": lambda x: x[:, tf.newaxis],
    "resize": lambda x: tf.image.resize(x, (16, 12)),
    "resize nearest": lambda x: tf.image.resize(x, (16, 12), method="nearest"),
    "reshape": lambda x: tf.reshape(x, (-1, 24, 8)),
    "reshape by batch": lambda x: tf.reshape(x, [tf.shape(x)[0], 6, 32]),
    "transpose": lambda x: tf.transpose(x, [0, 3, 1, 2]),
    "expand and squeeze": lambda x: tf.squeeze(tf.expand_dims(x, 1), axis=1) * 2.0,
    "split": lambda x: tf.split(x, 2, axis=-1)[1] + tf.split(x, [2, 2], axis=-1)[0],
    "concat": lambda x: tf.concat([x, x * 2.0], -1),
    "stack": lambda x: tf.stack([x, x * 2.0], 1),
    "unstack": lambda x: tf.unstack(x, axis=-1)[2],
    "mean": lambda x: tf.reduce_mean(x, [1, 2]),
    "max": lambda x: tf.reduce_max(x, axis=-1, keepdims=True) + x,
    "std": lambda x: tf.math.reduce_std(x, axis=1),
    "softmax": lambda x: tf.nn.softmax(x, axis=1),
    "activations": lambda x: tf.sigmoid(x) + tf.nn.swish(x) + tf.tanh(x) + tf.nn.elu(x),
    "more activations": lambda x: tf.nn.selu(x) + tf.nn.softplus(x) + tf.nn.gelu(x),
    "leaky": lambda x: tf.nn.leaky_relu(x) + tf.nn.leaky_relu(x, 0.05),
    "clip": lambda x: tf.clip_by_value(x, -0.5, 0.7),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    "reflect": lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT"),
    "normalise": lambda x: tf.math.l2_normalize(x, -1),
    "blocks": lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2) * 2.0, 2),
    "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "attention": lambda x: tf.matmul(tf.nn.softmax(tf.matmul(x, x, transpose_b=True)), x),
    "maximum": lambda x: tf.maximum(x, 0.5 * x) + tf.minimum(x, 0.1),
    "tile": lambda x: tf.tile(x, [1, 2, 1, 1]),
    "pools": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME") + tf.nn.avg_pool2d(x, 2, 2, "VALID"),
    "where": lambda x: tf.where(x > 0, x, 0.1 * x),
    "bias": lambda x: tf.nn.bias_add(x, [1.0, 2, 3, 4]),
    "add_n": lambda x: tf.add_n([x, x, tf.square(x)]),
    "distance": lambda x: tf.math.squared_difference(x, 1.0),
    "gather": lambda x: tf.gather(x, [0, 2], axis=-1),
    "reverse": lambda x: tf.reverse(x, [1]),
    "old hard sigmoid": lambda x: tf_keras.activations.hard_sigmoid(x),
}

KERAS_OPS: dict[str, Call] = {
    "scale": lambda x: x * 2.0 - 1.0,
    "reverse": lambda x: 2.0 / (ops.abs(x) + 1.0),
    "slice": lambda x: x[:, 1:, ::2, :2],
    "ellipsis": lambda x: x[..., -1],
    "reshape": lambda x: ops.reshape(x, (-1, 24, 8)),
    "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "moves": lambda x: ops.swapaxes(ops.moveaxis(x, 1, 2), 2, 3),
    "expand": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1) + 1.0,
    "split": lambda x: ops.split(x, 2, axis=-1)[1],
    "concatenate": lambda x: ops.concatenate([x, ops.relu(x)], axis=-1),
    "stack": lambda x: ops.stack([x, x], axis=2) * 3.0,
    "unstack": lambda x: ops.unstack(x, axis=1)[3],
    "mean": lambda x: ops.mean(x, axis=(1, 2), keepdims=True) * x,
    "norm": lambda x: ops.normalize(x, axis=-1),
    "matmul": lambda x: ops.matmul(x, ops.swapaxes(x, -1, -2)),
    "einsum": lambda x: ops.einsum("bhwc,bhvc->bhwv", x, x),
    "activations": lambda x: ops.silu(x) + ops.gelu(x) + ops.leaky_relu(x, 0.3) + ops.relu6(x),
    "softmax": lambda x: ops.softmax(x, axis=1),
    "clip": lambda x: ops.clip(x, -0.5, 0.5),
    "pad": lambda x: ops.pad(x, [[0, 0], [1, 1], [2, 0], [0, 0]]),
    "tile": lambda x: ops.tile(x, [1, 2, 1, 1]),
    "repeat": lambda x: ops.repeat(x, 2, axis=1),
    "resize": lambda x: ops.image.resize(x, (16, 12)),
    "pool": lambda x: ops.max_pool(x, 2, 2) + ops.average_pool(x, 2, 2),
    "where": lambda x: ops.where(x > 0, x, 0.1 * x),
    "take": lambda x: ops.take(x, 2, axis=-1),
    "flip": lambda x: ops.flip(x, axis=1),
    "variance": lambda x: ops.var(x, axis=-1) + ops.sqrt(ops.sum(ops.square(x), axis=-1)),
}


def _check(original: Any, path: Path) -> None:
    original.save(path)
    model_file, weights = open_here(path)
    rebuilt = rebuild.build(model_file.graph, weights)
    x = np.random.default_rng(0).normal(0, 1, (3, *SHAPE)).astype("float32")
    wanted, got = as_list(original(x))[0], as_list(rebuilt(x))[0]
    assert wanted.std() > 1e-4
    assert relative_difference(wanted, got) <= 1e-5
    shape = model_file.graph.shape(model_file.graph.outputs[0])
    if shape is not None:
        assert all(a in (None, b) for a, b in zip(shape, wanted.shape, strict=True))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", sorted(TENSORFLOW))
def test_that_a_tensorflow_call_is_translated(name: str, suffix: str, tmp_path: Path) -> None:
    x = tf_keras.layers.Input(SHAPE, name="x")
    y = tf_keras.layers.Activation("linear", name="start")(x)
    model = tf_keras.Model(x, TENSORFLOW[name](y))
    try:
        model.save(tmp_path / f"net.{suffix}")
    except TypeError:
        assert suffix == "keras"  # tf_keras itself cannot write this call into a .keras file
        return
    _check(model, tmp_path / f"net.{suffix}")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", sorted(KERAS_OPS))
def test_that_a_keras_operation_is_kept(name: str, suffix: str, tmp_path: Path) -> None:
    x = keras.Input(SHAPE, name="x")
    y = keras.layers.Activation("linear", name="start")(x)
    _check(keras.Model(x, KERAS_OPS[name](y)), tmp_path / f"net.{suffix}")


def test_that_a_call_without_a_counterpart_is_refused_by_name(tmp_path: Path) -> None:
    x = tf_keras.layers.Input(SHAPE, name="x")
    tf_keras.Model(x, tf.image.adjust_gamma(x, 2.0)).save(tmp_path / "net.h5")
    error = refusal(tmp_path / "net.h5")
    assert error.code == "model.unknown_function"
    assert "tf.image.adjust_gamma" in error.message
