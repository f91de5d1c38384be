"""Files of Keras versions that cannot be installed any more, written here by hand.

The configs are in the words of Keras 1.2, 2.0, 2.2 and 2.3; the truth is the same net built in
Keras 3 with the same numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from engine.modelfile import rebuild
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import as_list, open_here, refusal, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]

L = keras.layers
RNG = np.random.default_rng(7)


def _array(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.5, shape).astype("float32")


def _write(
    path: Path,
    config: Any,
    arrays: dict[str, list[tuple[str, np.ndarray]]],
    *,
    version: str | None,
    backend: str | None = None,
) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        if version is not None:
            file.attrs["keras_version"] = version.encode()
        if backend is not None:
            file.attrs["backend"] = backend.encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([n.encode() for n in arrays])
        for layer, pairs in arrays.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = np.array([n.encode() for n, _ in pairs])
            for name, values in pairs:
                inner[name] = values
    return path


def _rebuilt(path: Path) -> keras.Model:
    model_file, weights = open_here(path)
    return rebuild.build(model_file.graph, weights)


def _same(path: Path, truth: keras.Model, tolerance: float = 1e-5) -> None:
    x = zoo.inputs_of(truth)
    given = x[0] if len(x) == 1 else x
    wanted, got = as_list(truth(given))[0], as_list(_rebuilt(path)(given))[0]
    assert wanted.std() > 1e-3
    assert relative_difference(wanted, got) <= tolerance


KERAS1_CONV = {
    "nb_filter": 4, "nb_row": 3, "nb_col": 2, "init": "glorot_uniform", "activation": "relu",
    "border_mode": "same", "subsample": [1, 1], "dim_ordering": "tf", "W_regularizer": None,
    "b_regularizer": None, "activity_regularizer": None, "W_constraint": None,
    "b_constraint": None, "bias": True, "trainable": True,
}  # fmt: skip


def _keras1_dense(name: str, units: int, activation: str) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {
        "name": name, "output_dim": units, "init": "glorot_uniform", "activation": activation,
        "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}, "bias": True,
        "b_regularizer": None, "activity_regularizer": None, "W_constraint": None,
        "b_constraint": None, "input_dim": None, "trainable": True}}  # fmt: skip


def test_that_a_keras_1_sequential_list_opens(tmp_path: Path) -> None:
    conv = {**KERAS1_CONV, "name": "convolution2d_1", "batch_input_shape": [None, 8, 8, 3],
            "input_dtype": "float32"}  # fmt: skip
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Convolution2D", "config": conv},
        {"class_name": "MaxPooling2D", "config": {
            "name": "maxpooling2d_1", "trainable": True, "pool_size": [2, 2], "strides": [2, 2],
            "border_mode": "valid", "dim_ordering": "tf"}},
        {"class_name": "BatchNormalization", "config": {
            "name": "batchnormalization_1", "trainable": True, "mode": 0, "axis": -1,
            "momentum": 0.9, "epsilon": 1e-4, "gamma_regularizer": None,
            "beta_regularizer": None}},
        {"class_name": "Dropout", "config": {"name": "dropout_1", "trainable": True, "p": 0.5}},
        {"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": True}},
        _keras1_dense("dense_1", 5, "softmax"),
    ]}  # fmt: skip
    kernel, bias, dense, out = _array(3, 2, 3, 4), _array(4), _array(64, 5), _array(5)
    gamma, beta, mean, var = np.abs(_array(4)), _array(4), _array(4), np.abs(_array(4)) + 0.5
    norm = "batchnormalization_1"
    path = _write(tmp_path / "net.h5", config, {
        "convolution2d_1": [("convolution2d_1_W", kernel), ("convolution2d_1_b", bias)],
        "maxpooling2d_1": [],
        norm: [(f"{norm}_gamma", gamma), (f"{norm}_beta", beta), (f"{norm}_running_mean", mean),
               (f"{norm}_running_std", var)],
        "dropout_1": [], "flatten_1": [],
        "dense_1": [("dense_1_W", dense), ("dense_1_b", out)],
    }, version="1.2.2")  # fmt: skip
    truth = keras.Sequential([
        keras.Input((8, 8, 3)), L.Conv2D(4, (3, 2), padding="same", activation="relu"),
        L.MaxPooling2D(), L.BatchNormalization(epsilon=1e-4), L.Flatten(),
        L.Dense(5, activation="softmax"),
    ])  # fmt: skip
    truth.set_weights([kernel, bias, gamma, beta, mean, var, dense, out])
    _same(path, truth)
    graph = open_here(path)[0].graph
    assert graph.layers["dropout_1"].config["rate"] == 0.5
    assert graph.layers["dense_1"].config["kernel_regularizer"]["config"] == {"l1": 0.0, "l2": 0.01}


@pytest.mark.parametrize("backend", [None, "theano"])
def test_that_theano_ordered_kernels_are_turned(backend: str | None, tmp_path: Path) -> None:
    conv = {**KERAS1_CONV, "name": "c", "dim_ordering": "th", "batch_input_shape": [None, 3, 8, 8]}
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Convolution2D", "config": conv},
        {"class_name": "Flatten", "config": {"name": "f", "trainable": True}},
    ]}  # fmt: skip
    stored, bias = _array(4, 3, 3, 2), _array(4)
    path = _write(tmp_path / "net.h5", config, {"c": [("c_W", stored), ("c_b", bias)], "f": []},
                  version="1.1.0", backend=backend)  # fmt: skip
    model_file, weights = open_here(path)
    kernel = stored.transpose(2, 3, 1, 0)
    if backend == "theano":
        kernel = kernel[::-1, ::-1]
    np.testing.assert_array_equal(weights["c"]["kernel"], kernel)
    assert any("Theano or TensorFlow" in w for w in model_file.warnings) == (backend is None)
    assert model_file.graph.shape(model_file.graph.outputs[0]) == (None, 4 * 8 * 8)
    truth = keras.Sequential([
        keras.Input((3, 8, 8)), L.Permute((2, 3, 1)),
        L.Conv2D(4, (3, 2), padding="same", activation=conv["activation"]),
        L.Permute((3, 1, 2)), L.Flatten(),
    ])  # fmt: skip
    truth.set_weights([kernel, bias])
    _same(path, truth)


def test_that_a_keras_1_graph_with_merges_opens(tmp_path: Path) -> None:
    def dense(name: str, source: str) -> dict[str, Any]:
        return {**_keras1_dense(name, 4, "tanh"), "name": name,
                "inbound_nodes": [[[source, 0, 0]]]}  # fmt: skip

    def merge(name: str, mode: str, sources: list[str]) -> dict[str, Any]:
        return {"class_name": "Merge", "name": name, "config": {
            "name": name, "mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": -1,
            "output_shape": None, "output_shape_type": "raw", "output_mask": None,
            "output_mask_type": "raw", "arguments": {}},
            "inbound_nodes": [[[source, 0, 0] for source in sources]]}  # fmt: skip

    config = {"class_name": "Model", "config": {"name": "model_1", "layers": [
        {"class_name": "InputLayer", "name": "x", "inbound_nodes": [], "config": {
            "batch_input_shape": [None, 6], "input_dtype": "float32", "sparse": False,
            "name": "x"}},
        dense("a", "x"), dense("b", "x"), merge("sum", "sum", ["a", "b"]),
        merge("cat", "concat", ["sum", "x"]),
    ], "input_layers": [["x", 0, 0]], "output_layers": [["cat", 0, 0]]}}  # fmt: skip
    numbers = [_array(6, 4), _array(4), _array(6, 4), _array(4)]
    path = _write(tmp_path / "net.h5", config, {
        "x": [], "a": [("a_W", numbers[0]), ("a_b", numbers[1])],
        "b": [("b_W", numbers[2]), ("b_b", numbers[3])], "sum": [], "cat": [],
    }, version=None)  # fmt: skip
    x = keras.Input((6,))
    a, b = L.Dense(4, activation="tanh")(x), L.Dense(4, activation="tanh")(x)
    truth = keras.Model(x, L.Concatenate()([L.Add()([a, b]), x]))
    truth.set_weights(numbers)
    _same(path, truth)


def test_that_a_keras_1_convolution1d_loses_its_empty_axis(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [{"class_name": "Convolution1D", "config": {
        "name": "c", "nb_filter": 3, "filter_length": 2, "init": "uniform", "bias": True,
        "border_mode": "valid", "subsample_length": 1, "activation": "linear",
        "batch_input_shape": [None, 7, 4], "input_dim": 4, "input_length": 7}}]}  # fmt: skip
    kernel, bias = _array(2, 1, 4, 3), _array(3)
    path = _write(tmp_path / "net.h5", config, {"c": [("c_W", kernel), ("c_b", bias)]},
                  version="1.2.0")  # fmt: skip
    truth = keras.Sequential([keras.Input((7, 4)), L.Conv1D(3, 2)])
    truth.set_weights([kernel[:, 0], bias])
    _same(path, truth)


def _layer2(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"trainable": True, **config}}


VARIANCE = {"class_name": "VarianceScaling", "config": {
    "scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}}  # fmt: skip
ZEROS = {"class_name": "Zeros", "config": {}}


def test_that_a_keras_2_0_sequential_list_opens(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [
        _layer2("Conv2D", name="c", batch_input_shape=[None, 9, 9, 2], dtype="float32", filters=3,
                kernel_size=[3, 3], strides=[2, 2], padding="same", data_format="channels_last",
                dilation_rate=[1, 1], activation="linear", use_bias=True,
                kernel_initializer=VARIANCE, bias_initializer=ZEROS, kernel_regularizer={
                    "class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
                bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
                bias_constraint=None),
        _layer2("LeakyReLU", name="l", alpha=0.1),
        _layer2("ThresholdedReLU", name="t", theta=0.2),
        _layer2("GlobalAveragePooling2D", name="g", data_format="channels_last"),
        _layer2("Dense", name="d", units=2, activation="hard_sigmoid", use_bias=True,
                kernel_initializer=VARIANCE, bias_initializer=ZEROS),
    ]}  # fmt: skip
    numbers = [_array(3, 3, 2, 3), _array(3), _array(3, 2), _array(2)]
    path = _write(tmp_path / "net.h5", config, {
        "c": [("c/kernel:0", numbers[0]), ("c/bias:0", numbers[1])], "l": [], "t": [], "g": [],
        "d": [("d/kernel:0", numbers[2]), ("d/bias:0", numbers[3])],
    }, version="2.0.8", backend="tensorflow")  # fmt: skip
    x = keras.Input((9, 9, 2))
    y = L.LeakyReLU(0.1)(L.Conv2D(3, 3, strides=2, padding="same")(x))
    y = L.Dense(2)(L.GlobalAveragePooling2D()(L.ReLU(threshold=0.2)(y)))
    truth = keras.Model(x, keras.ops.clip(0.2 * y + 0.5, 0, 1))
    truth.set_weights(numbers)
    _same(path, truth)


def test_that_a_keras_2_2_sequential_with_its_known_differences_opens(tmp_path: Path) -> None:
    """Layers in a dictionary; ReLU, UpSampling2D and Flatten without what came to them later."""
    conv = {"padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1],
            "activation": "linear", "use_bias": False, "kernel_initializer": VARIANCE}  # fmt: skip
    config = {"class_name": "Sequential", "config": {"name": "sequential_1", "layers": [
        _layer2("Conv2D", name="c", batch_input_shape=[None, 8, 8, 2], dtype="float32", filters=4,
                kernel_size=[3, 3], strides=[2, 2], **conv),
        _layer2("BatchNormalization", name="n", axis=-1, momentum=0.99, epsilon=0.001, center=True,
                scale=False, beta_initializer=ZEROS, moving_mean_initializer=ZEROS,
                moving_variance_initializer={"class_name": "Ones", "config": {}}),
        _layer2("ReLU", name="r", max_value=6.0),
        _layer2("UpSampling2D", name="u", size=[2, 2], data_format="channels_last"),
        _layer2("DepthwiseConv2D", name="w", kernel_size=[3, 3], strides=[1, 1], padding="valid",
                depth_multiplier=1, data_format="channels_last", activation="relu",
                use_bias=True, depthwise_initializer=VARIANCE, bias_initializer=ZEROS),
        _layer2("MaxPooling2D", name="m", pool_size=[2, 2], padding="valid", strides=[2, 2],
                data_format="channels_last"),
        _layer2("Dropout", name="o", rate=0.5, noise_shape=None, seed=None),
        _layer2("Flatten", name="f"),
        _layer2("Dense", name="d", units=3, activation="linear", use_bias=True,
                kernel_initializer=VARIANCE, bias_initializer=ZEROS),
        _layer2("Softmax", name="s", axis=-1),
    ]}}  # fmt: skip
    kernel, beta, mean, variance = _array(3, 3, 2, 4), _array(4), _array(4), np.abs(_array(4)) + 0.5
    depthwise, depth_bias, dense, bias = _array(3, 3, 4, 1), _array(4), _array(36, 3), _array(3)
    path = _write(tmp_path / "net.h5", config, {
        "c": [("c/kernel:0", kernel)],
        "n": [("n/beta:0", beta), ("n/moving_mean:0", mean), ("n/moving_variance:0", variance)],
        "w": [("w/depthwise_kernel:0", depthwise), ("w/bias:0", depth_bias)],
        "d": [("d/kernel:0", dense), ("d/bias:0", bias)],
        "r": [], "u": [], "m": [], "o": [], "f": [], "s": []},
        version="2.2.2", backend="tensorflow")  # fmt: skip
    truth = keras.Sequential([
        keras.Input((8, 8, 2)), L.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
        L.BatchNormalization(scale=False), L.ReLU(6.0), L.UpSampling2D(2),
        L.DepthwiseConv2D(3, activation="relu"), L.MaxPooling2D(2), L.Dropout(0.5), L.Flatten(),
        L.Dense(3), L.Softmax(),
    ])  # fmt: skip
    truth.set_weights([kernel, beta, mean, variance, depthwise, depth_bias, dense, bias])
    _same(path, truth)


def test_that_a_keras_2_3_graph_with_its_known_differences_opens(tmp_path: Path) -> None:
    """``Model``, ``groups`` where Keras 3 has none, a list as axis, numbers as arrays."""

    def entry(layer: dict[str, Any], *sources: str) -> dict[str, Any]:
        calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
        return {**layer, "name": layer["config"]["name"], "inbound_nodes": calls}

    def value(number: float) -> dict[str, Any]:
        return {"type": "ndarray", "value": number}

    common = {"padding": "same", "data_format": "channels_last", "activation": "linear",
              "use_bias": True, "kernel_initializer": VARIANCE, "bias_initializer": ZEROS,
              "kernel_regularizer": None, "bias_regularizer": None, "activity_regularizer": None,
              "kernel_constraint": None, "bias_constraint": None, "dtype": "float32"}  # fmt: skip
    layers = [
        entry(_layer2("InputLayer", name="x", batch_input_shape=[None, 8, 8, 2], sparse=False,
                      ragged=False, dtype="float32")),
        entry(_layer2("DepthwiseConv2D", name="w", kernel_size=[3, 3], strides=[1, 1],
                      depth_multiplier=2, groups=1, dilation_rate=[1, 1],
                      depthwise_initializer=VARIANCE, depthwise_regularizer=None,
                      depthwise_constraint=None, **common), "x"),
        entry(_layer2("BatchNormalization", name="n", axis=[3], momentum=0.99, epsilon=0.001,
                      center=True, scale=True, beta_initializer=ZEROS,
                      gamma_initializer={"class_name": "Ones", "config": {}},
                      moving_mean_initializer=ZEROS,
                      moving_variance_initializer={"class_name": "Ones", "config": {}},
                      beta_regularizer=None, gamma_regularizer=None, beta_constraint=None,
                      gamma_constraint=None, dtype="float32"), "w"),
        entry(_layer2("ReLU", name="r", max_value=value(6.0), negative_slope=value(0.1),
                      threshold=value(0.0)), "n"),
        entry(_layer2("Conv2DTranspose", name="u", filters=3, kernel_size=[2, 2], strides=[2, 2],
                      output_padding=None, groups=1, dilation_rate=[1, 1], **common), "r"),
        entry(_layer2("LeakyReLU", name="l", alpha=value(0.2)), "u"),
        entry(_layer2("ELU", name="e", alpha=value(0.7)), "u"),
        entry(_layer2("Concatenate", name="c", axis=-1), "l", "e"),
        entry(_layer2("GlobalMaxPooling2D", name="g", data_format="channels_last"), "c"),
    ]  # fmt: skip
    config = {"class_name": "Model", "config": {
        "name": "model_1", "layers": layers, "input_layers": [["x", 0, 0]],
        "output_layers": [["g", 0, 0]]}}  # fmt: skip
    depthwise, depth_bias = _array(3, 3, 2, 2), _array(4)
    gamma, beta, mean, variance = _array(4), _array(4), _array(4), np.abs(_array(4)) + 0.5
    kernel, bias = _array(2, 2, 3, 4), _array(3)
    path = _write(tmp_path / "net.h5", config, {
        "w": [("w/depthwise_kernel:0", depthwise), ("w/bias:0", depth_bias)],
        "n": [("n/gamma:0", gamma), ("n/beta:0", beta), ("n/moving_mean:0", mean),
              ("n/moving_variance:0", variance)],
        "u": [("u/kernel:0", kernel), ("u/bias:0", bias)],
        "x": [], "r": [], "l": [], "e": [], "c": [], "g": []},
        version="2.3.1", backend="tensorflow")  # fmt: skip
    x = keras.Input((8, 8, 2))
    y = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    y = L.ReLU(6.0, negative_slope=0.1)(L.BatchNormalization()(y))
    y = L.Conv2DTranspose(3, 2, strides=2, padding="same")(y)
    y = L.Concatenate()([L.LeakyReLU(0.2)(y), L.ELU(0.7)(y)])
    truth = keras.Model(x, L.GlobalMaxPooling2D()(y))
    truth.set_weights([depthwise, depth_bias, gamma, beta, mean, variance, kernel, bias])
    _same(path, truth)


def test_that_theano_s_convolutions_of_keras_2_are_flipped(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [
        _layer2("Conv2D", name="c", batch_input_shape=[None, 9, 9, 2], filters=3,
                kernel_size=[3, 2], strides=[1, 1], padding="valid",
                data_format="channels_last", dilation_rate=[1, 1], activation="linear",
                use_bias=False),
        _layer2("DepthwiseConv2D", name="w", kernel_size=[1, 1], strides=[1, 1], use_bias=False,
                padding="valid", depth_multiplier=1, data_format="channels_last",
                activation="linear", groups=1, kernel_initializer=VARIANCE),
    ]}}  # fmt: skip
    kernel, depthwise = _array(3, 2, 2, 3), _array(1, 1, 3, 1)
    path = _write(tmp_path / "net.h5", config, {
        "c": [("c/kernel", kernel)], "w": [("w/depthwise_kernel", depthwise)]},
        version="2.2.4", backend="theano")  # fmt: skip
    truth = keras.Sequential([
        keras.Input((9, 9, 2)), L.Conv2D(3, (3, 2), use_bias=False),
        L.DepthwiseConv2D(1, use_bias=False),
    ])  # fmt: skip
    truth.set_weights([kernel[::-1, ::-1], depthwise])
    _same(path, truth)


def test_that_an_old_lstm_keeps_its_hard_sigmoid(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [
        _layer2("LSTM", name="m", batch_input_shape=[None, 5, 3], units=4, activation="tanh",
                recurrent_activation="hard_sigmoid", use_bias=True, unit_forget_bias=True,
                return_sequences=False, return_state=False, go_backwards=False, stateful=False,
                unroll=False, implementation=1, dropout=0.0, recurrent_dropout=0.0),
    ]}}  # fmt: skip
    numbers = [_array(3, 16) * 3, _array(4, 16), _array(16)]
    names = ("m/kernel:0", "m/recurrent_kernel:0", "m/bias:0")
    path = _write(tmp_path / "net.h5", config, {"m": list(zip(names, numbers, strict=True))},
                  version="2.1.6-tf", backend="tensorflow")  # fmt: skip
    old = tf_keras.Sequential([
        tf_keras.layers.LSTM(4, recurrent_activation="hard_sigmoid", input_shape=(5, 3))
    ])  # fmt: skip
    old.set_weights(numbers)
    x = RNG.normal(0, 1, (6, 5, 3)).astype("float32")
    wanted = np.asarray(old(x))
    assert relative_difference(wanted, np.asarray(_rebuilt(path)(x))) < 1e-5


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras3", "keras2"])
def test_that_mixed_precision_is_kept(library: Any, suffix: str, tmp_path: Path) -> None:
    layers = library.layers
    x = layers.Input((8, 8, 3), name="x")
    y = layers.Conv2D(8, 3, dtype="mixed_float16", name="c")(x)
    y = layers.BatchNormalization(dtype="mixed_float16", name="n")(y)
    y = layers.GlobalAveragePooling2D(dtype="mixed_float16", name="g")(y)
    y = layers.Dense(4, dtype="float32", name="d")(y)
    original = zoo.alive(library.Model(x, y))
    original.save(tmp_path / f"net.{suffix}")
    model_file, weights = open_here(tmp_path / f"net.{suffix}")
    graph = model_file.graph
    assert graph.layers["c"].config["dtype"] == "mixed_float16"
    dtypes = {node.layer: graph.tensors[node.outputs[0]].dtype for node in graph.nodes}
    assert (dtypes["c"], dtypes["g"], dtypes["d"]) == ("float16", "float16", "float32")
    assert weights["c"]["kernel"].dtype == np.float32
    data = RNG.normal(0, 1, (4, 8, 8, 3)).astype("float32")
    wanted, got = np.asarray(original(data)), np.asarray(rebuild.build(graph, weights)(data))
    assert relative_difference(wanted, got) < 1e-2


def test_that_slashes_in_layer_names_are_kept(tmp_path: Path) -> None:
    x = tf_keras.layers.Input((4, 4, 2), name="in/x")
    y = tf_keras.layers.Conv2D(3, 1, name="block/conv")(x)
    original = zoo.alive(tf_keras.Model(x, tf_keras.layers.ReLU(name="block/relu")(y)))
    original.save(tmp_path / "net.h5")
    model_file, weights = open_here(tmp_path / "net.h5")
    assert set(model_file.graph.layers) == {"in/x", "block/conv", "block/relu"}
    rebuilt = rebuild.build(model_file.graph, weights)
    data = RNG.normal(0, 1, (4, 4, 4, 2)).astype("float32")
    assert relative_difference(np.asarray(original(data)), np.asarray(rebuilt(data))) < 1e-5


def test_that_what_keras_3_cannot_do_is_refused_by_name(tmp_path: Path) -> None:
    deconv = _layer2("Conv2DTranspose", name="up", filters=2, kernel_size=[2, 2], groups=2,
                     batch_input_shape=[None, 4, 4, 2])  # fmt: skip
    norm = {"class_name": "BatchNormalization", "config": {
        "name": "n", "mode": 1, "batch_input_shape": [None, 4]}}  # fmt: skip
    for config, version, words in (
        ([deconv], "2.4.0", "'up'"),
        ([norm], "1.0.0", "mode=1"),
        ([_layer2("LSTM", name="m", output_dim=2, batch_input_shape=[None, 3, 2])], "1.2.0", "'m'"),
    ):
        whole = {"class_name": "Sequential", "config": config}
        error = refusal(_write(tmp_path / "net.h5", whole, {}, version=version))
        assert error.code == "model.no_counterpart"
        assert words in error.message
