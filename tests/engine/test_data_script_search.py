"""What a data script brings is used: own metric and loss, several outputs, TFRecord, a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine import api
from engine.control import EngineControl
from engine.data.trust import trust
from engine.errors import UserError
from engine.job import Budget, DataSpec, Goal, Job
from engine.search.context import Context, complete, loss_of, open_data, open_files
from engine.training.evaluate import predict_outputs
from engine.training.finetune import fine_tune
from engine.training.losses import fit_labels, label_loss

# Keras 3.15 saves by a conversion of which NumPy 2 warns
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIDE = 12
SCENES = '''
import numpy as np


def scenes(count, seed):
    """Bars: upright, level or none (class), brightness (size), and the row and column."""
    rng = np.random.default_rng(seed)
    kinds, bright = np.arange(count) % 3, rng.uniform(0.4, 1.0, count)
    places = rng.integers(2, 10, (count, 2))
    images = rng.integers(0, 40, (count, 12, 12, 1))
    for image, kind, light, (row, column) in zip(images, kinds, bright, places):
        if kind == 0:
            image[:, column] = 200 * light
        if kind == 1:
            image[row] = 200 * light
    return images.astype("uint8"), kinds, bright.astype("float32"), places
'''
TWO = (
    SCENES
    + """
def _pack(count, seed):
    images, kinds, bright, _ = scenes(count, seed)
    for start in range(0, count, 50):
        part = slice(start, start + 50)
        yield images[part], {"kind": kinds[part], "light": bright[part][:, None]}


def train():
    return _pack(600, 0)


def test():
    return _pack(400, 1)


def metric(y_true, y_pred):
    right = y_pred["kind"].argmax(-1) == y_true["kind"]
    return right * (np.abs(y_pred["light"] - y_true["light"])[:, 0] < 0.5)


def loss(y_true, y_pred):
    import keras
    kind = keras.losses.sparse_categorical_crossentropy(y_true["kind"], y_pred["kind"])
    return kind + keras.losses.mean_squared_error(y_true["light"], y_pred["light"])
