"""Weights of the selected layer in the inspector, from a real file, read outside the window."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engine.errors import UserError
from gui.main_window import MainWindow
from gui.resources import sample_model
from gui.views.weights import KernelView, SkeletonView, scale_of
from gui.weights import PICTURE, TILES, histogram, picture, read_weights_of, skeletons
from tests.gui import story


def test_that_zeros_are_counted_and_left_out_of_the_histogram() -> None:
    values = np.array([0.0, 0.0, 0.5, -0.5, 1.0, np.nan, np.inf], np.float32)
    found = histogram(values)
    assert (found.total, found.zeros, sum(found.counts)) == (5, 2, 3)
    assert (found.low, found.high, found.threshold) == (-0.5, 1.0, 0.5)
    assert histogram(np.ones(4, np.float32)).threshold is None
    assert histogram(np.zeros(4, np.float32)).counts == ()


def test_that_a_picture_has_inputs_down_and_outputs_across() -> None:
    kernel = np.ones((3, 3, 2, 4), np.float32)
    kernel[..., 1, 2] = 0.0
    kernel[0, :, 0, 0] = 0.0
    found = picture(kernel)
    assert (found.width, found.height, found.outputs) == (4, 2, 4)
    cells = np.frombuffer(found.cells, np.uint8).reshape(2, 4)
    assert cells[1, 2] == 0
    assert cells[0, 0] == 170, "two of three rows are left"
    assert (cells == 255).sum() == 6


def test_that_a_large_kernel_is_drawn_small_and_keeps_its_mean() -> None:
    kernel = np.random.default_rng(0).integers(0, 2, (1, 1, 500, 300)).astype(np.float32)
    found = picture(kernel)
    assert (found.width, found.height) == (PICTURE, PICTURE)
    cells = np.frombuffer(found.cells, np.uint8)
    assert cells.mean() / 255 == pytest.approx(kernel.mean(), abs=0.01)


def test_that_each_filter_has_its_skeleton() -> None:
    kernel = np.ones((3, 3, 2, TILES + 1), np.float32)
    kernel[0, 1, :, 2] = 0.0
    kernel[..., 4] = 0.0
    kernel[2, 2, 0, TILES] = 3.0
    found = skeletons(kernel)
    assert found is not None
    assert (found.filters, found.dead, found.stripes, found.zeros) == (17, 1, 153, 10)
    cells = np.frombuffer(found.cells, np.uint8).reshape(found.height, found.width)
    assert cells.shape == (7, 4 * TILES - 1)
    assert cells[0, 2 * 4 + 1] == 1
    assert (cells[:3, 4 * 4 : 4 * 4 + 3] == 1).all()
    assert cells[4 + 2, 2] == 255
    assert cells[0, 0] == 128
    assert (cells[3] == 0).all()
    assert (cells[:, 3] == 0).all()
    turned = skeletons(kernel.transpose(0, 1, 3, 2), transposed=True)
    assert turned == found
    assert skeletons(np.ones((1, 1, 4, 4), np.float32)) is None


def test_that_skeletons_are_drawn_square(qtbot: QtBot) -> None:
    kernel = np.ones((3, 3, 2, 2), np.float32)
    kernel[0, 0, :, 0] = 0.0
    found = skeletons(kernel)
    assert found is not None
    view = SkeletonView()
    qtbot.addWidget(view)
    view.show_picture(found)
    assert view.accessibleDescription() == "18 stripes, 1 of them zero"
    assert view.heightForWidth(70) == 30
    view.resize(70, 30)
    shot = view.grab().toImage()
    colours = {shot.pixelColor(x, y).name() for x, y in ((5, 5), (15, 5), (35, 5))}
    assert len(colours) == 3, "a zero stripe, a live one and a gap"


def test_that_the_histograms_are_of_the_file(tmp_path: Path) -> None:
    found = read_weights_of(sample_model())
    assert any(w.gamma is not None for w in found.values())
    for weights in found.values():
        if weights.kernel is not None:
            assert sum(weights.kernel.counts) == weights.kernel.total - weights.kernel.zeros
    damaged = tmp_path / "damaged.h5"
    with h5py.File(damaged, "w"):
        pass
    with pytest.raises(UserError):
        read_weights_of(damaged)


def test_that_a_layer_goes_with_the_norm_behind_it() -> None:
    rows = story.layers()
    named = {s.name: s for s in rows}
    assert scale_of(named["conv3"], rows) == "bn3"
    assert scale_of(named["predictions"], rows) is None


def test_that_selecting_a_layer_shows_its_weights(window: MainWindow, qtbot: QtBot) -> None:
    window.opener.sample()
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=20_000)
    layer = next(s for s in window.layers.layers if s.prunable_weights and s.prunable)
    window.show_stage("layers")
    window.layers.strip.chosen.emit(layer.name)
    weights = window.inspector.weights
    assert weights.words.text().startswith("Reading")
    qtbot.waitUntil(lambda: weights.kernel.isVisible(), timeout=20_000)
    assert weights.kernel.shown is not None
    assert weights.kernel.shown.total == layer.prunable_weights
    assert weights.picture.isVisible()
    assert not weights.words.isVisible()
    assert not window.grab().isNull()
    window.inspector.closed.emit()
    plain = next(s for s in window.layers.layers if not s.params)
    window.layers.table.clearSelection()
    window.layers.layer_chosen.emit(plain.name)
    assert not weights.isVisible(), "a layer without weights has none to show"


def test_that_a_file_that_is_gone_is_no_error(ready: MainWindow, qtbot: QtBot) -> None:
    ready.layers.layer_chosen.emit("conv1")
    assert ready.inspector.isVisible()
    assert not ready.inspector.weights.isVisible()
    assert not ready.banner.isVisible()


def test_that_removed_channels_are_told(qtbot: QtBot) -> None:
    view = KernelView()
    qtbot.addWidget(view)
    view.show_picture(picture(np.ones((1, 1, 2, 6), np.float32)), removed=2)
    view.resize(80, 40)
    shot = view.grab().toImage()
    assert view.accessibleDescription() == "6 output channels, 2 channels removed"
    assert shot.pixelColor(20, 20) != shot.pixelColor(70, 21) or shot.pixelColor(
        20, 20
    ) != shot.pixelColor(71, 21)
