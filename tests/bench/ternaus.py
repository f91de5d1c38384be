"""A TernausNet-style network trained at quarter width, for the methods bench.

    python -m tests.bench.ternaus OUT.keras [--data nuclei|buildings] [--shared DIR] [--epochs N]

TernausNet (Iglovikov and Shvets, arXiv 1801.05746): a U-Net whose encoder is VGG-11, with no batch
norm anywhere. ``buildings`` is CamVid with class 1 against the rest, ``nuclei`` the cell nuclei.
Only train parts are seen.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from tests.bench.cells import SHARED

QUARTER = 16
"""Filters of the first layer; TernausNet has 64."""

BUILDING = 1


def ternaus(shape: tuple[int, int, int], *, filters: int = QUARTER) -> keras.Model:
    """The network; sides must be multiples of 32."""
    layers = keras.layers

    def conv(x: Any, count: int) -> Any:
        return layers.Conv2D(count, 3, padding="same", activation="relu")(x)

    def up(x: Any, middle: int, count: int) -> Any:
        x = conv(x, middle)
        return layers.Conv2DTranspose(count, 3, strides=2, padding="same", activation="relu")(x)

    f = filters
    x = inputs = keras.Input(shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(x)
    skips = []
    for counts in ((f,), (2 * f,), (4 * f, 4 * f), (8 * f, 8 * f), (8 * f, 8 * f)):
        for count in counts:
            x = conv(x, count)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = up(x, 8 * f, 4 * f)
    for skip, (middle, count) in zip(
        reversed(skips[1:]),
        ((8 * f, 4 * f), (8 * f, 2 * f), (4 * f, f), (2 * f, f // 2)),
        strict=True,
    ):
        x = up(layers.Concatenate()([x, skip]), middle, count)
    x = conv(layers.Concatenate()([x, skips[0]]), f // 2)
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x))


def buildings(archive: Path) -> dict[str, np.ndarray]:
    """CamVid as arrays of train, val and test part; masks are 1 where there is a building."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(archive) as file:
        names = sorted(file.namelist())
        for part in ("train", "val", "test"):
            for key, folder, end in (("x", "images", ".jpg"), ("y", "masks", ".png")):
                found = [n for n in names if f"{part}/{folder}/" in n and n.endswith(end)]
                pictures = [np.asarray(Image.open(io.BytesIO(file.read(n)))) for n in found]
                arrays[f"{key}_{part}"] = np.stack(pictures)
            arrays[f"y_{part}"] = (arrays[f"y_{part}"] == BUILDING).astype(np.uint8)[..., None]
    return arrays


def data(name: str, shared: Path) -> dict[str, np.ndarray]:
    """The arrays of a data set by its name."""
    if name == "buildings":
        return buildings(shared / "data" / "camvid_192x256.zip")
    with np.load(shared / "data" / "nuclei_128.npz") as file:
        return {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}


def train(arrays: dict[str, np.ndarray], epochs: int, *, batch: int = 8) -> keras.Model:
    """The network after so many epochs of Adam at a falling rate, with flips."""
    keras.utils.set_random_seed(0)
    images, masks = arrays["x_train"], arrays["y_train"]
    model = ternaus(images.shape[1:])
    steps = len(images) // batch
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    for epoch in range(epochs):
        random = np.random.default_rng(epoch)
        flip = random.random(len(images)) < 0.5
        seen = np.where(flip[:, None, None, None], images[:, :, ::-1], images)
        wanted = np.where(flip[:, None, None, None], masks[:, :, ::-1], masks)
        model.fit(seen, wanted, epochs=epoch + 1, initial_epoch=epoch, batch_size=batch, verbose=2)
    return model


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", choices=("nuclei", "buildings"), default="buildings")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of data/")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    train(data(options.data, options.shared), options.epochs).save(options.out)


if __name__ == "__main__":
    main()
