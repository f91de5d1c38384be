"""Layers of the user's own: read without running, run when allowed, carried along as is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from engine import api
from engine.channels.trace import trace
from engine.errors import UserError
from engine.modelfile import read_model, rebuild
from engine.modelfile.consent import allow, is_allowed
from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import open_here, refusal, relative_difference

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]

CODE = '''
from pathlib import Path

import keras

MARKER = Path(__file__).with_suffix(".ran")
MARKER.touch()


@keras.saving.register_keras_serializable(package="Mine")
class Scale(keras.layers.Layer):
    """A factor a channel, a dense layer inside, dropout, and a count that is not trained."""

    def __init__(self, units=4, **options):
        super().__init__(**options)
        self.units = units
        self.dense = keras.layers.Dense(units, name="inside")
        self.drop = keras.layers.Dropout(0.5)

    def build(self, shape):
        self.count = self.add_weight(shape=(), trainable=False, name="count")
        self.factor = self.add_weight(shape=(shape[-1],), name="factor")
        self.dense.build(shape)
        super().build(shape)

    def call(self, x, training=None):
        return self.drop(self.dense(x * self.factor), training=training) + self.count

    def get_config(self):
        return {**super().get_config(), "units": self.units}
'''


@pytest.fixture(autouse=True)
def _own_consents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(CODE)
    return file


def _class_of(code: Path) -> Any:
    spec = importlib.util.spec_from_file_location("mine_in_the_test", code)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    code.with_suffix(".ran").unlink()
    return module.Scale


def _net(scale: Any) -> keras.Model:
    layers = keras.layers
    x = layers.Input((8, 8, 3))
    y = layers.Conv2D(6, 3, activation="relu", name="first")(x)
    y = scale(name="own")(y)
    y = layers.Conv2D(8, 3, activation="relu", name="between")(y)
    y = layers.Conv2D(5, 3, activation="relu", name="last")(y)
    return zoo.alive(keras.Model(x, layers.Dense(2, name="out")(layers.Flatten()(y))))


def _sequential(scale: Any) -> keras.Model:
    layers = keras.layers
    inner = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), scale(3)], name="in")
    return zoo.alive(
        keras.Sequential([layers.Input((8, 8, 3)), inner, scale(2, name="b"), layers.Flatten()])
    )


def _rebuilt(path: Path, code: Path) -> keras.Model:
    model_file, weights = open_here(path, custom=code)
    return rebuild.build(model_file.graph, weights)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("net", [_net, _sequential], ids=["functional", "sequential"])
def test_that_a_custom_layer_opens_with_equal_outputs(
    net: Any, suffix: str, code: Path, tmp_path: Path
) -> None:
    original = net(_class_of(code))
    path = tmp_path / f"net.{suffix}"
    original.save(path)
    allow(code)
    model_file, weights = open_here(path, custom=code)
    rebuilt = rebuild.build(model_file.graph, weights)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    wanted, got = np.asarray(original(x)), np.asarray(rebuilt(x))
    assert wanted.std() > 1e-3
    assert relative_difference(wanted, got) <= 1e-5
    assert model_file.graph.params == original.count_params()
    back = rebuild.weights_of(rebuilt, model_file.graph)
    for layer, arrays in weights.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(back[layer][name], array)


def test_that_reading_runs_nothing_and_running_needs_consent(code: Path, tmp_path: Path) -> None:
    _net(_class_of(code)).save(tmp_path / "net.keras")
    model_file, weights = open_here(tmp_path / "net.keras", custom=code)
    assert read_model(tmp_path / "net.keras", custom=code) == model_file
    assert not code.with_suffix(".ran").exists()
    with pytest.raises(UserError) as caught:
        rebuild.build(model_file.graph, weights)
    assert caught.value.code == "custom.untrusted"
    allow(code)
    rebuild.build(model_file.graph, weights)
    assert code.with_suffix(".ran").exists()
    code.write_text(CODE + "\n# changed\n")
    assert not is_allowed(code)
    with pytest.raises(UserError):
        rebuild.build(model_file.graph, weights)


def test_that_a_custom_layer_pins_what_it_touches_by_name(code: Path, tmp_path: Path) -> None:
    _net(_class_of(code)).save(tmp_path / "net.keras")
    graph = open_here(tmp_path / "net.keras", custom=code)[0].graph
    channels = trace(graph)
    reasons = {group.layers[0]: group.reason for group in channels.groups}
    assert "'own'" in str(reasons["first"])
    assert reasons["between"] is None
    assert graph.shape(next(graph.calls("own")).outputs[0]) == (None, 6, 6, 4)


def test_that_without_its_file_a_custom_layer_is_refused_with_what_to_do(
    code: Path, tmp_path: Path
) -> None:
    _net(_class_of(code)).save(tmp_path / "net.keras")
    error = refusal(tmp_path / "net.keras")
    assert error.code == "model.unknown_class"
    assert "Scale" in error.message
    assert "--custom" in error.hint


def test_that_a_file_of_custom_layers_opens_nothing_else(code: Path, tmp_path: Path) -> None:
    """Naming a file does not let in code, classes of others, or another meaning of Keras's own."""
    code.write_text(
        CODE + "\n\nclass Lambda(Scale):\n    pass\n\n\nclass Conv2D(Scale):\n    pass\n"
    )
    for number, (name, config) in enumerate(hostile.configs(tmp_path / "marker")):
        path = hostile.write_keras(tmp_path / f"{number}.keras", config)
        with pytest.raises(UserError) as caught:
            open_here(path, custom=code)
        assert caught.value.code.startswith("model."), name
    path = hostile.write_keras(tmp_path / "net.keras", hostile.model(hostile.CONV))
    graph = open_here(path, custom=code)[0].graph
    assert graph.layers["conv"].module == "keras.layers"
    mark = hostile.model({**hostile.layer("Dense"), "class_name": "__custom__"})
    with pytest.raises(UserError):
        open_here(hostile.write_keras(tmp_path / "mark.keras", mark), custom=code)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def", "no Python file"),
        ("class Scale:\n    pass", "defines no Keras 3 layer"),
        ("import keras\nclass Scale(keras.layers.Layer):\n    pass\nboom()", "in line 4"),
        ("import keras\nclass Scale(keras.layers.Layer):\n    pass", "failed"),
    ],
)
def test_that_a_file_that_does_not_fit_is_one_sentence(
    text: str, words: str, code: Path, tmp_path: Path
) -> None:
    _net(_class_of(code)).save(tmp_path / "net.keras")
    code.write_text(text)
    allow(code)
    with pytest.raises(UserError) as caught:
        _rebuilt(tmp_path / "net.keras", code)
    assert words in caught.value.message
    assert "\n" not in str(caught.value)


