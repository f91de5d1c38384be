"""Small live nets and data for the tests of training and sparsity; no test is in here."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from engine.training.settings import FineTuneSettings


def dots(samples: int = 96, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy uint8 images [samples, 8, 8, 1] with a bright column that gives the class away."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    images = random.integers(0, 90, (samples, 8, 8, 1))
    images[np.arange(samples), :, 1 + 2 * labels, 0] += 120
    return images.astype(np.uint8), labels


def scaled(images: Any) -> Any:
    """Pixels 0-255 to 0-1, as a traced transform."""
    return images / 255.0


def enliven(model: keras.Model, seed: int = 0) -> keras.Model:
    """Random biases and norms, so that nothing in the net is trivially 0 or 1."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(size=tuple(weight.shape))
        if weight.name in ("beta", "bias", "moving_mean"):
            weight.assign(0.1 * value)
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(1.0 + 0.2 * np.abs(value))
        elif len(weight.shape) > 1:
            fan_in = int(np.prod(weight.shape[:-1]))
            weight.assign(value * np.sqrt(2.0 / fan_in))
    return model


def small_net(
    *,
    norms: bool = True,
    dropout: float = 0.0,
    activation: str | None = "softmax",
    classes: int = 3,
    **conv: Any,
) -> keras.Model:
    """Conv, residual conv, dense on 8x8x1; same arrays every time; ``conv`` goes to the convs."""
    x = inputs = keras.Input((8, 8, 1))
    for index, name in enumerate(("first", "second")):
        y = keras.layers.Conv2D(6, 3, padding="same", name=name, **conv)(x)
        if norms:
            y = keras.layers.BatchNormalization(name=f"{name}_norm")(y)
        y = keras.layers.ReLU(name=f"{name}_relu")(y)
        x = y if index == 0 else keras.layers.Add(name="add")([x, y])
    x = keras.layers.Flatten(name="flat")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    outputs = keras.layers.Dense(classes, activation=activation, name="classes")(x)
    return enliven(keras.Model(inputs, outputs))


def quick(**changes: object) -> FineTuneSettings:
    """Settings of a fine-tune that ends in a second."""
    values: dict[str, object] = {
        "epochs": 2, "learning_rate": 0.02, "optimizer": "sgd", "batch_size": 16,
    }  # fmt: skip
    return FineTuneSettings(**(values | changes))  # type: ignore[arg-type]