"""
)
DETECTOR = (
    SCENES
    + '''
def _grid(count, seed):
    """Per cell of a 3x3 grid: whether a bar's middle is there, and where in the cell."""
    images, kinds, _, places = scenes(count, seed)
    grid = np.zeros((count, 3, 3, 3), "float32")
    for cell, kind, (row, column) in zip(grid, kinds, places):
        if kind < 2:
            cell[row // 4, column // 4] = (1.0, row % 4 / 4, column % 4 / 4)
    return images, grid


def train():
    return _grid(300, 0)


def test():
    return _grid(200, 1)


def metric(y_true, y_pred):
    found, true = y_pred[..., 0] > 0.5, y_true[..., 0] > 0.5
    both, either = (found & true).sum((1, 2)), (found | true).sum((1, 2))
    return np.where(true.any((1, 2)), both / np.maximum(either, 1), np.nan)


def loss(y_true, y_pred):
    import keras
    there = keras.losses.binary_crossentropy(y_true[..., :1], y_pred[..., :1])
    where = keras.ops.sum(keras.ops.square(y_true[..., 1:] - y_pred[..., 1:]), -1)
    return there + y_true[..., 0] * where


def augment(images, labels, seed):
    import tensorflow as tf
    return images + tf.random.stateless_uniform(tf.shape(images), seed, -2.0, 2.0), labels


higher_is_better = True
'''
)
RECORDS = (
    SCENES
    + """
import pathlib

import tensorflow as tf

HERE = pathlib.Path(__file__).parent


def _parse(record):
    parsed = tf.io.parse_single_example(record, {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    })
    return tf.ensure_shape(tf.io.decode_png(parsed["image"], 1), (12, 12, 1)), parsed["label"]


def _read(name):
    return tf.data.TFRecordDataset(str(HERE / name)).map(_parse).batch(32)


def train():
    return _read("train.tfrecord")


def test():
    return _read("test.tfrecord")


class_weight = {0: 1.0, 1: 2.0}
"""
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def scenes(count: int, seed: int) -> Any:
    space: dict[str, Any] = {}
    exec(SCENES, space)
    return space["scenes"](count, seed)


def body() -> tuple[Any, Any]:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for width in (16, 32):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    return inputs, x


def two_outputs() -> keras.Model:
    """A net with a class and a number, trained for some seconds."""
    inputs, x = body()
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(
        keras.layers.GlobalMaxPooling2D()(x)
    )
    light = keras.layers.Dense(1, name="light")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, [kind, light])
    images, kinds, bright, _ = scenes(600, 0)
    model.compile("adam", loss=["sparse_categorical_crossentropy", "mse"])
    model.fit(images.astype("float32"), [kinds, bright], epochs=6, batch_size=30, verbose=0)
    return model


def job(tmp_path: Path, model: keras.Model, script: str) -> Job:
    model.save(tmp_path / "model.keras")
    path = tmp_path / "my_data.py"
    path.write_text(script)
    trust(path)
    return Job(
        model=str(tmp_path / "model.keras"),
        data=DataSpec(source=str(path)),
        goal=Goal(tolerance=0.05),
        budget=Budget(epochs=2, max_trials=2),
        controls=False,
    )


def context_of(wanted: Job) -> Context:
    file, weights = open_files(wanted)
    opened = open_data(wanted, file, weights)
    part = opened.data.search
    outputs = predict_outputs(opened.model, part.images, preprocess=opened.transform)
    return complete(wanted, opened, opened.measure.rows(outputs, part.labels), EngineControl())


def tuned_losses(context: Context) -> tuple[float, ...]:
    from engine.modelfile.rebuild import build

    model = build(context.candidate.graph, context.candidate.weights)
    train = context.data.train
    return fine_tune(
        model, train.images, train.labels, preprocess=context.transform, loss=context.loss,
        settings=context.settings, teacher=context.teacher, augment=context.augmenting.apply,
    ).losses  # fmt: skip


def test_that_two_outputs_are_judged_and_trained_by_the_script(tmp_path: Path) -> None:
    context = context_of(job(tmp_path, two_outputs(), TWO))
    assert context.task.kind == "script"
    assert context.measure.value(context.baseline_rows) > 0.9
    assert context.measure.higher_is_better
    low, high = context.measure.interval(context.baseline_rows)
    assert low <= context.measure.value(context.baseline_rows) <= high
    assert context.teacher is None
    losses = tuned_losses(context)
    assert losses[-1] < losses[0] < 2.0


def test_that_a_detector_has_its_own_loss_metric_and_changes(tmp_path: Path) -> None:
    inputs, x = body()
    x = keras.layers.MaxPooling2D(4)(x)
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="sigmoid")(x))
    context = context_of(job(tmp_path, model, DETECTOR))
    assert context.augmenting.event.chosen == ("script",)
    rows = context.baseline_rows
    assert rows.shape == (100, 2)
    assert 0 < rows[:, 1].sum() < 100  # scenes without a bar do not count
    losses = tuned_losses(context)
    assert losses[-1] < losses[0]


def test_that_a_metric_without_a_loss_can_judge_but_not_prune(tmp_path: Path) -> None:
    inputs, x = body()
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalMaxPooling2D()(x)))
    script = RECORDS_FREE + "def metric(y_true, y_pred): return float(abs(y_pred).mean())\n"
    wanted = job(tmp_path, model, script + "higher_is_better = False\n")
    file, weights = open_files(wanted)
    opened = open_data(wanted, file, weights)
    assert opened.measure.name == "script_error"
    assert not opened.measure.higher_is_better
    with pytest.raises(UserError, match="no loss to train by"):
        complete(wanted, opened, np.zeros((1, 2)), EngineControl())


def test_that_a_loss_alone_takes_the_place_of_the_task_s(tmp_path: Path) -> None:
    inputs, x = body()
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalMaxPooling2D()(x)))
    script = RECORDS_FREE + "def loss(y_true, y_pred): return (y_pred[:, 0] - 7.0) ** 2\n"
    wanted = job(tmp_path, model, script)
    file, weights = open_files(wanted)
    opened = open_data(wanted, file, weights)
    assert (opened.task.kind, opened.measure.name) == ("classification", "accuracy")
    spec = loss_of(opened.task, script=opened.data.script)
    logits = tf.constant([[9.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    values, weight = label_loss(logits, fit_labels(tf.constant([0, 2]), logits, spec), spec)
    assert values.numpy().tolist() == [4.0, 9.0]
    assert weight.numpy().tolist() == [1.0, 1.0]
    assert loss_of(opened.task).kind == "categorical"


RECORDS_FREE = (
    SCENES
    + """
def train():
    images, kinds, _, _ = scenes(90, 0)
    return images, kinds


test = train
"""
)


@pytest.mark.slow
def test_that_a_two_output_net_is_pruned(tmp_path: Path) -> None:
    wanted = job(tmp_path, two_outputs(), TWO)
    answer = api.evaluate(wanted.model, wanted.data.source)
    assert answer["metric"] == "script"
    assert answer["value"] > 0.9
    result = api.prune(wanted, tmp_path / "run")
    assert result["final"]["params"] < result["baseline"]["params"]
    assert result["final"]["report"] > 0.8


@pytest.mark.slow
def test_that_a_tfrecord_set_is_evaluated_and_pruned(tmp_path: Path) -> None:
    import tensorflow as tf

    for name, seed, count in (("train", 0, 600), ("test", 1, 400)):
        images, kinds, _, _ = scenes(count, seed)
        with tf.io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
            for image, kind in zip(images, kinds, strict=True):
                png = tf.io.encode_png(image).numpy()
                feature = {
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[kind])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
    both = two_outputs()
    wanted = job(tmp_path, keras.Model(both.inputs, both.outputs[0]), RECORDS)
    answer = api.evaluate(wanted.model, wanted.data.source)
    assert (answer["metric"], answer["samples"]) == ("accuracy", 400)
    assert answer["value"] > 0.9
    result = api.prune(wanted, tmp_path / "run")
    assert result["final"]["params"] < result["baseline"]["params"]
    assert result["final"]["report"] > 0.8
