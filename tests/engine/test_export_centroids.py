"""Clustered kernels in a file: few values after the converter, fine-tuned, smaller to download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from engine.export import centroids, export_model
from engine.export.clustering import cluster_weights
from engine.export.kernels import kernels
from engine.export.normscale import fold_norm_scales
from engine.export.parts import write_parts
from engine.modelfile import open_model
from engine.modelfile.rebuild import build
from engine.training.settings import LossSpec
from tests.engine.export_nets import NETS, images, live

if TYPE_CHECKING:
    from tests.engine.export_bench import Bench

pytest_plugins = ["tests.engine.export_bench"]

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def opened(name: str, folder: Path) -> tuple[Any, Any]:
    """A net of the export tests as our graph and arrays."""
    path = folder / f"{name}.keras"
    live(name).save(path)
    file, weights = open_model(path)
    return file.graph, weights


def outputs(graph: Any, weights: Any, x: np.ndarray) -> list[np.ndarray]:
    """What a model gives."""
    found = build(graph, weights)(x, training=False)
    return [keras.ops.convert_to_numpy(t) for t in keras.tree.flatten(found)]


@pytest.mark.parametrize("name", list(NETS))
def test_that_moving_the_scales_of_norms_leaves_the_function_as_it_is(
    tmp_path: Path, name: str
) -> None:
    graph, weights = opened(name, tmp_path)
    folded = fold_norm_scales(graph, weights)
    x = images(name, 4)
    for before, after in zip(outputs(graph, weights, x), outputs(graph, folded, x), strict=True):
        np.testing.assert_allclose(after, before, atol=2e-5)
    norms = [n for n, la in graph.layers.items() if la.class_name == "BatchNormalization"]
    assert not any(np.all(weights[norm]["gamma"] == 1) for norm in norms)
    moved = sum(bool(np.all(folded[norm]["gamma"] == 1)) for norm in norms)
    # another layer reads what goes into the first norm of the residual net
    assert moved == len(norms) - (name == "residual")


def test_that_the_kernels_of_the_file_have_few_values_and_it_packs_smaller(
    bench: Bench, tmp_path: Path
) -> None:
    graph, weights = opened("depthwise", tmp_path)
    made = cluster_weights(graph, fold_norm_scales(graph, weights), values=8)
    folder = tmp_path / "parts"
    folder.mkdir()
    write_parts(folder, graph, made.weights)
    out, plain = tmp_path / "clustered.tflite", tmp_path / "plain.tflite"
    clustered = export_model(folder, "tflite", out, caller=bench.call)
    before = export_model(tmp_path / "depthwise.keras", "tflite", plain, caller=bench.call)
    for kernel in kernels(out):
        assert len(np.unique(kernel[kernel != 0])) <= 8
    assert max(len(np.unique(kernel)) for kernel in kernels(plain)) > 8
    assert clustered.bytes <= before.bytes
    assert clustered.gzip_bytes < 0.75 * before.gzip_bytes
    assert made.huffman_bytes < clustered.gzip_bytes


def test_that_a_kernel_clustered_before_its_norm_would_not_keep_few_values(
    bench: Bench, tmp_path: Path
) -> None:
    graph, weights = opened("chain", tmp_path)
    made = cluster_weights(graph, weights, values=4)
    folder = tmp_path / "parts"
    folder.mkdir()
    write_parts(folder, graph, made.weights)
    out = tmp_path / "a.tflite"
    export_model(folder, "tflite", out, caller=bench.call)
    assert max(len(np.unique(kernel[kernel != 0])) for kernel in kernels(out)) > 4


def test_that_fine_tuned_centroids_are_better_and_keep_zeros_and_clusters(tmp_path: Path) -> None:
    graph, weights = opened("chain", tmp_path)
    kernel = weights["conv1"]["kernel"]
    weights["conv1"]["kernel"] = np.where(np.abs(kernel) < np.median(np.abs(kernel)), 0, kernel)
    folded = fold_norm_scales(graph, weights)
    made = cluster_weights(graph, folded, values=3)
    x = images("chain", 96)
    told = outputs(graph, folded, x)[0]
    tuned = centroids.tune_centroids(
        graph, made, x, told.argmax(-1), preprocess=lambda some: some,
        loss=LossSpec(kind="categorical", from_logits=False), teacher=told, steps=60,
    )  # fmt: skip
    assert tuned.steps == 60
    assert tuned.loss_after < tuned.loss_before
    for code in tuned.clustered.kernels:
        new = tuned.clustered.weights[code.layer][code.weight]
        old = made.weights[code.layer][code.weight]
        np.testing.assert_array_equal(new == 0, old == 0)
        assert code.values == len(np.unique(new[new != 0])) <= 3
        for value in np.unique(old):
            assert len(np.unique(new[old == value])) == 1, "a cluster stays one"
    moved = [
        np.any(tuned.clustered.weights[c.layer][c.weight] != made.weights[c.layer][c.weight])
        for c in made.kernels
    ]
    assert all(moved)


def test_that_centroids_stay_where_no_step_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, weights = opened("chain", tmp_path)
    made = cluster_weights(graph, weights, values=16)
    x = images("chain", 16)
    told = outputs(graph, made.weights, x)[0]
    monkeypatch.setattr(centroids, "REACH", -1.0)  # uphill
    tuned = centroids.tune_centroids(
        graph, made, x, told.argmax(-1), preprocess=lambda some: some, teacher=told, steps=2,
        loss=LossSpec(kind="categorical", from_logits=False),
    )  # fmt: skip
    assert (tuned.steps, tuned.loss_after) == (0, tuned.loss_before)
    assert tuned.clustered is made
