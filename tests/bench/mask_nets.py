"""Networks that make masks, without a batch norm, trained for the methods bench.

    python -m tests.bench.mask_nets NAME FOLDER [--shared DIR]

``ternaus_nuclei`` and ``ternaus_buildings``: TernausNet (Iglovikov and Shvets, arXiv 1801.05746), a
U-Net whose encoder is VGG-11, at quarter width; on the cell nuclei, or on CamVid's buildings
against the rest. Only train parts are seen. :func:`unet` is a small net for tests.
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

Arrays = dict[str, np.ndarray]

QUARTER = 16
"""Filters of the first layer; TernausNet has 64."""

BUILDING = 1

NAMES = ("ternaus_nuclei", "ternaus_buildings")


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


def unet(shape: tuple[int, int, int], *, filters: int = 8, levels: int = 3) -> keras.Model:
    """Pairs of convolutions, a skip at each level, transposed convolutions on the way up."""
    layers = keras.layers

    def pair(x: Any, count: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(count, 3, padding="same", activation="relu")(x)
        return x

    x = inputs = keras.Input(shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(x)
    skips = []
    for level in range(levels - 1):
        skips.append(pair(x, filters * 2**level))
        x = layers.MaxPooling2D()(skips[-1])
    x = pair(x, filters * 2 ** (levels - 1))
    for level in reversed(range(levels - 1)):
        x = layers.Conv2DTranspose(filters * 2**level, 2, strides=2, padding="same")(x)
        x = pair(layers.Concatenate()([x, skips[level]]), filters * 2**level)
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x))


def nuclei(source: Path) -> Arrays:
    """The cell nuclei."""
    with np.load(source) as file:
        names = ("x_train", "y_train", "x_test", "y_test")
        return {name: file[name] for name in names}


def buildings(archive: Path) -> Arrays:
    """CamVid as arrays of train, val and test part; masks are 1 where there is a building."""
    arrays: Arrays = {}
    with zipfile.ZipFile(archive) as file:
        names = sorted(file.namelist())
        for part in ("train", "val", "test"):
            for key, folder, end in (("x", "images", ".jpg"), ("y", "masks", ".png")):
                found = [n for n in names if f"{part}/{folder}/" in n and n.endswith(end)]
                pictures = [np.asarray(Image.open(io.BytesIO(file.read(n)))) for n in found]
                arrays[f"{key}_{part}"] = np.stack(pictures)
            arrays[f"y_{part}"] = (arrays[f"y_{part}"] == BUILDING).astype(np.uint8)[..., None]
    return arrays


def train(model: keras.Model, arrays: Arrays, epochs: int, *, batch: int = 8) -> keras.Model:
    """The network after so many epochs of Adam at a falling rate, with flips."""
    images, masks = arrays["x_train"], arrays["y_train"]
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * (len(images) // batch))
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    for epoch in range(epochs):
        flip = np.random.default_rng(epoch).random(len(images)) < 0.5
        seen = np.where(flip[:, None, None, None], images[:, :, ::-1], images)
        wanted = np.where(flip[:, None, None, None], masks[:, :, ::-1], masks)
        model.fit(seen, wanted, epochs=epoch + 1, initial_epoch=epoch, batch_size=batch, verbose=2)
    return model


def made(name: str, shared: Path, folder: Path) -> tuple[Path, Path]:
    """Model and data of a name, trained where they are not in ``folder`` yet."""
    model, data = folder / f"{name}.keras", folder / f"{name}.npz"
    if model.exists() and data.exists():
        return model, data
    keras.utils.set_random_seed(0)
    if name == "ternaus_buildings":
        arrays, epochs = buildings(shared / "data" / "camvid_192x256.zip"), 20
    else:
        arrays, epochs = nuclei(shared / "data" / "nuclei_128.npz"), 25
    np.savez(data, **arrays)  # type: ignore[arg-type]
    train(ternaus(arrays["x_train"].shape[1:]), arrays, epochs).save(model)
    return model, data


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of data/")
    options = parser.parse_args()
    made(options.name, options.shared, options.folder)


if __name__ == "__main__":
    main()
