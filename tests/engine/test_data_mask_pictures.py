"""Masks as pictures: whose IoU fell most comes first, and what each colour stands for."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.mask_pictures import (
    COLOURS,
    GAP_PX,
    PICTURES,
    SHARE,
    iou_by_image,
    mask_sheet,
    painted,
    worst_first,
)
from engine.data.task import Task

BINARY = Task(
    kind="binary_segmentation", classes=2, outputs=1, activation="sigmoid", from_logits=False,
    metric="iou",
)  # fmt: skip
THREE = Task(
    kind="segmentation", classes=3, outputs=3, activation="softmax", from_logits=False,
    metric="mean_iou",
)  # fmt: skip


def one_hot(classes: np.ndarray, k: int) -> np.ndarray:
    return np.eye(k, dtype=np.float32)[classes]


def test_that_the_iou_of_an_image_is_numpys() -> None:
    random = np.random.default_rng(0)
    true, found = random.integers(0, 3, (2, 5, 8, 6))
    expected = [
        np.mean([
            np.sum((t == c) & (f == c)) / np.sum((t == c) | (f == c))
            for c in range(3) if np.any((t == c) | (f == c))
        ])
        for t, f in zip(true, found, strict=True)
    ]  # fmt: skip
    got = iou_by_image(one_hot(found, 3), true[..., None], THREE)
    np.testing.assert_allclose(got, expected)


def test_that_of_two_classes_the_foreground_counts_alone() -> None:
    true, found = np.zeros((2, 3, 4, 4), np.int64)
    true[0, :2], found[0, 1:3] = 1, 1
    found[1, 0, 0] = 1
    got = iou_by_image(found[..., None].astype(np.float32), true[..., None], BINARY)
    np.testing.assert_allclose(got, [1 / 3, 0.0, np.nan])


def test_that_what_does_not_count_is_left_out() -> None:
    true = np.array([[[0, 1], [1, 2]]])
    found = np.array([[[0, 1], [1, 1]]])
    got = iou_by_image(one_hot(found, 3), true[..., None], THREE, ignore_label=2)
    np.testing.assert_allclose(got, [1.0])


def test_that_what_lost_most_comes_first_and_what_has_no_iou_last() -> None:
    before, after = np.array([0.5, 0.9, np.nan, 0.7]), np.array([0.6, 0.4, 0.3, 0.6])
    assert worst_first(before, after, 9).tolist() == [1, 3, 0, 2]
    assert worst_first(before, after, 2).tolist() == [1, 3]


def test_that_a_foreground_is_tinted_and_its_background_is_not() -> None:
    image = np.full((2, 2, 3), (30, 60, 90), np.uint8)
    got = painted(image, np.array([[0, 1], [1, -1]]), BINARY)
    tinted = ((1 - SHARE) * 60 + SHARE * COLOURS[1]).astype(np.uint8).tolist()
    assert got.tolist() == [[[60, 60, 60], tinted], [tinted, [0, 0, 0]]]
    assert painted(image, None, BINARY) is image


def test_that_each_class_has_its_colour_and_what_does_not_count_is_black() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    classes = np.array([[0, 1], [2, 3]])
    got = painted(image, classes, THREE, ignore_label=2)
    assert got.shape == (2, 2, 3), "it takes the size of the classes"
    np.testing.assert_array_equal(got[0], (SHARE * COLOURS[:2]).astype(np.uint8))
    assert not got[1].any(), "neither the ignored class nor one that the model does not have"


@pytest.mark.parametrize("channels", [1, 3])
def test_that_a_row_shows_image_truth_and_both_answers(channels: int) -> None:
    images = np.full((2, 10, 20, channels), 200, np.uint8)
    true = np.zeros((2, 10, 20, 1), np.uint8)
    true[1] = 1
    zeros, ones = np.zeros((2, 10, 20, 1), np.float32), np.ones((2, 10, 20, 1), np.float32)
    pixels, (width, height) = mask_sheet(images, true, (zeros, ones), BINARY, longest_px=44)
    assert (width, height) == (40 + GAP_PX, 20 + GAP_PX)
    assert pixels.shape == (2 * height, PICTURES * width, 3)
    middles = pixels[height // 2 - 2 :: height, width // 2 - 2 :: width]
    plain, tinted = [200] * 3, ((1 - SHARE) * 200 + SHARE * COLOURS[1]).astype(np.uint8).tolist()
    assert middles.tolist() == [[plain, plain, plain, tinted], [plain, tinted, plain, tinted]]
    assert (pixels[:, width - GAP_PX : width] == 255).all()