def test_that_another_version_of_the_class_is_noticed(code: Path, tmp_path: Path) -> None:
    for suffix in ("keras", "h5"):
        code.write_text(CODE)
        _net(_class_of(code)).save(tmp_path / f"net.{suffix}")
        code.write_text(CODE.replace("shape=(shape[-1],)", "shape=(1,)"))
        allow(code)
        model_file, weights = open_here(tmp_path / f"net.{suffix}", custom=code)
        with pytest.raises(UserError) as caught:
            rebuild.build(model_file.graph, weights)
        assert caught.value.code == "model.weights_mismatch"


@pytest.mark.slow
def test_that_slim_export_and_evaluate_work_with_custom_layers(code: Path, tmp_path: Path) -> None:
    _net(_class_of(code)).save(tmp_path / "net.keras")
    allow(code)
    small = tmp_path / "small.keras"
    cut = api.slim(tmp_path / "net.keras", small, keep=0.5, custom=code)
    assert cut["params_after"] < cut["params_before"]
    assert cut["rel_diff"] <= 1e-4
    layers = {row["name"]: row for row in api.inspect(small, custom=code)["layers"]}
    assert layers["between"]["output_shape"] == [4, 4, 4]
    assert layers["own"]["output_shape"] == [6, 6, 4]
    for to in ("tflite", "savedmodel", "keras", "h5"):
        made = api.export(small, to, tmp_path / f"out.{to}", custom=code)
        assert made["checks"]["reloaded"]
    x = np.random.default_rng(0).normal(size=(90, 8, 8, 3)).astype("float32")
    np.savez(tmp_path / "data.npz", x_train=x, y_train=np.arange(90) % 2)
    answer = api.evaluate(small, tmp_path / "data.npz", preprocess="none", custom=code)
    assert 0 <= answer["value"] <= 1
