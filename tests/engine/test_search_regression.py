"""Nets that answer with numbers, in whatever unit: their fine-tunes neither explode nor stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from engine import api
from engine.control import EngineControl
from engine.data.augment import measure_augmentation
from engine.data.parts import Part
from engine.data.task import Task
from engine.job import Budget, DataSpec, Goal, Job
from engine.modelfile.rebuild import build
from engine.search.context import Context, complete, open_data, open_files
from engine.training.evaluate import predict_outputs
from engine.training.finetune import fine_tune

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

UNITS = (0.01, 1.0, 10_000.0)


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A net with norms that reads a digit as a number, 8 x 8 images, and the numbers."""
    digits = load_digits()
    images = (digits.images[..., None] * 15).astype(np.uint8)
    numbers = digits.target.astype(np.float32)
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(24, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(1, name="number"),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(images[:1200], numbers[:1200], epochs=15, batch_size=32, verbose=0)
    return model, images, numbers


def in_units_of(trained: tuple[keras.Model, np.ndarray, np.ndarray], unit: float, at: Path) -> Job:
    """The net and its labels in another unit, as files; a job of two fine-tunes."""
    model, images, numbers = trained
    scaled = keras.models.clone_model(model)
    scaled.set_weights(model.get_weights())
    last = scaled.get_layer("number")
    last.set_weights([weight * unit for weight in last.get_weights()])
    scaled.compile("adam", "mse", metrics=[keras.metrics.RootMeanSquaredError()])
    scaled.save(at / "model.keras")
    numbers = numbers * np.float32(unit)
    np.savez(
        at / "data.npz", x_train=images[:1200], y_train=numbers[:1200],
        x_test=images[1200:], y_test=numbers[1200:],
    )  # fmt: skip
    return Job(
        model=str(at / "model.keras"),
        data=DataSpec(source=str(at / "data.npz"), augment="none"),
        goal=Goal(tolerance=0.5 * unit),
        budget=Budget(epochs=3, max_trials=2),
        controls=False,
    )


def context_of(job: Job) -> tuple[Context, np.ndarray]:
    """The context of a search, and the net's answers on the search split."""
    opened = open_data(job, *open_files(job))
    part = opened.data.search
    outputs = predict_outputs(opened.model, part.images, preprocess=opened.transform)
    rows = opened.measure.rows(outputs, part.labels)
    return complete(job, opened, rows, EngineControl()), outputs


@pytest.mark.parametrize("unit", UNITS)
def test_that_a_net_stays_what_it_is_under_a_fine_tune_whatever_the_unit_of_its_answers(
    trained: tuple[keras.Model, np.ndarray, np.ndarray], unit: float, tmp_path: Path
) -> None:
    context, outputs = context_of(in_units_of(trained, unit, tmp_path))
    assert context.measure.name == "rmse"
    train = context.data.train
    assert context.loss.variance == pytest.approx(np.var(train.labels, dtype=np.float64))
    model = build(context.candidate.graph, context.candidate.weights)
    result = fine_tune(
        model, train.images, train.labels, preprocess=context.transform, loss=context.loss,
        settings=context.settings, teacher=context.teacher,
    )  # fmt: skip
    assert max(result.losses) < 0.3, "of the labels' own variance"
    search = context.data.search
    after = predict_outputs(model, search.images, preprocess=context.transform)
    before, tuned = (
        float(np.sqrt(np.mean((np.ravel(o) - np.ravel(search.labels)) ** 2)))
        for o in (outputs, after)
    )
    assert tuned < 1.3 * before


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_that_a_search_ends_with_a_smaller_net_whatever_the_unit_of_its_answers(
    trained: tuple[keras.Model, np.ndarray, np.ndarray], unit: float, tmp_path: Path
) -> None:
    result = api.prune(in_units_of(trained, unit, tmp_path), tmp_path / "run")
    assert result["status"] in ("met", "not_met")
    assert all(trial["value"] is not None for trial in result["trials"])
    assert result["final"]["nonzero"] < result["baseline"]["nonzero"] / 2
    (saved,) = result["exports"]
    assert saved["checks"]["metric"] == "rmse", "a file is judged as the search was"
    again = api.export(tmp_path / "run", "tflite", tmp_path / "small.tflite", quantize="int8")
    assert again["checks"]["metric"] == "rmse"


def test_that_changes_of_images_are_borne_or_not_whatever_the_unit_of_the_answers() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 200, (200, 8, 8, 1)).astype(np.uint8)
    brightness = images.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]
    task = Task(
        kind="regression", classes=0, outputs=1, activation="linear", from_logits=False,
        metric="mae", higher_is_better=False,
    )  # fmt: skip

    def chosen(unit: float) -> tuple[str, ...]:
        return measure_augmentation(
            lambda changed: changed.mean(axis=(1, 2, 3), dtype=np.float32)[:, None] * unit,
            brighter,
            Part(images=images, labels=brightness * unit),
            task,
            tolerance=5.0 * unit,
        ).chosen.names

    assert "flip" in chosen(1.0)
    assert "colour" not in chosen(1.0)
    assert [chosen(unit) for unit in UNITS] == [chosen(1.0)] * len(UNITS)


def brighter(change: Any, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flips, and ten more of brightness for any change of colours."""
    changed = images[:, :, ::-1] if change.flip else images
    return (changed + np.uint8(10) if change.colour else changed), labels
