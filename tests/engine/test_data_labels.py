"""Label forms: each recognised, said, and brought into one of four."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.labels import Labels, understand_labels
from engine.errors import UserError


def one(labels: object, outputs: int | None = 3, **options: object) -> Labels:
    return understand_labels({"train": np.asarray(labels)}, outputs=outputs, **options)  # type: ignore[arg-type]


IDS = [0, 2, 1, 2]


@pytest.mark.parametrize(
    ("form", "word"),
    [
        (np.array(IDS, np.uint8), None),
        (np.array(IDS, np.float64), None),
        (np.array(IDS)[:, np.newaxis], "(n, 1)"),
        (np.eye(3)[IDS], "one-hot"),
        (np.eye(3, dtype=bool)[IDS], "one-hot"),
        (np.array(IDS) + 1, "from 1"),
        (np.array(["cat", "rat", "dog", "rat"])[[0, 1, 2, 1]], "text"),
        (np.array([b"cat", b"rat", b"dog", b"rat"]), "text"),
        (np.array(["0", "2", "1", "2"]), "as text"),
        (np.array(["1", "3", "2", "3"]), "from 1"),
    ],
)
def test_that_class_labels_of_every_form_become_ids(form: np.ndarray, word: str | None) -> None:
    found = one(form)
    assert found.kind == "classes"
    assert found.parts["train"].dtype == np.int64
    assert found.parts["train"].tolist() == IDS
    assert any(word in note for note in found.notes) if word else not found.notes


def test_that_text_gives_class_names_in_sorted_order() -> None:
    assert one(["b", "c", "a", "a"]).class_names == ("a", "b", "c")


def test_that_one_based_is_only_read_where_it_must_be() -> None:
    assert one([1, 2, 1], outputs=3).parts["train"].tolist() == [1, 2, 1]
    assert one([1, 2, 1], outputs=1).parts["train"].tolist() == [0, 1, 0]
    assert one([1, 2, 1], outputs=None).parts["train"].tolist() == [1, 2, 1]


def test_that_parts_are_understood_together() -> None:
    found = understand_labels(
        {"train": np.array(["b", "a"]), "test": np.array(["c", "b"])}, outputs=3
    )
    assert found.parts["train"].tolist() == [1, 0]
    assert found.parts["test"].tolist() == [2, 1]


def test_that_minus_one_and_one_are_two_classes() -> None:
    assert one([-1, 1, 1], outputs=1).parts["train"].tolist() == [0, 1, 1]


def test_that_multi_hot_labels_are_kept() -> None:
    found = one([[1, 1, 0], [0, 0, 0], [0, 1, 0]])
    assert found.kind == "multi_hot"
    assert found.parts["train"].dtype == np.uint8


def test_that_numbers_are_values() -> None:
    found = one([0.5, 1.25], outputs=1)
    assert found.kind == "values"
    assert found.parts["train"].shape == (2, 1)
    assert one([[0.5, 1.0], [2.0, 3.0]], outputs=2).kind == "values"


def test_that_masks_become_class_maps() -> None:
    masks = np.zeros((2, 4, 4, 1), np.int64)
    masks[0, 0, 0] = 1
    found = one(masks, outputs=1)
    assert found.kind == "masks"
    assert found.parts["train"].shape == (2, 4, 4)
    assert found.parts["train"].dtype == np.uint8


def test_that_masks_of_0_and_255_become_0_and_1() -> None:
    found = one(np.array([[[0, 255], [255, 0]]], np.uint8), outputs=1)
    assert found.parts["train"].tolist() == [[[0, 1], [1, 0]]]
    assert any("255" in note for note in found.notes)


def test_that_255_among_classes_does_not_count() -> None:
    found = one(np.array([[[0, 2], [255, 1]]], np.uint8), outputs=3)
    assert found.ignore_label == 255
    assert found.parts["train"].max() == 255


def test_that_one_hot_masks_become_ids() -> None:
    ids = np.array([[[0, 2], [1, 1]]])
    assert one(np.eye(3)[ids]).parts["train"].tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("labels", "outputs", "code", "words"),
    [
        ([0, 1, 10], 10, "data.label_range", "0 to 10"),
        ([-1, 0, 1], 3, "data.label_range", "-1 to 1"),
        (["a", "b", "c", "d"], 3, "data.label_range", "4 classes"),
        (np.eye(4), 3, "data.label_range", "0 to 3"),
        ([[1, 1], [0, 1]], 3, "data.label_range", "2 numbers"),
        ([0.0, float("nan")], 3, "data.labels", "NaN"),
        (np.array([{}, {}], dtype=object), 3, "data.labels", "object"),
        (np.full((1, 2, 2), 7), 3, "data.label_range", "7"),
        (np.full((1, 2, 2, 2), 7), 3, "data.labels", "one-hot"),
    ],
)
def test_that_labels_that_do_not_fit_are_refused_in_one_sentence(
    labels: object, outputs: int, code: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        one(labels, outputs)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.hint
