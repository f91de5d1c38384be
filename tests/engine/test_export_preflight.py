"""What is said before a search: what can go, what it would gain, and what zeros cannot do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

from engine import jsonio
from engine.events import Latency
from engine.export.parts import read_parts
from engine.export.preflight import Preflight, preflight
from engine.export.request import SizesRequest
from engine.export.sizes import FileSizes
from engine.export.sparse_speed import fast_when_sparse, sparse_speed
from engine.modelfile import open_model
from tests.engine.export_nets import chain

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Opened = Callable[[keras.Model], tuple[Any, Any]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Write a model and open it as our graph and arrays."""

    def through_file(model: keras.Model) -> tuple[Any, Any]:
        path = tmp_path / "model.keras"
        model.save(path)
        file, weights = open_model(path)
        return file.graph, weights

    return through_file


def pretend(target: str, payload: Any, *, timeout_s: float) -> Any:
    """A helper whose files are as large, and as slow, as the model has parameters."""
    if isinstance(payload, SizesRequest):
        graph, _ = read_parts(Path(payload.source))
        assert payload.tflite is not None
        Path(payload.tflite).write_bytes(b"x" * graph.params)
        return jsonio.to_plain(
            FileSizes(tflite_bytes=4 * graph.params, tflite_gzip_bytes=3 * graph.params)
        )
    assert target.endswith(":time_files_child")
    return [
        jsonio.to_plain(
            Latency(median=Path(path).stat().st_size / 1e3, p90=1.0, runs=50, threads=2)
        )
        for path in payload["paths"]
    ]


def test_that_narrower_copies_are_measured_beside_the_model(opened: Opened) -> None:
    graph, weights = opened(chain())
    found = preflight(graph, weights, caller=pretend, keeps=(0.5,))
    whole, half = found.widths
    assert (whole.keep, half.keep) == (1.0, 0.5)
    assert whole.params == graph.params
    assert half.params < whole.params
    assert half.macs is not None
    assert whole.macs is not None
    assert half.macs < whole.macs
    assert half.sizes.tflite_bytes == 4 * half.params
    assert half.latency_ms.median == half.params / 1e3
    assert half.latency_int8_ms is None
    assert found.time_removable == pytest.approx(1 - half.params / whole.params)
    assert 0.5 < found.params_removable < 1
    assert found.macs_removable is not None
    assert (found.groups, found.groups_pinned) == (3, 1)
    assert jsonio.from_plain(jsonio.to_plain(found), Preflight) == found


def test_that_a_model_without_removable_groups_has_nothing_to_gain(opened: Opened) -> None:
    image = keras.Input((4, 4, 3))
    graph, weights = opened(keras.Model(image, layers.Dense(2)(layers.Flatten()(image))))
    found = preflight(graph, weights, caller=pretend, keeps=(0.5,))
    assert found.params_removable == 0.0
    assert found.time_removable == 0.0
    assert found.groups == found.groups_pinned


def mobile(*, entry_strides: int = 2, inner: int = 1) -> keras.Model:
    """A chain that meets LiteRT's conditions for sparse inference, or just not."""
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=entry_strides, padding="same", activation="relu")(image)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Conv2D(16, inner, padding="same", activation="relu")(x)
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def test_that_zeros_may_speed_up_a_chain_of_pointwise_convolutions_on_arm(opened: Opened) -> None:
    graph, _ = opened(mobile())
    said = sparse_speed(graph)
    assert said.possible
    assert said.macs_1x1 is not None
    assert 0 < said.macs_1x1 < 1
    assert "ARM" in said.sentence
    assert "on x86 they do not" in said.sentence
    (fast,) = fast_when_sparse(graph)
    assert graph.layers[fast].config["filters"] == 16


@pytest.mark.parametrize("change", [{"entry_strides": 1}, {"inner": 3}])
def test_that_zeros_cannot_speed_up_anything_else(opened: Opened, change: dict[str, int]) -> None:
    graph, _ = opened(mobile(**change))
    said = sparse_speed(graph)
    assert not said.possible
    assert "cannot speed this model up" in said.sentence
