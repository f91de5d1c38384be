"""The task from the graph's last operation and the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.task import Task, find_task, predicted_classes
from engine.errors import UserError
from engine.modelfile.graph import Layer, LayerGraph, Node, Tensor

IDS = np.array([0, 1, 1])


def graph(
    shape: tuple[int | None, ...], *layers: tuple[str, dict[str, Any]], outs: int = 1
) -> LayerGraph:
    """A chain of layers behind an input; all tensors have the output's shape."""
    table = {"in": Layer(name="in", class_name="InputLayer")}
    nodes = [Node(layer="in", inputs=(), outputs=(0,), args=())]
    for index, (class_name, config) in enumerate(layers):
        name = f"l{index}"
        table[name] = Layer(name=name, class_name=class_name, config=config)
        nodes.append(Node(layer=name, inputs=(index,), outputs=(index + 1,), args=()))
    return LayerGraph(
        name="m", layers=table, nodes=tuple(nodes),
        tensors=tuple(Tensor(shape=shape) for _ in range(len(layers) + 1)),
        inputs=(0,), outputs=(len(layers),) * outs,
    )  # fmt: skip


DENSE: tuple[str, dict[str, Any]] = ("Dense", {"activation": "linear"})


@pytest.mark.parametrize(
    ("last", "activation"),
    [
        ([("Dense", {"activation": "softmax"})], "softmax"),
        ([("Dense", {"activation": {"class_name": "function", "config": "softmax"}})], "softmax"),
        ([DENSE, ("Activation", {"activation": "softmax"})], "softmax"),
        ([DENSE, ("Softmax", {"axis": -1})], "softmax"),
        ([DENSE, ("Softmax", {}), ("Reshape", {}), ("Dropout", {"rate": 0.1})], "softmax"),
        ([("Dense", {"activation": "sigmoid"})], "sigmoid"),
        ([("Dense", {"activation": "softmax"}), DENSE], "linear"),
        ([DENSE], "linear"),
        ([("Dense", {"activation": None})], "linear"),
        ([("Dense", {"activation": "softmax"}), ("Multiply", {})], "linear"),
    ],
)
def test_that_the_last_operation_tells_logits_from_probabilities(
    last: list[tuple[str, dict[str, Any]]], activation: str
) -> None:
    found = find_task(graph((None, 4), *last), IDS)
    assert found.activation == activation
    assert found.from_logits == (activation == "linear")


SIGMOID: tuple[str, dict[str, Any]] = ("Conv2D", {"activation": "sigmoid"})


@pytest.mark.parametrize(
    ("shape", "labels", "kind", "classes", "metric"),
    [
        ((None, 4), IDS, "classification", 4, "accuracy"),
        ((None, 1), IDS, "binary", 2, "accuracy"),
        ((None, 3), np.eye(3, dtype=np.uint8), "multilabel", 3, "macro_f1"),
        ((None, 8, 8, 1), np.zeros((2, 8, 8), np.uint8), "binary_segmentation", 2, "iou"),
        ((None, 8, 8, 5), np.zeros((2, 8, 8), np.uint8), "segmentation", 5, "mean_iou"),
    ],
)
def test_that_task_and_metric_follow_from_shape_and_labels(
    shape: tuple[int | None, ...], labels: np.ndarray, kind: str, classes: int, metric: str
) -> None:
    found = find_task(graph(shape, SIGMOID), labels)
    assert (found.kind, found.classes, found.metric) == (kind, classes, metric)
    assert found.higher_is_better


def test_that_numbers_make_a_regression() -> None:
    found = find_task(graph((None, 2), DENSE), np.ones((3, 2), np.float32))
    assert (found.kind, found.metric, found.higher_is_better) == ("regression", "mae", False)
    assert not found.from_logits


@pytest.mark.parametrize(
    ("shape", "labels", "code"),
    [
        ((None, 8, 8, 3), IDS, "data.labels"),
        ((None, 3), np.zeros((2, 8, 8), np.uint8), "data.labels"),
        ((None, 3), np.zeros((2, 5), np.uint8), "data.labels"),
        ((None, None), IDS, "model.outputs"),
        ((None, 1), np.array([[0.0], [7.0]], np.float32), "data.label_range"),
    ],
)
def test_that_labels_of_another_task_are_refused(
    shape: tuple[int | None, ...], labels: np.ndarray, code: str
) -> None:
    with pytest.raises(UserError) as caught:
        find_task(graph(shape, SIGMOID), labels)
    assert caught.value.code == code


def test_that_several_outputs_need_a_data_script() -> None:
    with pytest.raises(UserError, match="2"):
        find_task(graph((None, 4), DENSE, outs=2), IDS)


def test_that_predicted_classes_cut_where_the_task_says() -> None:
    def task(kind: Any, outputs: int, logits: bool) -> Task:
        return Task(
            kind=kind, classes=max(2, outputs), outputs=outputs, activation="linear",
            from_logits=logits, metric="accuracy",
        )  # fmt: skip

    single = np.array([[0.4], [0.6], [-1.0], [np.nan]])
    assert predicted_classes(single, task("binary", 1, False)).tolist() == [0, 1, 0, -1]
    assert predicted_classes(single, task("binary", 1, True)).tolist() == [1, 1, 0, -1]
    maps = single.reshape(1, 2, 2, 1)
    assert predicted_classes(maps, task("binary_segmentation", 1, False)).shape == (1, 2, 2)
    many = np.array([[0.1, 0.9], [0.6, 0.3], [np.nan, 1.0]])
    assert predicted_classes(many, task("classification", 2, False)).tolist() == [1, 0, -1]
    assert predicted_classes(many[:2], task("multilabel", 2, False)).tolist() == [[0, 1], [1, 0]]
