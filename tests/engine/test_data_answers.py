"""What models answer class by class, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from engine.data.answers import answers, confusion, figures_by_class
from engine.data.task import Task, TaskKind


def task(kind: TaskKind, outputs: int, *, logits: bool = False) -> Task:
    return Task(
        kind=kind,
        classes=max(outputs, 2),
        outputs=outputs,
        activation="linear" if logits else "softmax",
        from_logits=logits,
        metric="accuracy",
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_that_classes_are_told_as_scikit_learn_does(rng: np.random.Generator) -> None:
    labels = rng.choice(5, 300, p=[0.5, 0.2, 0.2, 0.1, 0.0])
    outputs = rng.random((300, 5)) + 0.5 * np.eye(5)[labels]
    what, found = task("classification", 5), outputs.argmax(1)
    matrix = oracle.confusion_matrix(labels, found, labels=range(5))
    np.testing.assert_array_equal(confusion(outputs, labels, what), matrix)
    share, count = figures_by_class(outputs, labels, what)
    recall = oracle.recall_score(labels, found, average=None, labels=range(4))
    np.testing.assert_allclose(share[:4], recall)
    assert np.isnan(share[4]), "a class that does not occur has no figure"
    np.testing.assert_array_equal(count, np.bincount(labels, minlength=5))


def test_that_masks_are_counted_by_pixel_and_ignored_ones_are_not(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 4, (70, 6, 6)).astype(np.uint8)  # more than are counted at a time
    outputs = rng.random((70, 6, 6, 3)) + 0.4 * np.eye(4)[labels][..., :3]
    what, found = task("segmentation", 3), outputs.argmax(-1)
    counted = labels != 3
    matrix = oracle.confusion_matrix(labels[counted], found[counted], labels=range(3))
    np.testing.assert_array_equal(confusion(outputs, labels, what, ignore_label=3), matrix)
    iou, _ = figures_by_class(outputs, labels, what, ignore_label=3)
    expected = oracle.jaccard_score(labels[counted], found[counted], average=None)
    np.testing.assert_allclose(iou, expected)


def test_that_an_output_that_is_no_number_is_no_answer() -> None:
    outputs = np.array([[0.2, 0.8], [np.nan, 0.1], [0.9, 0.1]])
    labels = np.array([1, 0, 1])
    what = task("classification", 2)
    found, sure = answers(outputs, what)
    assert found.tolist() == [1, -1, 0]
    assert np.isnan(sure[1])
    assert confusion(outputs, labels, what).tolist() == [[0, 0], [1, 1]]
    share, _ = figures_by_class(outputs, labels, what)
    assert share.tolist() == [0.0, 0.5], "and counts as wrong"


@pytest.mark.parametrize("logits", [False, True])
def test_that_confidence_is_the_probability_of_the_answer(logits: bool) -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    outputs = np.log(probabilities) + 3.0 if logits else probabilities
    found, sure = answers(outputs, task("classification", 3, logits=logits))
    assert found.tolist() == [0, 2]
    np.testing.assert_allclose(sure, [0.7, 0.6])
    one = np.array([[0.8], [0.3]])
    single = np.log(one / (1 - one)) if logits else one
    found, sure = answers(single, task("binary", 1, logits=logits))
    assert found.tolist() == [1, 0]
    np.testing.assert_allclose(sure, [0.8, 0.7])
