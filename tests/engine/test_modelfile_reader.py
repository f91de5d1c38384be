"""Opening files: the shared models, what a person is told, and how long it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from engine.errors import EXIT_BAD_INPUT, UserError
from engine.modelfile import (
    digest,
    open_model,
    read_model,
    read_weights,
    reader,
    rebuild,
    reshape_graph,
)
from engine.modelfile.codec import graph_from_plain, graph_to_plain
from engine.modelfile.graph import LayerGraph
from tests.engine import modelfile_zoo as zoo
from tests.engine.modelfile_tools import as_list, open_here, refusal, relative_difference
from tests.shared import shared_file

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
]

SHARED = {
    "vgg_fashion.keras": ("keras3", "keras 3.15.1", 601_514),
    "densenet22_fashion.keras": ("keras3", "keras 3.15.1", 296_098),
    "mobilenet_fashion.h5": ("h5", "keras 2.21.0", 57_370),
    "resnet20_cifar10.h5": ("h5", "keras 2.21.0", 274_042),
    "unet_nuclei.keras": ("keras3", "keras 3.15.1", 482_033),
}


@pytest.fixture(scope="module")
def small_net() -> keras.Model:
    x = keras.Input((8, 8, 3), name="x")
    y = keras.layers.Conv2D(4, 3, name="conv")(x)
    y = keras.layers.BatchNormalization(name="norm")(y)
    y = keras.layers.GlobalAveragePooling2D(name="pool")(y)
    return keras.Model(x, keras.layers.Dense(2, name="out")(y), name="small")


@pytest.mark.parametrize("name", sorted(SHARED))
def test_that_a_shared_model_opens_to_the_same_function(name: str) -> None:
    path = shared_file(f"models/{name}")
    model_file, weights = open_model(path)
    assert (model_file.format, model_file.written_by, model_file.graph.params) == SHARED[name]
    rebuilt = rebuild.build(model_file.graph, weights)
    library = tf_keras.models if name == "mobilenet_fashion.h5" else keras.saving
    original = library.load_model(path, compile=False)
    shape = model_file.graph.shape(model_file.graph.inputs[0])
    assert shape is not None
    x = np.random.default_rng(0).uniform(0, 255, (4, *shape[1:])).astype("float32")
    if "mobilenet" in name:
        x /= 255
    given = x if "mobilenet" in name else [x]  # Keras 3 keeps the list that the file has
    wanted = as_list(original(given, training=False))[0]
    got = as_list(rebuilt(x, training=False))[0]
    assert wanted.std() > 1e-3
    assert relative_difference(wanted, got) <= 1e-5
    back = rebuild.weights_of(rebuilt, model_file.graph)
    for layer, arrays in weights.items():
        for weight, array in arrays.items():
            np.testing.assert_array_equal(back[layer][weight], array)


def test_that_zeros_are_counted_per_weight(small_net: keras.Model, tmp_path: Path) -> None:
    kernel, bias = small_net.get_layer("conv").get_weights()
    kernel[:, :, 0] = 0
    small_net.get_layer("conv").set_weights([kernel, bias])
    small_net.save(tmp_path / "net.keras")
    layer = open_here(tmp_path / "net.keras")[0].graph.layers["conv"]
    assert [(w.name, w.shape, w.zeros, w.trainable) for w in layer.weights] == [
        ("kernel", (3, 3, 3, 4), 36, True),
        ("bias", (4,), 4, True),
    ]
    norm = open_here(tmp_path / "net.keras")[0].graph.layers["norm"]
    assert [w.trainable for w in norm.weights] == [True, True, False, False]


def test_that_the_child_gives_what_this_process_would(tmp_path: Path) -> None:
    path = shared_file("models/vgg_fashion.keras")
    model_file, weights = open_here(path)
    assert read_model(path) == model_file
    read = read_weights(path)
    assert {k: list(v) for k, v in read.items()} == {k: list(v) for k, v in weights.items()}
    assert all((read[k][w] == weights[k][w]).all() for k in weights for w in weights[k])


def test_that_reading_imports_neither_tensorflow_nor_keras() -> None:
    path = shared_file("models/resnet20_cifar10.h5")
    code = (
        "import sys; from pathlib import Path; from engine.modelfile import child;"
        f"child.read_h5({{'path': {str(path)!r}, 'weights_to': None}});"
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras', 'tf_keras')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_that_reading_is_quick() -> None:
    path = shared_file("models/densenet22_fashion.keras")
    read_model(path)
    best = min(_seconds(path) for _ in range(3))
    assert best < 5.0  # 0.3 s on a quiet machine; the bench states the figure


def _seconds(path: Path) -> float:
    start = time.perf_counter()
    read_model(path)
    return time.perf_counter() - start


def _two_branches(library: Any) -> Any:
    """A model called twice inside a model, dict inputs and outputs, operators between layers."""
    layers = library.layers
    inner = library.Sequential(
        [layers.Input((6, 6, 2)), layers.Conv2D(3, 3, name="c"), layers.BatchNormalization()],
        name="inner",
    )
    a = layers.Input((6, 6, 2), name="a")
    deep = library.Model(a, layers.ReLU(name="r")(inner(a, training=False)) * 2.0, name="deep")
    c, d = layers.Input((6, 6, 2), name="c_in"), layers.Input((6, 6, 2), name="d_in")
    joined = layers.Concatenate(name="join")([deep(c), deep(d)])
    out = layers.Dense(2, name="head")(joined[:, 1:, ::2])
    return library.Model({"c_in": c, "d_in": d}, [out, joined], name="branches")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras3", "keras2"])
def test_that_nested_shared_and_named_parts_are_flattened(
    library: Any, suffix: str, tmp_path: Path
) -> None:
    original = zoo.alive(_two_branches(library))
    path = tmp_path / f"net.{suffix}"
    original.save(path)
    model_file, weights = open_here(path)
    graph = model_file.graph
    assert {"deep/inner/c", "deep/r", "head", "join", "c_in", "d_in"} <= set(graph.layers)
    assert len(list(graph.calls("deep/inner/c"))) == 2
    assert [node.kwargs for node in graph.calls("deep/inner/c")] == [{}, {}]
    norm = next(name for name in graph.layers if "batch_norm" in name)
    assert [node.kwargs for node in graph.calls(norm)] == [{"training": False}] * 2
    assert [graph.shape(t) for t in graph.outputs] == [(None, 3, 2, 2), (None, 4, 4, 6)]
    assert set(graph.input_structure) == {"c_in", "d_in"}
    rebuilt = rebuild.build(graph, weights)
    assert rebuilt.get_layer("deep.inner.c").count_params() == 57
    rng = np.random.default_rng(3)
    x = {name: rng.normal(0, 1, (4, 6, 6, 2)).astype("float32") for name in ("c_in", "d_in")}
    for want, have in zip(as_list(original(x)), as_list(rebuilt(x)), strict=True):
        assert relative_difference(want, have) < 1e-5
    assert graph.params == original.count_params()


def test_that_a_graph_survives_json_and_its_digest_ignores_zeros(
    small_net: keras.Model, tmp_path: Path
) -> None:
    small_net.save(tmp_path / "net.keras")
    graph = open_here(tmp_path / "net.keras")[0].graph
    again = graph_from_plain(json.loads(json.dumps(graph_to_plain(graph))))
    assert again == graph
    assert list(again.layers) == list(graph.layers)
    without = _without_zeros(graph)
    assert digest(without) == digest(graph)
    conv = graph.layers["conv"]
    other = replace(conv, config={**conv.config, "filters": 5})
    assert digest(replace(graph, layers={**graph.layers, "conv": other})) != digest(graph)


def _without_zeros(graph: LayerGraph) -> LayerGraph:
    layers = {
        name: replace(layer, weights=tuple(replace(w, zeros=None) for w in layer.weights))
        for name, layer in graph.layers.items()
    }
    return replace(graph, layers=layers)


def test_that_shapes_follow_when_a_layer_is_narrowed(
    small_net: keras.Model, tmp_path: Path
) -> None:
    small_net.save(tmp_path / "net.keras")
    graph = open_here(tmp_path / "net.keras")[0].graph
    assert reshape_graph(graph) == graph
    conv = graph.layers["conv"]
    narrow = replace(conv, config={**conv.config, "filters": 3})
    cut = reshape_graph(replace(graph, layers={**graph.layers, "conv": narrow}))
    shapes = {node.layer: cut.shape(node.outputs[0]) for node in cut.nodes}
    assert shapes["conv"] == (None, 6, 6, 3)
    assert shapes["norm"] == (None, 6, 6, 3)
    assert shapes["pool"] == (None, 3)
    assert shapes["out"] == (None, 2)


def _h5(path: Path, **attributes: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
    return path


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _bad_files(folder: Path, net: keras.Model) -> dict[str, tuple[Path, str]]:
    """Files that are no model, each with the code and a word of its answer."""
    net.save(folder / "good.keras")
    net.save(folder / "good.h5")
    net.save_weights(folder / "only.weights.h5")
    good, good_h5 = (folder / "good.keras").read_bytes(), (folder / "good.h5").read_bytes()
    tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))]).save_weights(
        folder / "old_weights.h5"
    )
    (folder / "text.h5").write_text("x,y\n1,2\n")
    (folder / "empty.keras").write_bytes(b"")
    (folder / "model.json").write_text(net.to_json())
    (folder / "lite.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    (folder / "pickle.h5").write_bytes(b"\x80\x04\x95" + bytes(30))
    (folder / "cut.keras").write_bytes(good[: len(good) // 2])
    (folder / "cut.h5").write_bytes(good_h5[: len(good_h5) // 2])
    (folder / "a_folder").mkdir()
    for name, inside in (("saved", ("keras_metadata.pb",)), ("export", ()), ("open", None)):
        (folder / name).mkdir()
        for file in ("config.json",) if inside is None else ("saved_model.pb", *inside):
            (folder / name / file).write_bytes(b"")
    with zipfile.ZipFile(folder / "good.keras") as archive:
        config = archive.read("config.json")
        inner = archive.read("model.weights.h5")
    _zip(folder / "no_config.keras", {"model.weights.h5": inner})
    _zip(folder / "no_weights.keras", {"config.json": config})
    _zip(folder / "torch.keras", {"x/data.pkl": b"", "x/version": b"3"})
    _zip(folder / "not_json.keras", {"config.json": b"{", "model.weights.h5": inner})
    _zip(folder / "list.keras", {"config.json": b"[1]", "model.weights.h5": inner})
    _zip(folder / "bad_h5.keras", {"config.json": config, "model.weights.h5": b"\x89HDF"})
    _h5(folder / "plain.h5")
    _h5(folder / "subclassed.h5", model_config='{"class_name": "MyNet", "config": {}}')
    return {
        name: (folder / name, code)
        for name, code in {
            "missing.keras": "model.not_found", "a_folder": "model.folder",
            "saved": "model.damaged", "export": "model.export", "open": "model.unpacked",
            "text.h5": "model.not_keras", "empty.keras": "model.empty",
            "model.json": "model.json_only", "lite.tflite": "model.tflite",
            "pickle.h5": "model.pickle", "cut.keras": "model.damaged", "cut.h5": "model.damaged",
            "only.weights.h5": "model.weights_only", "old_weights.h5": "model.weights_only",
            "no_config.keras": "model.not_keras", "no_weights.keras": "model.no_weights",
            "torch.keras": "model.not_keras", "not_json.keras": "model.bad_config",
            "list.keras": "model.bad_config", "bad_h5.keras": "model.damaged",
            "plain.h5": "model.not_keras", "subclassed.h5": "model.subclassed",
        }.items()
    }  # fmt: skip


def test_that_what_is_no_model_is_answered_in_one_sentence(
    small_net: keras.Model, tmp_path: Path
) -> None:
    for name, (path, code) in _bad_files(tmp_path, small_net).items():
        error = refusal(path)
        assert (name, error.code) == (name, code)
        assert error.exit_code == EXIT_BAD_INPUT
        assert error.message.endswith("."), error.message
        assert error.hint.endswith("."), error.hint
        assert "\n" not in str(error)


def test_that_the_child_answers_with_the_same_error(small_net: keras.Model, tmp_path: Path) -> None:
    path = _bad_files(tmp_path, small_net)["cut.h5"][0]
    with pytest.raises(UserError) as caught:
        read_model(path)
    assert str(caught.value) == str(refusal(path))


@pytest.mark.parametrize(
    ("function", "words"),
    [("crash", "SIGSEGV"), ("hang", "took too long"), ("eat", "too much memory")],
)
def test_that_a_child_that_dies_is_one_sentence(
    function: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = _h5(tmp_path / "net.h5")
    monkeypatch.setattr(reader, "reader_of", lambda path: function)
    monkeypatch.setattr(reader, "_CHILD", "tests.engine.modelfile_deaths")
    monkeypatch.setattr(reader, "READ_TIMEOUT_S", 2.0 if function == "hang" else 60.0)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with pytest.raises(UserError) as caught:
        read_model(path)
    assert words in caught.value.message
    assert caught.value.code == "model.damaged"
