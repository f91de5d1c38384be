"""TF-MOT on Keras 3 kernels against TF-MOT itself on the tf_keras twin."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine.sparsity import tfmot
from engine.sparsity.settings import SparsitySettings, plan_ramp
from engine.training.finetune import fine_tune
from engine.training.settings import LossSpec, learning_rate_at
from tests.engine.training_nets import dots, quick, scaled, small_net

SETTINGS = quick(epochs=3)
LEVELS = {"first": 0.5, "second": 0.75, "classes": 0.9}


def _twin_after_training(start: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict:
    """Kernels of the tf_keras twin after ``prune_low_magnitude`` on the same batches."""
    import tf_keras

    sparsity, _ = tfmot._modules()
    steps = SETTINGS.epochs * (len(images) // SETTINGS.batch_size)
    ramp = plan_ramp(steps, SparsitySettings())

    def pruned(layer: object, name: str) -> object:
        schedule = sparsity.PolynomialDecay(
            0.0, LEVELS[name], begin_step=ramp.begin, end_step=ramp.end, frequency=ramp.frequency
        )
        return sparsity.prune_low_magnitude(layer, pruning_schedule=schedule)

    layers = tf_keras.layers
    inputs = layers.Input((8, 8, 1))
    first = layers.Conv2D(6, 3, padding="same", name="first")
    second = layers.Conv2D(6, 3, padding="same", name="second")
    classes = layers.Dense(3, name="classes")
    x = layers.ReLU()(pruned(first, "first")(inputs))
    x = layers.Add()([x, layers.ReLU()(pruned(second, "second")(x))])
    twin = tf_keras.Model(inputs, pruned(classes, "classes")(layers.Flatten()(x)))
    for layer in (first, second, classes):
        source = start.get_layer(layer.name)
        layer.kernel.assign(source.kernel.numpy())
        layer.bias.assign(source.bias.numpy())
    twin.compile(
        tf_keras.optimizers.SGD(0.0, momentum=0.9, nesterov=True),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    class Rates(tf_keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            step = int(twin.optimizer.iterations.numpy()) + 1
            twin.optimizer.learning_rate.assign(learning_rate_at(step, steps, SETTINGS))

    for epoch in range(SETTINGS.epochs):
        order = np.random.default_rng((SETTINGS.seed, epoch)).permutation(len(images))
        twin.fit(
            images[order] / np.float32(255.0), labels[order], batch_size=SETTINGS.batch_size,
            shuffle=False, verbose=0, callbacks=[sparsity.UpdatePruningStep(), Rates()],
        )  # fmt: skip
    return {layer.name: layer.kernel.numpy() for layer in (first, second, classes)}


def test_that_masks_and_kernels_equal_those_of_prune_low_magnitude_on_the_twin() -> None:
    images, labels = dots(96)
    model = small_net(norms=False, activation=None)
    expected = _twin_after_training(model, images, labels)
    dense = {name: model.get_layer(name).kernel.numpy() for name in LEVELS}
    result = fine_tune(
        model, images, labels, preprocess=scaled,
        loss=LossSpec(from_logits=True), settings=SETTINGS,
        sparsity=SparsitySettings(targets={(n, "kernel"): s for n, s in LEVELS.items()}),
    )  # fmt: skip
    for name, level in LEVELS.items():
        kernel = model.get_layer(name).kernel.numpy()
        np.testing.assert_array_equal(kernel == 0, expected[name] == 0)
        np.testing.assert_allclose(kernel, expected[name], atol=2e-6)
        zeros = kernel.size - max(1, round(kernel.size * (1 - level)))
        assert int((kernel == 0).sum()) == zeros == result.sparsity[(name, "kernel")].zeros
        magnitude_alone = np.abs(dense[name]) <= np.sort(np.abs(dense[name]).ravel())[zeros - 1]
        assert not np.array_equal(magnitude_alone, kernel == 0), "the training changed no mask"


def test_that_the_private_arithmetic_of_tfmot_is_where_and_what_it_was() -> None:
    assert importlib.metadata.version("tensorflow-model-optimization") == tfmot.VERSION
    sparsity, pruning_impl = tfmot._modules()
    parameters = list(inspect.signature(pruning_impl.Pruning.__init__).parameters)
    assert parameters == [
        "self", "training_step_fn", "pruning_vars", "pruning_schedule", "block_size",
        "block_pooling_type", "sparsity_m_by_n",
    ]  # fmt: skip
    for method in ("conditional_mask_update", "weight_mask_op"):
        assert list(inspect.signature(getattr(pruning_impl.Pruning, method)).parameters) == ["self"]
    schedule = sparsity.PolynomialDecay(0.0, 0.8, begin_step=1, end_step=9, frequency=4)
    assert [bool(schedule(tf.constant(s, tf.int64))[0]) for s in range(11)] == [
        s in (1, 5, 9) for s in range(11)
    ]
    np.testing.assert_allclose(schedule(tf.constant(5, tf.int64))[1], 0.8 * (1 - 0.5**3), rtol=1e-6)


def test_that_importing_tfmot_leaves_the_environment_as_it_was() -> None:
    code = (
        "import os; os.environ.pop('TF_USE_LEGACY_KERAS', None)\n"
        "import sys, keras; from engine.sparsity import masks, tfmot\n"
        "assert 'tensorflow_model_optimization' not in sys.modules\n"
        "tfmot._modules()\n"
        "assert 'TF_USE_LEGACY_KERAS' not in os.environ\n"
        "assert keras.__version__.startswith('3.')\n"
        "import tensorflow as tf; assert tf.keras.version().startswith('3.')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("level", "size"), [(0.5, 7), (0.9, 10), (0.25, 36), (0.999, 100)])
def test_that_a_pruner_zeroes_exactly_what_the_level_says(level: float, size: int) -> None:
    weight = tf.Variable(np.random.default_rng(0).normal(size=size).astype(np.float32))
    step = tf.Variable(1, dtype=tf.int64)
    schedule = tfmot.polynomial(initial=0.0, final=level, begin=1, end=1, power=3.0, frequency=1)
    pruner = tfmot.Pruner(weight, schedule, step)
    before = weight.numpy()
    pruner.update_mask()
    pruner.apply_mask()
    keep = max(1, round(size * (1 - level)))
    assert np.count_nonzero(weight) == keep
    largest = np.sort(np.abs(before))[-keep:]
    np.testing.assert_array_equal(np.sort(np.abs(weight.numpy()[weight.numpy() != 0])), largest)
