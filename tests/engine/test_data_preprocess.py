"""Preprocessing: the arithmetic, its twin in TensorFlow, Keras's own, and the words for it."""

from __future__ import annotations

import numpy as np
import pytest

from engine import jsonio
from engine.data.naming import parse_preprocess
from engine.data.preprocess import Preprocess, channel_statistics
from engine.errors import UserError

ALL = [
    Preprocess(mode="none"),
    Preprocess(mode="none", channel_order="bgr"),
    Preprocess(mode="0-1"),
    Preprocess(mode="-1-1", channel_order="bgr"),
    Preprocess(mode="max", peak=16.0),
    Preprocess(mode="0-255", peak=1.0),
    Preprocess(mode="caffe"),
    Preprocess(mode="torch"),
    Preprocess(mode="per-image"),
    Preprocess(mode="per-channel", mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0)),
]


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 6, 5, 3), np.uint8)


@pytest.mark.parametrize("preprocess", ALL, ids=lambda p: p.name)
def test_that_both_twins_do_the_same(preprocess: Preprocess) -> None:
    from engine.data.tf_preprocess import as_tf

    images = pixels()
    images[3] = 7  # a flat image has no deviation
    before = images.copy()
    ours = preprocess.apply_numpy(images)
    theirs = as_tf(preprocess)(images).numpy()
    assert ours.dtype == np.float32
    assert theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)
    assert np.array_equal(images, before)


def test_that_nearly_flat_images_are_not_blown_up() -> None:
    """TensorFlow divides by at least 1 / sqrt(elements)."""
    from engine.data.tf_preprocess import as_tf

    images = np.full((1, 4, 4, 3), 0.5, np.float32)
    images[0, 0, 0, 0] = 0.51
    preprocess = Preprocess(mode="per-image")
    ours = preprocess.apply_numpy(images)
    np.testing.assert_allclose(ours, as_tf(preprocess)(images).numpy(), rtol=1e-3, atol=1e-5)
    assert np.abs(ours).max() < 0.1


@pytest.mark.parametrize("preprocess", ALL, ids=lambda p: p.name)
def test_that_the_twin_can_be_traced(preprocess: Preprocess) -> None:
    import tensorflow as tf

    from engine.data.tf_preprocess import as_tf

    traced = tf.function(as_tf(preprocess), autograph=False)
    np.testing.assert_allclose(
        traced(tf.constant(pixels())).numpy(),
        preprocess.apply_numpy(pixels()),
        rtol=1e-5,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("mode", "theirs"), [("caffe", "caffe"), ("torch", "torch"), ("-1-1", "tf")]
)
def test_that_the_modes_are_those_of_keras(mode: str, theirs: str) -> None:
    from keras.src.applications.imagenet_utils import preprocess_input

    images = pixels().astype(np.float32)
    expected = preprocess_input(images.copy(), data_format="channels_last", mode=theirs)
    found = Preprocess(mode=mode).apply_numpy(images)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("preprocess", ALL, ids=lambda p: p.name)
def test_that_it_travels_as_json_and_says_what_it_is(preprocess: Preprocess) -> None:
    again = jsonio.from_plain(jsonio.loads(jsonio.dumps(preprocess)), Preprocess)
    assert again == preprocess
    told = preprocess.describe()
    assert jsonio.loads(jsonio.dumps(told)) == told
    if told["scale"] is not None:
        turned = pixels()[..., ::-1] if preprocess.reverses_channels else pixels()
        np.testing.assert_allclose(
            turned * np.array(told["scale"]) + np.array(told["offset"]),
            preprocess.apply_numpy(pixels()),
            rtol=1e-4, atol=1e-4,
        )  # fmt: skip


@pytest.mark.parametrize("preprocess", ALL, ids=lambda p: p.name)
def test_that_its_name_is_a_word_of_the_option(preprocess: Preprocess) -> None:
    wish = parse_preprocess(preprocess.name)
    assert wish.mode == preprocess.mode
    assert (wish.order or "rgb") == preprocess.channel_order


def test_that_the_option_takes_words_in_any_order() -> None:
    wish = parse_preprocess("bgr, Torch,crop,bicubic")
    assert (wish.mode, wish.order, wish.fit, wish.resize) == ("torch", "bgr", "crop", "bicubic")
    assert parse_preprocess("auto").mode is None
    assert parse_preprocess("auto,pad").fit == "pad"
    with pytest.raises(UserError, match="'sepia'"):
        parse_preprocess("sepia")


def test_that_channel_statistics_are_per_channel() -> None:
    images = pixels()
    mean, std = channel_statistics(images)
    assert mean == pytest.approx(images.reshape(-1, 3).mean(0))
    assert std == pytest.approx(images.reshape(-1, 3).std(0))
    assert channel_statistics(np.zeros((2, 3, 3, 1), np.uint8))[1] == (1.0,)
