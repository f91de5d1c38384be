"""A model that was trained in mixed precision: searched, converted and saved in float32."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from engine import api
from engine.events import Event, Warned
from engine.job import Budget, DataSpec, Goal, Job
from engine.modelfile.precision import in_float32, is_mixed
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L = keras.layers


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small net of mixed precision, untrained, and data that it answers well."""
    at = tmp_path_factory.mktemp("mixed")
    keras.utils.set_random_seed(1)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        seen = keras.Input((8, 8, 1))
        x = L.Conv2D(12, 3, padding="same")(L.Rescaling(1 / 255)(seen))
        x = L.ReLU()(L.BatchNormalization()(x))
        y = L.Conv2D(12, 3, padding="same")(x)
        x = L.GlobalAveragePooling2D()(x + y * 0.5)
        model = keras.Model(seen, L.Dense(4, activation="softmax", dtype="float32")(x))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.save(at / "model.keras")
    images = np.random.default_rng(0).integers(0, 255, (600, 8, 8, 1)).astype(np.uint8)
    labels = np.argmax(model.predict(images, verbose=0), axis=-1)
    np.savez(at / "data.npz", x_train=images[:300], y_train=labels[:300],
             x_test=images[300:], y_test=labels[300:])  # fmt: skip
    return at


def test_that_mixed_precision_is_found_and_left(mixed: Path) -> None:
    file, weights = open_model(mixed / "model.keras")
    assert is_mixed(file.graph)
    whole = in_float32(file.graph)
    assert not is_mixed(whole)
    assert in_float32(whole) is whole
    assert {tensor.dtype for tensor in whole.tensors} == {"float32"}
    images = np.load(mixed / "data.npz")["x_test"].astype(np.float32)
    half, full = (build(graph, weights)(images).numpy() for graph in (file.graph, whole))
    np.testing.assert_allclose(half, full, atol=0.02)


def test_that_what_was_cast_by_hand_stays_so() -> None:
    config = {"layer": {"class_name": "Dense", "config": {"dtype": "mixed_bfloat16"}}}
    from engine.modelfile.precision import _whole

    assert _whole(config)["layer"]["config"]["dtype"] == "float32"
    assert _whole({"dtype": "float16"}) == {"dtype": "float16"}


def test_that_a_mixed_model_is_exported(mixed: Path, tmp_path: Path) -> None:
    answer = api.export(
        mixed / "model.keras", "tflite", tmp_path / "small.tflite", quantize="int8",
        data=str(mixed / "data.npz"),
    )  # fmt: skip
    assert answer["checks"]["reloaded"] is True
    assert not any("Flex" in op for op in answer["ops"])


def test_that_a_search_on_a_mixed_model_ends_with_a_checked_file(
    mixed: Path, tmp_path: Path
) -> None:
    told: list[Event] = []
    job = Job(
        model=str(mixed / "model.keras"), data=DataSpec(source=str(mixed / "data.npz")),
        goal=Goal(tolerance=0.3), budget=Budget(epochs=1, max_trials=1), controls=False,
    )  # fmt: skip
    result = api.prune(job, tmp_path / "run", on_event=lambda event, _: told.append(event))
    assert [e.code for e in told if isinstance(e, Warned) and e.code.startswith("model.")] == [
        "model.mixed"
    ]
    (saved,) = result["exports"]
    assert saved["checks"]["reloaded"] is True
    assert not is_mixed(open_model(tmp_path / "run" / "model.keras")[0].graph)
