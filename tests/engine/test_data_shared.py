"""The accuracy that a model's user knows: five real models, found without a single option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import data
from engine.job import DataSpec
from tests.shared import shared_file

MODELS = [
    # file, data, preprocessing, task, logits, value stated in models/README.md
    ("vgg_fashion.keras", "fashion_mnist.npz", "none", "classification", False, 0.9317),
    ("mobilenet_fashion.h5", "fashion_mnist.npz", "0-1", "classification", True, 0.9211),
    pytest.param("densenet22_fashion.keras", "fashion_mnist.npz", "none", "classification", False,
                 0.9208, marks=pytest.mark.slow),
    pytest.param("resnet20_cifar10.h5", "cifar10.npz", "none", "classification", False, 0.9048,
                 marks=pytest.mark.slow),
    pytest.param("unet_nuclei.keras", "nuclei_128.npz", "none", "binary_segmentation", False,
                 0.8098, marks=pytest.mark.slow),
]  # fmt: skip
SAMPLES = 800


@pytest.mark.parametrize(("file", "source", "mode", "kind", "logits", "stated"), MODELS)
def test_that_the_stated_accuracy_is_found(
    file: str, source: str, mode: str, kind: str, logits: bool, stated: float
) -> None:
    from engine.modelfile.reader import open_model
    from engine.modelfile.rebuild import build

    opened, weights = open_model(shared_file(f"models/{file}"))
    graph = opened.graph
    model = build(graph, weights)

    def predict(images: np.ndarray) -> Any:
        return model.predict(images, batch_size=128, verbose=0)

    shape, outputs = graph.shape(graph.inputs[0]), graph.shape(graph.outputs[0])
    assert shape is not None
    assert outputs is not None
    loaded = data.load(
        DataSpec(source=str(shared_file(f"data/{source}"))), input_shape=shape[1:],
        outputs=outputs[-1],
    )  # fmt: skip
    task = data.find_task(graph, loaded.train.labels)
    assert (task.kind, task.from_logits) == (kind, logits)
    found = data.find_preprocess(predict, loaded.train, task)
    assert found.preprocess.name == mode
    assert not found.poor
    assert not found.near_ties
    assert loaded.seen == "no"

    rows = []
    for part in (loaded.search, loaded.report):
        some = part.sample(SAMPLES // 2)
        outputs_of = predict(found.preprocess.apply_numpy(some.images))
        rows.append(data.per_sample(task.metric, outputs_of, some.labels, task))
    low, high = data.interval(task.metric, np.concatenate(rows), 0.99)
    assert low <= stated <= high
    if len(loaded.search) + len(loaded.report) <= SAMPLES:
        assert data.value(task.metric, np.concatenate(rows)) == pytest.approx(stated, abs=1e-3)
