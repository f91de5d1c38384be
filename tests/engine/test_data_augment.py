"""Augmentation by measurement, and doubts about data."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from engine.data.augment import SINGLE, Augmentation, measure_augmentation
from engine.data.doubts import balanced_weights, looks_seen, unevenness
from engine.data.parts import Part
from engine.data.task import Task
from engine.data.tf_augment import apply_once, as_tf


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


LABELS = np.arange(40)
apply = partial(apply_once, peak=255.0)


def test_that_nothing_is_changed_by_default() -> None:
    images = noise(40, 6, 6, 3)
    changed, labels = apply(Augmentation(), images, LABELS)
    assert np.array_equal(changed, images)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize(("name", "axis"), [("flip", 2), ("flip_vertical", 1)])
def test_that_half_of_the_images_are_flipped(name: str, axis: int) -> None:
    images = noise(400, 6, 6, 1)
    changed, _ = apply(SINGLE[name], images, np.arange(400))
    turned = (changed == np.flip(images, axis)).all((1, 2, 3))
    kept = (changed == images).all((1, 2, 3))
    assert (turned ^ kept).all()
    assert 150 < turned.sum() < 250


def test_that_a_shift_moves_within_its_range_and_repeats_the_border() -> None:
    ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[None, None, :, None], (60, 16, 16, 1))
    changed, _ = apply(Augmentation(shift=0.125), ramp, np.arange(60))
    moves = changed[:, 0, 8, 0] - 8
    assert set(moves) == {-2, -1, 0, 1, 2}
    for image, move in zip(changed, moves, strict=True):
        assert np.array_equal(image[0, :, 0], np.clip(np.arange(16) + move, 0, 15))


@pytest.mark.parametrize("name", list(SINGLE))
def test_that_masks_move_with_their_images(name: str) -> None:
    masks = (noise(30, 16, 16) > 127).astype(np.uint8)
    images = masks[..., None] * np.uint8(200)
    changed, moved = apply(SINGLE[name], images, masks)
    assert moved.dtype == masks.dtype
    if name == "colour":
        assert np.array_equal(moved, masks)
    elif name == "crop":  # images are blended, masks never
        assert set(np.unique(moved)) == {0, 1}
        assert ((changed[..., 0] > 100) == moved).mean() > 0.85
        assert not np.array_equal(moved, masks)
    else:
        assert np.array_equal(changed[..., 0] / 200, moved)
        assert not np.array_equal(moved, masks)


def test_that_colours_stay_between_black_and_white() -> None:
    changed, _ = apply(SINGLE["colour"], noise(40, 6, 6, 3), LABELS)
    assert changed.min() >= 0
    assert changed.max() <= 255
    grey, _ = apply(SINGLE["colour"], np.full((40, 4, 4, 3), 100, np.uint8), LABELS)
    assert grey.min() == pytest.approx(80, abs=4)
    assert grey.max() == pytest.approx(120, abs=4)


def test_that_the_seed_decides_in_a_traced_graph_too() -> None:
    everything = Augmentation(flip=True, flip_vertical=True, shift=0.2, crop=0.2, colour=0.2)
    plain = as_tf(everything, peak=255.0)
    traced = tf.function(plain, autograph=False)
    images, labels = tf.constant(noise(8, 12, 12, 3), tf.float32), tf.range(8)
    seeds = [tf.constant(pair, tf.int32) for pair in ((1, 2), (1, 2), (1, 3))]
    first, second, third = (traced(images, labels, seed)[0].numpy() for seed in seeds)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)
    np.testing.assert_allclose(plain(images, labels, seeds[0])[0], first, rtol=1e-5, atol=1e-3)
    assert first.shape == (8, 12, 12, 3)


TASK = Task(
    kind="classification", classes=2, outputs=2, activation="softmax", from_logits=False,
    metric="accuracy",
)  # fmt: skip


def test_that_only_changes_that_the_model_bears_are_used() -> None:
    """Class 1 has its bright half on the right: a flip makes it class 0; the rest is harmless."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    images = rng.integers(0, 60, (300, 16, 16, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 8 * label : 8 * label + 8] += 150

    def model(pixels: np.ndarray) -> np.ndarray:
        right = pixels[:, :, 8:].mean((1, 2, 3)) > pixels[:, :, :8].mean((1, 2, 3))
        return np.eye(2)[right.astype(int)]

    found = measure_augmentation(
        model, apply, Part(images=images, labels=labels), TASK, tolerance=0.01
    )
    assert "flip" not in found.chosen.names
    assert found.drops["flip"] == pytest.approx(0.5, abs=0.1)
    assert set(found.chosen.names) == {"flip_vertical", "shift", "crop", "colour"}
    assert found.samples == 300
    assert found.chosen.shift == SINGLE["shift"].shift


def rows(right: int, count: int) -> np.ndarray:
    return np.stack([np.arange(count) < right, np.ones(count)], axis=1).astype(float)


def test_that_images_that_look_trained_on_are_doubted() -> None:
    assert looks_seen("accuracy", rows(4800, 5000), rows(4801, 5000))
    assert not looks_seen("accuracy", rows(4800, 5000), rows(4500, 5000))
    assert not looks_seen("accuracy", rows(96, 100), rows(96, 100)), "too few to tell"
    assert looks_seen("mae", rows(480, 5000), rows(480, 5000))
    assert not looks_seen("mae", rows(480, 5000), rows(700, 5000))


def test_that_uneven_classes_are_seen_and_weighted() -> None:
    assert unevenness((10, 30, 0)) == 3.0
    assert unevenness(()) == 1.0
    weights = balanced_weights((10, 30, 0))
    assert weights == pytest.approx((2.0, 2 / 3, 1.0))
    assert balanced_weights((1, 999))[0] == 10.0


def test_that_a_wide_tolerance_lets_no_strange_change_in_and_all_must_hold_together() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 8, 8, 1)).astype(np.uint8)
    labels = np.zeros(400, np.int64)
    part = Part(images=images, labels=labels)
    wrong = {"flip": 1, "shift": 2, "crop": 3, "colour": 12, "flip_vertical": 200}

    def changed(
        change: Augmentation, pixels: np.ndarray, ids: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        out = pixels.astype(np.float32)
        out[: sum(wrong[name] for name in change.names)] = -1.0  # these the model gets wrong
        return out, ids

    def model(pixels: np.ndarray) -> np.ndarray:
        return np.eye(2)[(pixels.mean((1, 2, 3)) < 0).astype(int)]

    found = measure_augmentation(model, changed, part, TASK, tolerance=0.3)
    assert found.chosen.names == ("flip", "shift")  # a crop too would be 6 of 400, above 4
    assert found.drops["crop"] == pytest.approx(3 / 400)
