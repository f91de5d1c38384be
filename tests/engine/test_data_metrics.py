"""Metrics against scikit-learn, sums over samples, ignored labels, broken outputs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from engine.data.metrics import METRICS, compiled_metric, metrics_for, per_sample, value
from engine.data.task import Task, TaskKind
from engine.errors import UserError


def task(kind: TaskKind, outputs: int, *, logits: bool = False, metric: str = "accuracy") -> Task:
    return Task(
        kind=kind,
        classes=max(outputs, 2),
        outputs=outputs,
        activation="linear" if logits else "softmax",
        from_logits=logits,
        metric=metric,
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def of(metric: str, outputs: np.ndarray, labels: np.ndarray, what: Task, **options: int) -> float:
    return value(metric, per_sample(metric, outputs, labels, what, **options))


def test_that_class_metrics_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    labels = rng.choice(8, 300, p=[0.4, 0.3, 0.1, 0.05, 0.05, 0.05, 0.05, 0.0])
    outputs = rng.random((300, 8)) + 0.7 * np.eye(8)[labels]
    found, what = outputs.argmax(1), task("classification", 8)
    assert of("accuracy", outputs, labels, what) == oracle.accuracy_score(labels, found)
    recall = oracle.recall_score(labels, found, average=None, labels=np.unique(labels))
    assert of("balanced_accuracy", outputs, labels, what) == pytest.approx(recall.mean())
    assert of("macro_f1", outputs, labels, what) == pytest.approx(
        oracle.f1_score(labels, found, average="macro")
    )
    assert of("top5", outputs, labels, what) == pytest.approx(
        oracle.top_k_accuracy_score(labels, outputs, k=5, labels=range(8))
    )


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        (("accuracy", "MeanIoU"), "segmentation", "mean_iou"),
        (("accuracy", "BinaryIoU"), "binary_segmentation", "iou"),
        (("F1Score",), "classification", "macro_f1"),
        (("mean_absolute_error",), "regression", "mae"),
        (("RootMeanSquaredError",), "regression", "rmse"),
        (("accuracy",), "segmentation", None),
        (("MeanIoU",), "classification", None),
        ((), "classification", None),
    ],
)
def test_that_what_a_model_was_compiled_with_judges_it_where_it_can(
    names: tuple[str, ...], kind: TaskKind, expected: str | None
) -> None:
    assert compiled_metric(names, task(kind, 8)) == expected


def test_that_ties_do_not_help_top5() -> None:
    labels = np.arange(10).repeat(2)
    assert of("top5", np.zeros((20, 10)), labels, task("classification", 10)) == 0.5


def test_that_binary_outputs_are_cut_at_half_or_at_zero() -> None:
    labels = np.array([0, 1, 1, 0])
    outputs = np.array([[0.2], [0.4], [0.6], [-0.1]])
    assert of("accuracy", outputs, labels, task("binary", 1)) == 0.75
    assert of("accuracy", outputs, labels, task("binary", 1, logits=True)) == 0.75
    rows = per_sample("accuracy", outputs, labels, task("binary", 1, logits=True))
    assert rows[:, 0].tolist() == [0, 1, 1, 1]


def test_that_multilabel_f1_agrees_with_scikit_learn(rng: np.random.Generator) -> None:
    labels = (rng.random((200, 5)) < 0.3).astype(np.uint8)
    outputs = np.clip(0.6 * labels + 0.6 * rng.random((200, 5)), 0, 1)
    expected = oracle.f1_score(labels, outputs > 0.5, average="macro")
    what = task("multilabel", 5)
    assert of("macro_f1", outputs, labels, what) == pytest.approx(expected)
    exact = oracle.accuracy_score(labels, outputs > 0.5)
    assert of("accuracy", outputs, labels, what) == pytest.approx(exact)


def test_that_map_metrics_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 3, (6, 5, 4))
    outputs = rng.random((6, 5, 4, 3)) + 0.5 * np.eye(3)[labels]
    found = outputs.argmax(-1)
    what = task("segmentation", 3)
    expected = oracle.jaccard_score(labels.ravel(), found.ravel(), average="macro")
    assert of("mean_iou", outputs, labels, what) == pytest.approx(expected)
    assert of("pixel_accuracy", outputs, labels, what) == pytest.approx((labels == found).mean())
    expected = oracle.f1_score(labels.ravel(), found.ravel(), average="macro")
    assert of("mean_dice", outputs, labels, what) == pytest.approx(expected)
    binary, soft = labels > 0, rng.random((6, 5, 4, 1))
    expected = oracle.jaccard_score(binary.ravel(), soft.ravel() > 0.5)
    assert of("iou", soft, binary, task("binary_segmentation", 1)) == pytest.approx(expected)
    expected = oracle.f1_score(binary.ravel(), soft.ravel() > 0.5)
    assert of("dice", soft, binary, task("binary_segmentation", 1)) == pytest.approx(expected)
    both = np.concatenate([1.0 - soft, soft], axis=-1)
    assert of("dice", both, binary, task("segmentation", 2)) == pytest.approx(expected)
    assert "iou" not in metrics_for(what)


def test_that_ignored_pixels_do_not_count(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 3, (4, 6, 6))
    outputs = rng.random((4, 6, 6, 3)) + 0.5 * np.eye(3)[labels]
    holed = labels.copy()
    holed[:, :3] = 255
    what = task("segmentation", 3)
    for metric in ("mean_iou", "pixel_accuracy"):
        cut = of(metric, outputs[:, 3:], labels[:, 3:], what)
        assert of(metric, outputs, holed, what, ignore_label=255) == pytest.approx(cut)
    assert of("accuracy", np.eye(3)[[0, 1]], np.array([0, 2]), task("classification", 3),
              ignore_label=2) == 1.0  # fmt: skip


def test_that_errors_of_numbers_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    labels, outputs = rng.random((30, 2)).astype(np.float32), rng.random((30, 2))
    expected = oracle.mean_absolute_error(labels, outputs)
    assert of("mae", outputs, labels, task("regression", 2)) == pytest.approx(expected)
    expected = oracle.root_mean_squared_error(labels.ravel(), outputs.ravel())
    assert of("rmse", outputs, labels, task("regression", 2)) == pytest.approx(expected)


@pytest.mark.parametrize("metric", sorted(n for n, m in METRICS.items() if "script" not in m.kinds))
def test_that_rows_of_batches_add_up(metric: str, rng: np.random.Generator) -> None:
    kind = METRICS[metric].kinds[0]
    shape = (20, 4, 4) if "segmentation" in kind else (20,)
    outputs = 1 if kind in ("binary_segmentation", "regression") else 7
    what = task(kind, outputs)
    labels = rng.integers(0, max(outputs, 2), shape)
    if kind == "regression":
        labels = rng.random((20, 1))
    scores = rng.random((*shape, outputs))
    whole = per_sample(metric, scores, labels, what)
    pieces = [per_sample(metric, scores[i : i + 7], labels[i : i + 7], what) for i in (0, 7, 14)]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert np.isfinite(value(metric, whole))


def test_that_outputs_that_are_no_numbers_are_never_right() -> None:
    broken = np.full((4, 6), np.nan)
    labels = np.array([0, 0, 1, 2])
    for metric in ("accuracy", "top5", "balanced_accuracy", "macro_f1"):
        assert of(metric, broken, labels, task("classification", 6)) == 0.0
    single = np.full((4, 1), np.nan)
    assert of("accuracy", single, np.array([0, 1, 0, 1]), task("binary", 1)) == 0.0


def test_that_a_metric_that_cannot_judge_the_task_is_refused() -> None:
    what = task("classification", 3)
    assert metrics_for(what)[0] == "accuracy"
    assert "top5" not in metrics_for(what)
    with pytest.raises(UserError, match="cannot judge"):
        per_sample("iou", np.eye(3), np.arange(3), what)
    with pytest.raises(UserError, match="no such metric"):
        per_sample("auc", np.eye(3), np.arange(3), what)
