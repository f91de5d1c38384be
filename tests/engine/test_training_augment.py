"""Flips and shifts inside the step."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from engine.training.augment import FlipAndShift
from engine.training.finetune import fine_tune
from engine.training.settings import LossSpec
from tests.engine.training_nets import dots, quick, scaled, small_net


def moved(
    augment: FlipAndShift, images: np.ndarray, labels: np.ndarray, seed: tuple[int, int] = (0, 1)
) -> tuple[np.ndarray, np.ndarray]:
    found = augment(tf.constant(images), tf.constant(labels), tf.constant(seed))
    return found[0].numpy(), found[1].numpy()


def pictures(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).random((count, 6, 8, 2)).astype(np.float32)


def test_that_flips_mirror_about_half_of_the_images_and_leave_the_rest() -> None:
    images = pictures(100)
    flipped, labels = moved(FlipAndShift(shift_px=0), images, np.arange(100))
    mirrored = [np.array_equal(a[:, ::-1], b) for a, b in zip(images, flipped, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(images, flipped, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 30 < sum(mirrored) < 70
    np.testing.assert_array_equal(labels, np.arange(100))


def test_that_shifts_move_within_the_limit_and_reflect_the_border() -> None:
    images = pictures()
    shifted, _ = moved(FlipAndShift(flip=False, shift_px=2), images, np.arange(40))
    seen = set()
    for before, after in zip(images, shifted, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(padded[y : y + 6, x : x + 8], after)
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) > 12


@pytest.mark.parametrize("axis", [False, True])
def test_that_label_maps_move_with_their_images(axis: bool) -> None:
    images = np.random.default_rng(0).integers(0, 9, (30, 6, 8, 1)).astype(np.float32)
    maps = images.astype(np.uint8) if axis else images[..., 0].astype(np.int64)
    after, labels = moved(FlipAndShift(), images, maps)
    assert labels.shape == maps.shape
    assert labels.dtype == maps.dtype
    np.testing.assert_array_equal(after.reshape(-1), labels.reshape(-1))
    assert not np.array_equal(after, images)


def test_that_the_seed_decides_alone() -> None:
    images, labels = pictures(), np.arange(40)
    first, again = (moved(FlipAndShift(), images, labels)[0] for _ in range(2))
    other, _ = moved(FlipAndShift(), images, labels, seed=(0, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_that_a_fine_tune_augments_each_step_anew_and_repeatably() -> None:
    nets = [small_net() for _ in range(3)]
    for net, augment in zip(
        nets, (FlipAndShift(flip=False, shift_px=1),) * 2 + (None,), strict=True
    ):
        fine_tune(
            net, *dots(), preprocess=scaled, loss=LossSpec(), settings=quick(), augment=augment
        )
    first, again, plain = (net.get_layer("first").kernel.numpy() for net in nets)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, plain)
