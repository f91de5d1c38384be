"""Small live nets for the export tests: each kind of graph that a converter may stumble on."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

SIZE = 8
COUNT = 48


def chain() -> keras.Model:
    """Convolutions in a row, a max pool, a dense softmax."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for index, width in enumerate((8, 12)):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = layers.BatchNormalization(name=f"norm{index}")(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(5, activation="softmax", name="classes")(x))


def residual() -> keras.Model:
    """An add with a projection, global pooling, logits."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same")(image)
    y = layers.BatchNormalization()(x)
    y = layers.ReLU()(y)
    y = layers.Conv2D(12, 3, strides=2, padding="same")(y)
    y = layers.BatchNormalization()(y)
    x = layers.ReLU()(layers.Add()([layers.Conv2D(12, 1, strides=2)(x), y]))
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def depthwise() -> keras.Model:
    """Depthwise and separable convolutions with ReLU6 and dropout."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(12, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(5, activation="softmax")(x))


def unet_like() -> keras.Model:
    """Down, up by a transposed convolution and by resizing, concat, a sigmoid mask."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    left = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    down = layers.Conv2D(12, 3, padding="same", activation="relu")(layers.MaxPooling2D()(left))
    up = layers.Conv2DTranspose(8, 2, strides=2)(down)
    wide = layers.UpSampling2D(2, interpolation="bilinear")(down)
    x = layers.Concatenate()([left, up, wide])
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x))


def nested() -> keras.Model:
    """A model called inside a model."""
    inner_input = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, name="conv")(inner_input)
    x = layers.Activation("swish")(layers.BatchNormalization(name="norm")(x))
    inner = keras.Model(inner_input, x, name="backbone")
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.AveragePooling2D(2)(inner(image))
    return keras.Model(image, layers.Dense(5, activation="softmax")(layers.Flatten()(x)))


def two_outputs() -> keras.Model:
    """A class and a mask from one trunk, whose names do not sort like their order."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="a_mask")(x)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, [layers.Dense(5, activation="softmax", name="z_class")(x), mask])


def wide() -> keras.Model:
    """Enough weights for sparse encoding and for a latency that can be told apart."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(image)
    for _ in range(3):
        x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def headed() -> keras.Model:
    """Most weights in a dense layer."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(5, activation="softmax")(x))


def tangent() -> keras.Model:
    """An operation that TensorFlow Lite does not have."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(4, 3, activation="tanh")(image)
    return keras.Model(image, keras.ops.tan(x))


def any_size() -> keras.Model:
    """Fully convolutional: takes images of any size."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


NETS: dict[str, Callable[[], keras.Model]] = {
    "chain": chain,
    "residual": residual,
    "depthwise": depthwise,
    "unet": unet_like,
    "nested": nested,
    "two_outputs": two_outputs,
}

SPECIAL: dict[str, Callable[[], keras.Model]] = {
    "wide": wide,
    "headed": headed,
    "tangent": tangent,
    "any_size": any_size,
}


def live(name: str, *, seed: int = 0) -> keras.Model:
    """A net made alive: norms and biases away from their initial values, outputs that vary."""
    keras.utils.set_random_seed(seed)
    model = (NETS | SPECIAL)[name]()
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = weight.numpy()
        kind = weight.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "moving_variance"):
            values = rng.uniform(0.5, 1.5, values.shape)
        elif kind in ("beta", "bias", "moving_mean"):
            values = rng.normal(0.0, 0.3, values.shape)
        elif "kernel" in kind:
            values = values * 1.5
        else:
            continue
        weight.assign(values.astype("float32"))
    return model


def images(name: str, count: int, *, seed: int = 1) -> np.ndarray:
    """Model-ready input of a net: 0..255 where it rescales, else 0..1."""
    rng = np.random.default_rng(seed)
    top = 255.0 if name == "chain" else 1.0
    return (rng.random((count, SIZE, SIZE, 3)) * top).astype("float32")
