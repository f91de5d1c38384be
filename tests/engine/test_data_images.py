"""Images fitted to a model, against TensorFlow's and Keras's own loaders."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.data.decode import decode_image, decode_mask, image_size, resize_bilinear, to_size
from engine.data.images import Fit, ImageTarget, Resize, fit_array, target_of
from engine.errors import UserError


def target(height: int | None, width: int | None, channels: int | None) -> ImageTarget:
    return ImageTarget(height=height, width=width, channels=channels)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(pixels: np.ndarray, form: str = "png", **options: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("shape", "wanted", "result"),
    [
        ((5, 28, 28), (28, 28, 1), (5, 28, 28, 1)),
        ((5, 28, 28), (28, 28, 3), (5, 28, 28, 3)),
        ((5, 28, 28, 1), (28, 28, 3), (5, 28, 28, 3)),
        ((5, 8, 9, 4), (8, 9, 3), (5, 8, 9, 3)),
        ((5, 8, 9, 3), (8, 9, 1), (5, 8, 9, 1)),
        ((5, 3, 8, 9), (8, 9, 3), (5, 8, 9, 3)),
        ((5, 8 * 9 * 3), (8, 9, 3), (5, 8, 9, 3)),
        ((5, 8 * 9), (8, 9, 3), (5, 8, 9, 3)),
        ((5, 8, 9, 3), (None, None, 3), (5, 8, 9, 3)),
    ],
)
def test_that_arrays_get_the_models_axes(
    shape: tuple[int, ...], wanted: tuple[int | None, ...], result: tuple[int, ...]
) -> None:
    fitted, _ = fit_array(noise(*shape), target_of(wanted), "x")
    assert fitted.shape == result
    assert fitted.dtype == np.uint8


def test_that_channels_first_keeps_each_pixel() -> None:
    images = noise(2, 8, 9, 3)
    fitted, notes = fit_array(images.transpose(0, 3, 1, 2), target(8, 9, 3), "x")
    assert np.array_equal(fitted, images)
    assert any("first" in note for note in notes)


def test_that_brightness_is_that_of_pillow() -> None:
    images = noise(1, 8, 9, 3)
    fitted, _ = fit_array(images, target(8, 9, 1), "x")
    expected = np.asarray(Image.fromarray(images[0]).convert("L"))
    assert np.abs(fitted[0, ..., 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("kind", "result"),
    [(np.int64, np.uint8), (np.float64, np.float32), (bool, np.uint8), (np.uint16, np.uint16)],
)
def test_that_pixels_keep_the_smallest_type_that_holds_them(kind: type, result: type) -> None:
    images = noise(2, 4, 4) > 99 if kind is bool else noise(2, 4, 4).astype(kind)
    fitted, _ = fit_array(images, target(4, 4, 1), "x")
    assert fitted.dtype == result
    assert np.array_equal(fitted[..., 0], images)


def test_that_arrays_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match="28x28x1, but those of x are 32x32x1"):
        fit_array(noise(2, 32, 32), target(28, 28, 1), "x")
    with pytest.raises(UserError, match="2 channels"):
        fit_array(noise(2, 8, 8, 3), target(8, 8, 2), "x")
    with pytest.raises(UserError, match="numbers"):
        fit_array(np.full((2, 8, 8), "a"), target(8, 8, 1), "x")


@pytest.mark.parametrize("size", [(7, 9), (40, 60), (21, 8), (24, 30)])
def test_that_bilinear_is_tensorflows(size: tuple[int, int]) -> None:
    import tensorflow as tf

    pixels = noise(24, 30, 3)
    expected = tf.image.resize(pixels, size, "bilinear").numpy()
    assert np.abs(resize_bilinear(pixels, *size) - expected).max() <= 0.501


def test_that_a_folder_looks_as_keras_reads_it(tmp_path: Path) -> None:
    """Same files, same order, same pixels as ``image_dataset_from_directory``, but for rounding."""
    import keras

    from engine import data
    from engine.job import DataSpec

    for name in ("b", "a", "C"):
        (tmp_path / name).mkdir()
        for index in range(6):
            smooth = Image.fromarray(noise(6, 5, 3, seed=index)).resize((50, 40))
            smooth.save(tmp_path / name / f"{index}.{'jpg' if index % 2 else 'png'}")
    loaded = data.load(DataSpec(source=str(tmp_path)), input_shape=(20, 30, 3), outputs=3)
    theirs = keras.utils.image_dataset_from_directory(
        tmp_path, image_size=(20, 30), shuffle=False, batch_size=18, verbose=False
    )
    assert tuple(theirs.class_names) == loaded.class_names
    images, labels = next(iter(theirs))
    order = [Path(p).relative_to(tmp_path).as_posix() for p in theirs.file_paths]
    for part in (loaded.train, loaded.search, loaded.report):
        for name, image, label in zip(part.names, part.images, part.labels, strict=True):
            index = order.index(name)
            assert int(labels[index]) == label
            gap = np.abs(images[index].numpy() - image)
            jpeg = name.endswith("jpg")  # another decoder rounds otherwise
            assert gap.max() <= (8 if jpeg else 0.501)
            assert gap.mean() <= (2 if jpeg else 0.3)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_that_crop_and_pad_keep_the_aspect_as_keras_does(fit: Fit) -> None:
    import keras

    pixels = noise(40, 64, 3)
    ours = to_size(pixels, ImageTarget(height=20, width=20, channels=3, fit=fit))
    name = "crop_to_aspect_ratio" if fit == "crop" else "pad_to_aspect_ratio"
    theirs = np.asarray(
        keras.ops.image.resize(
            pixels.astype("float32"), (20, 20), **{name: True}, data_format="channels_last"
        )
    )
    assert np.abs(ours - theirs).max() <= 0.501


@pytest.mark.parametrize("method", ["nearest", "bilinear-aa", "bicubic", "lanczos"])
@pytest.mark.parametrize("channels", [1, 3])
def test_that_other_methods_keep_flat_colours(method: Resize, channels: int) -> None:
    flat = np.full((9, 14, channels), 77, np.uint8)
    out = to_size(flat, ImageTarget(height=6, width=6, channels=channels, resize=method))
    assert out.shape == (6, 6, channels)
    assert set(out.ravel()) == {77}


def test_that_masks_are_never_blended_and_follow_their_image() -> None:
    mask = np.kron(np.array([[1, 5], [9, 200]], np.uint8), np.ones((10, 20), np.uint8))
    small = decode_mask(encoded(mask), target(6, 6, 3))
    assert small is not None
    assert set(small.ravel()) == {1, 5, 9, 200}
    cropped = decode_mask(encoded(mask), ImageTarget(height=20, width=20, channels=3, fit="crop"))
    assert cropped is not None
    assert np.array_equal(cropped, mask[:, 10:30])


def test_that_palette_masks_give_their_indices() -> None:
    indices = noise(5, 5) % 4
    image = Image.fromarray(indices, "P")
    image.putpalette([200, 10, 10, 0, 255, 0, 1, 2, 3, 90, 90, 90])
    out = io.BytesIO()
    image.save(out, "png")
    found = decode_mask(out.getvalue(), target(5, 5, 3))
    assert found is not None
    assert np.array_equal(found, indices)


def test_that_broken_bytes_are_an_answer() -> None:
    good = encoded(noise(30, 30, 3), "jpeg")
    assert image_size(good) == (30, 30)
    for bad in (b"", b"GIF89a", good[:50], encoded(noise(9, 9))[:-30]):
        assert decode_image(bad, target(4, 4, 3)) is None
    assert image_size(b"nothing") is None
    whole = decode_image(good, target(None, None, 3))
    assert whole is not None
    assert whole.shape == (30, 30, 3)
