"""Trains the sample model: ``python -m tests.bench.train_sample [OUT]``.

A small live CNN with batch norm and one residual add on scikit-learn's digits, trained on their
train part only (the fixed parts of ``engine.data``). Pixels are 0 to 16; the division by 16 is
inside. Prints its accuracy on each part. Seeds are fixed; it takes under a minute on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from engine.data.sources.digits import read_digits

OUT = Path(__file__).parents[2] / "resources" / "sample" / "digits.keras"
EPOCHS = 40
BATCH = 32


def block(x: object, filters: int, name: str, *, stride: int = 1, relu: bool = True) -> object:
    """3x3 convolution, batch norm and (unless told) relu."""
    conv = layers.Conv2D(
        filters, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_conv"
    )
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(conv(x))
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def build() -> keras.Model:
    """The network: two blocks, a residual pair at half size, one more block, a dense head."""
    inputs = keras.Input((8, 8, 1), name="image")
    x = layers.Rescaling(1 / 16, name="rescale")(inputs)
    x = block(x, 32, "stem")
    x = skip = block(x, 56, "down", stride=2)
    x = block(x, 56, "res_a")
    x = block(x, 56, "res_b", relu=False)
    x = layers.ReLU(name="res_relu")(layers.Add(name="res_add")([skip, x]))
    x = block(x, 64, "top")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(inputs, outputs, name="digits")


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by -1, 0 or 1 pixel in both directions, zeros moved in."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.empty_like(images)
    for index, (dy, dx) in enumerate(rng.integers(0, 3, (len(images), 2))):
        out[index] = padded[index, dy : dy + 8, dx : dx + 8]
    return out


def main() -> None:
    """Train, measure, save."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    keras.utils.set_random_seed(0)
    tf.config.threading.set_intra_op_parallelism_threads(2)
    rng = np.random.default_rng(0)
    parts = read_digits().parts
    x = parts["train"].images[..., np.newaxis].astype("float32")
    y = parts["train"].labels
    model = build()
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        model.fit(shifted(x[order], rng), y[order], batch_size=BATCH, shuffle=False, verbose=0)
    print(f"{model.count_params():,} parameters")
    for name, part in parts.items():
        found = model.predict(part.images[..., np.newaxis].astype("float32"), verbose=0).argmax(-1)
        print(f"{name}: {len(found)} images, accuracy {np.mean(found == part.labels):.4f}")
    plain = keras.Model(model.inputs, model.outputs, name=model.name)
    out.parent.mkdir(parents=True, exist_ok=True)
    plain.save(out)
    print(f"{out.name}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
