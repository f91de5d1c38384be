"""Whole nets in every format: SavedModel folders, JSON with weights, TFLite, no models at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from engine.errors import UserError
from engine.modelfile import read_model, rebuild, view_model
from engine.modelfile.bundle import Bundle
from engine.modelfile.compiled import compiled_of
from tests.engine import modelfile_formats as formats
from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_writers as writers
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import as_list, open_here, refusal, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]
LIBRARIES = {"keras": keras, "tf_keras": tf_keras}
Net = Callable[[Any], Any]
SHAPE = (8, 8, 3)


def _chain(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            layers.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _residual(library: Any) -> Any:
    layers = library.layers
    x = layers.Input(SHAPE)
    a = layers.Conv2D(4, 3, padding="same", name="a")(x)
    b = layers.Activation("relu")(layers.BatchNormalization(name="n")(a))
    y = layers.Add()([a, layers.Conv2D(4, 3, padding="same", name="b")(b)])
    return library.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(y)))


def _nested(library: Any) -> Any:
    """Models within models, three deep, the inner one called twice."""
    layers = library.layers
    inner = library.Sequential(
        [layers.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()],
        name="inner",
    )
    a = layers.Input((8, 8, 4))
    middle = library.Model(a, layers.ReLU()(inner(a)), name="middle")
    b = layers.Input((8, 8, 4))
    outer = library.Model(b, layers.Add()([middle(b), b]), name="outer")
    x = layers.Input(SHAPE)
    y = outer(outer(layers.Conv2D(4, 1)(x)))
    return library.Model(x, layers.Dense(2)(layers.Flatten()(y)))


def _two_outputs(library: Any) -> Any:
    layers = library.layers
    x, z = layers.Input(SHAPE, name="image"), layers.Input((5,), name="extra")
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="c")(x))
    y = layers.Concatenate()([y, layers.Dense(3, name="d")(z)])
    return library.Model([x, z], [layers.Dense(2, name="one")(y), layers.Dense(3, name="two")(y)])


def _depthwise(library: Any) -> Any:
    layers = library.layers
    x = layers.Input(SHAPE)
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.SeparableConv2D(4, 3)(y)
    y = layers.Conv2DTranspose(3, 2, strides=2)(y)
    return library.Model(x, layers.GlobalMaxPooling2D()(y))


NETS: dict[str, Net] = {
    "chain": _chain,
    "residual": _residual,
    "nested": _nested,
    "two_outputs": _two_outputs,
    "depthwise": _depthwise,
}


QUICK = {
    "keras2-savedmodel": ("nested", "residual", "two_outputs"),
    "keras2-checkpoint": ("nested",),
    "keras2-json": ("two_outputs",),
    "keras3-json": ("nested",),
}


def _slow_but(quick: bool) -> list[pytest.MarkDecorator]:
    return [] if quick else [pytest.mark.slow]


def _cases() -> list[Any]:
    return [
        pytest.param(name, net, id=f"{net}-{name}", marks=_slow_but(net in QUICK.get(name, ())))
        for name in formats.FORMATS
        for net in NETS
    ]


@pytest.mark.parametrize(("name", "net"), _cases())
def test_that_a_net_opens_with_equal_outputs(name: str, net: str, tmp_path: Path) -> None:
    written_as = formats.FORMATS[name]
    original = zoo.alive(NETS[net](LIBRARIES[written_as.library]))
    model_file = formats.check(original, written_as.write(original, tmp_path), 1e-4)
    wanted = "savedmodel" if "savedmodel" in name else "json" if "+" in written_as.title else None
    assert model_file.format == (
        wanted or name.replace("keras3-h5", "h5").replace("keras2-h5", "h5")
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=_slow_but(n == "keras2-savedmodel")) for n in formats.FORMATS],
)
def test_that_float16_policies_open_in_every_format(name: str, tmp_path: Path) -> None:
    written_as = formats.FORMATS[name]
    library = LIBRARIES[written_as.library]
    library.mixed_precision.set_global_policy("mixed_float16")
    try:
        original = zoo.alive(_residual(library))
        written = written_as.write(original, tmp_path)
    finally:
        library.mixed_precision.set_global_policy("float32")
    model_file = formats.check(original, written, 1e-2)
    assert model_file.graph.layers["b"].config["dtype"] == "mixed_float16"
    assert model_file.graph.layers["b"].weights[0].dtype == "float32"


def test_that_a_savedmodel_tells_what_it_is_without_tensorflow(tmp_path: Path) -> None:
    net = zoo.alive(_residual(tf_keras))
    net.compile(optimizer="sgd", loss="mse")
    net.save(tmp_path / "net", save_format="tf")
    model_file = read_model(tmp_path / "net")
    assert model_file.format == "savedmodel"
    assert model_file.written_by == f"keras {tf_keras.__version__}"
    assert model_file.compile_config is not None
    assert model_file.compile_config["loss"] == "mse"
    specs = {w.name: w for w in model_file.graph.layers["a"].weights}
    assert (specs["kernel"].shape, specs["kernel"].zeros) == ((3, 3, 3, 4), 0)


def test_that_a_savedmodel_of_tensorflow_2_0_to_2_4_opens(tmp_path: Path) -> None:
    """Those have no keras_metadata.pb: the config stands among the objects of saved_model.pb."""
    kernel = np.arange(6, dtype="float32").reshape(1, 1, 3, 2)
    config = hostile.model(hostile.CONV)
    folder = writers.write_savedmodel(tmp_path / "net", config, kernel)
    (folder / "keras_metadata.pb").unlink()
    about = json.dumps({"name": "net", "keras_version": "2.2.4-tf", "model_config": config})
    user = writers.block(1, "_tf_keras_sequential") + writers.block(3, about)
    objects = writers.block(1, writers.block(4, user))
    graph = writers.block(2, writers.block(6, b"") + writers.block(7, objects))
    (folder / "saved_model.pb").write_bytes(writers.number(1, 1) + graph)
    model_file, weights = open_here(folder)
    assert model_file.written_by == "keras 2.2.4-tf"
    np.testing.assert_array_equal(weights["conv"]["kernel"], kernel)


def test_that_a_checkpoint_is_read_as_tensorflow_reads_it(tmp_path: Path) -> None:
    net = zoo.alive(_nested(tf_keras))
    net.compile("adam", "mse")
    net.save_weights(tmp_path / "w")
    bundle = Bundle(tmp_path / "w.index")
    theirs = tf.train.load_checkpoint(str(tmp_path / "w"))
    arrays = bundle.arrays()
    assert {k: list(a.shape) for k, a in arrays.items()} == {
        k: s for k, s in theirs.get_variable_to_shape_map().items() if not k.startswith("_CHECK")
    }
    for key in arrays:
        np.testing.assert_array_equal(bundle.read(key), theirs.get_tensor(key))


def test_that_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    net, other = _residual(tf_keras), _chain(tf_keras)
    (tmp_path / "net.json").write_text(net.to_json())
    for name, written in (("a.h5", "a.h5"), ("b", "b.index"), ("c.weights.h5", "c.weights.h5")):
        other.save_weights(tmp_path / name)
        with pytest.raises(UserError) as caught:
            open_here(tmp_path / "net.json", weights=tmp_path / written)
        assert caught.value.code == "model.weights_mismatch"


def test_that_a_swapped_layer_of_a_savedmodel_is_noticed(tmp_path: Path) -> None:
    """Two layers of one shape: only their names tell that the arrays are those of the other."""
    layers = tf_keras.layers

    def net(*names: str) -> Any:
        made = [layers.Conv2D(3, 1, name=name) for name in names]
        return zoo.alive(tf_keras.Sequential([layers.Input(SHAPE), *made]))

    net("one", "two").save(tmp_path / "net", save_format="tf")
    net("two", "one").save(tmp_path / "other", save_format="tf")
    assert open_here(tmp_path / "net")
    shutil.copy(tmp_path / "other" / "keras_metadata.pb", tmp_path / "net" / "keras_metadata.pb")
    data = (tmp_path / "net" / "keras_metadata.pb").read_bytes()
    place = data.index(b'"name": "two"', data.index(b"root.layer_with_weights-0"))
    changed = data[:place] + b'"name": "oWo"' + data[place + 13 :]
    (tmp_path / "net" / "keras_metadata.pb").write_bytes(changed)
    assert refusal(tmp_path / "net").code == "model.weights_mismatch"


def _tflite(path: Path, *, optimise: bool = False) -> Path:
    net = zoo.alive(_depthwise(keras))
    kernel = net.layers[4].get_weights()
    kernel[1][..., 0] = 0.0
    net.layers[4].set_weights(kernel)
    net.export(path.with_suffix(""), format="tf_saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path.with_suffix("")))
    if optimise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())
    return path


def test_that_a_tflite_file_can_be_looked_at_and_no_more(tmp_path: Path) -> None:
    path = _tflite(tmp_path / "net.tflite")
    model_file = view_model(path)
    graph = model_file.graph
    assert model_file.format == "tflite"
    classes = [layer.class_name for layer in graph.layers.values()]
    assert {"INPUT", "DEPTHWISE_CONV_2D", "CONV_2D", "TRANSPOSE_CONV"} <= set(classes)
    conv = next(la for la in graph.layers.values() if la.class_name == "CONV_2D")
    kernel = next(w for w in conv.weights if w.name == "kernel")
    assert kernel.shape == (4, 1, 1, 6)
    assert kernel.zeros == 6
    assert graph.shape(graph.inputs[0]) == (None, *SHAPE)
    sizes = {t.name: (t.bytes, t.shape) for t in model_file.tensors}
    assert all(size == 4 * np.prod(shape) for size, shape in sizes.values() if len(shape) == 4)
    with pytest.raises(UserError) as caught:
        read_model(path)
    assert caught.value.code == "model.tflite"
    exported = refusal(tmp_path / "net")
    assert exported.code == "model.export"


def test_that_a_subclassed_model_is_answered_with_what_to_do(tmp_path: Path) -> None:
    class Net(tf_keras.Model):  # type: ignore[misc]  # no types
        def __init__(self) -> None:
            super().__init__()
            self.dense = tf_keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    net = Net()
    net(np.ones((1, 3), "float32"))
    net.save(tmp_path / "net", save_format="tf")
    error = refusal(tmp_path / "net")
    assert error.code == "model.subclassed"
    assert "Functional" in error.hint


def test_that_json_alone_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(_chain(keras).to_json())
    error = refusal(tmp_path / "net.json")
    assert error.code == "model.json_only"
    assert "--weights" in error.hint
    (tmp_path / "data.json").write_text('{"a": 1}')
    assert refusal(tmp_path / "data.json").code == "model.bad_config"
    (tmp_path / "w.h5").write_bytes(b"no weights")
    with pytest.raises(UserError) as caught:
        open_here(tmp_path / "net.json", weights=tmp_path / "w.h5")
    assert caught.value.code == "model.damaged"


def test_that_weights_beside_a_whole_model_are_refused(tmp_path: Path) -> None:
    net = _chain(keras)
    net.save(tmp_path / "net.keras")
    net.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(UserError) as caught:
        read_model(tmp_path / "net.keras", weights=tmp_path / "w.weights.h5")
    assert caught.value.code == "model.weights_not_wanted"


def test_that_a_rebuilt_savedmodel_is_the_function_of_its_signature(tmp_path: Path) -> None:
    """Another oracle than the model that was saved: TensorFlow's own loading of the folder."""
    net = zoo.alive(_two_outputs(tf_keras))
    net.save(tmp_path / "net", save_format="tf")
    model_file, weights = open_here(tmp_path / "net")
    image, extra = zoo.inputs_of(net)
    served = tf.saved_model.load(tmp_path / "net").signatures["serving_default"](
        image=tf.constant(image), extra=tf.constant(extra)
    )
    got = as_list(rebuild.build(model_file.graph, weights)([image, extra]))
    for want, have in zip((served["one"], served["two"]), got, strict=True):
        assert relative_difference(np.asarray(want), have) <= 1e-5


@pytest.mark.parametrize("name", ["keras3", "keras3-h5", "keras2", "keras2-savedmodel"])
def test_that_the_compile_section_is_read_as_data(name: str, tmp_path: Path) -> None:
    written_as = formats.FORMATS[name]
    library = LIBRARIES[written_as.library]
    net = _residual(library)
    net.compile(
        optimizer=library.optimizers.SGD(0.125),
        loss=library.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["mae"],
    )
    net.train_on_batch(np.ones((2, *SHAPE), "float32"), np.eye(2, dtype="float32"))
    told = compiled_of(open_here(written_as.write(net, tmp_path).path)[0].compile_config)
    assert told is not None
    assert (told.optimizer, told.learning_rate) == ("SGD", 0.125)
    assert told.loss == ("CategoricalCrossentropy",)
    assert len(told.metrics) == 1
    assert told.metrics[0] in ("mae", "MeanAbsoluteError", "mean_absolute_error")
