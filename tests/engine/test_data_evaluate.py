"""``evaluate`` without any option: the accuracy that a model's user knows, on five real models."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import api
from tests.shared import shared_file

MODELS = [
    # file, data, preprocessing, task, metric, value stated in models/README.md
    ("vgg_fashion.keras", "fashion_mnist.npz", "none", "classification", "accuracy", 0.9317),
    ("densenet22_fashion.keras", "fashion_mnist.npz", "none", "classification", "accuracy", 0.9208),
    ("mobilenet_fashion.h5", "fashion_mnist.npz", "0-1", "classification", "accuracy", 0.9211),
    ("resnet20_cifar10.h5", "cifar10.npz", "none", "classification", "accuracy", 0.9048),
    ("unet_nuclei.keras", "nuclei_128.npz", "none", "binary_segmentation", "iou", 0.8098),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "source", "mode", "task", "metric", "stated"), MODELS)
def test_that_evaluate_gives_the_stated_value(
    tmp_path: Path, file: str, source: str, mode: str, task: str, metric: str, stated: float
) -> None:
    preview = tmp_path / "preview"
    answer = api.evaluate(
        shared_file(f"models/{file}"), shared_file(f"data/{source}"), preview=preview
    )
    assert (answer["preprocess"], answer["task"], answer["metric"]) == (mode, task, metric)
    low, high = answer["interval"]
    assert low <= stated <= high
    assert answer["value"] == pytest.approx(stated, abs=6e-4)
    assert answer["seen"] == "no"
    assert not answer["near_ties"]
    if not file.startswith("densenet"):  # trained so briefly that the parts are told apart by luck
        assert not any("trained on both" in note for note in answer["notes"])
    assert sorted(path.name for path in preview.iterdir()) == [
        "report.png", "search.png", "train.png"
    ]  # fmt: skip


@pytest.mark.slow
def test_that_evaluate_gives_the_stated_pixel_accuracy() -> None:
    answer = api.evaluate(
        shared_file("models/unet_nuclei.keras"), shared_file("data/nuclei_128.npz"),
        metric="pixel_accuracy",
    )  # fmt: skip
    assert answer["value"] == pytest.approx(0.9696, abs=6e-4)
