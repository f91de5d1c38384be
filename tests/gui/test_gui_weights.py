"""Weights of the selected layer in the inspector, from a real file, read outside the window."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engine import ranges
from engine.errors import UserError
from gui.facts import read_facts
from gui.main_window import MainWindow
from gui.resources import sample_model
from gui.views.weights import scale_of, with_line
from gui.weights import (
    PICTURE,
    TILES,
    by_output,
    divided,
    histogram,
    picture,
    read_weights_of,
    skeletons,
)
from gui.widgets.weights import KernelView, SkeletonView
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
    found = picture(by_output(kernel, "Conv2D"))
    assert (found.height, found.outputs) == (2, 4)
    cells = np.frombuffer(found.cells, np.uint8).reshape(2, 4)
    assert cells[1, 2] == 1
    assert cells[0, 0] == 170, "two of three rows are left"
    assert (cells == 255).sum() == 6
    assert found.density(2) == 0.5


def test_that_a_large_kernel_is_drawn_small_and_keeps_its_mean() -> None:
    kernel = np.random.default_rng(0).integers(0, 2, (1, 1, 500, 300)).astype(np.float32)
    found = picture(by_output(kernel, "Conv2D"))
    assert (found.outputs, found.height) == (300, PICTURE)
    densities = [found.density(n) for n in range(300)]
    assert np.mean(densities) == pytest.approx(kernel.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("Conv2D", (3, 3, 2, 5)), ("Conv2DTranspose", (3, 3, 5, 2)), ("Dense", (7, 5)),
     ("DepthwiseConv2D", (3, 3, 5, 1)), ("SeparableConv1D", (1, 2, 5))],
)  # fmt: skip
def test_that_columns_are_outputs_whatever_the_layer(kind: str, shape: tuple[int, ...]) -> None:
    assert picture(by_output(np.ones(shape, np.float32), kind)).outputs == 5


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


def kernel_view(qtbot: QtBot, removed: int, kept: tuple[int, ...] | None) -> KernelView:
    """A view of six outputs that are left, the second of them without a weight."""
    kernel = np.ones((1, 1, 2, 6), np.float32)
    kernel[..., 1] = 0.0
    view = KernelView()
    qtbot.addWidget(view)
    view.show_picture(picture(by_output(kernel, "Conv2D")), removed, kept)
    view.resize(80, 40)
    return view


def shades(view: KernelView, column: int) -> set[str]:
    """The colours in one of the eight columns, its borders aside."""
    shot = view.grab().toImage()
    left, right = 10 * column + 3, 10 * column + 8
    return {shot.pixelColor(x, y).name() for x in range(left, right) for y in range(5, 35)}


def test_that_exactly_the_removed_channels_are_hatched(qtbot: QtBot) -> None:
    view = kernel_view(qtbot, 2, (0, 2, 3, 5, 6, 7))
    assert view.accessibleDescription() == "6 output channels, 2 channels removed: 1, 4"
    seen = [shades(view, column) for column in range(8)]
    assert all(len(seen[place]) > 1 for place in (1, 4)), "hatched"
    assert seen[0] == seen[3] == seen[5] == seen[6] == seen[7]
    assert [len(seen[place]) for place in (0, 2)] == [1, 1]
    assert seen[2] != seen[0], "the second that is left has no weight"
    told = [view.text_at(10.0 * place + 5) for place in (1, 2, 4, 7)]
    assert told == [
        "Channel 1 removed", "Channel 2: 100\u00a0% of its weights are zero", "Channel 4 removed",
        "Channel 7: 0\u00a0% of its weights are zero",
    ]  # fmt: skip


def test_that_of_an_old_run_it_is_told_how_many_channels_are_gone(qtbot: QtBot) -> None:
    view = kernel_view(qtbot, 2, None)
    assert view.accessibleDescription() == "6 output channels, 2 channels removed"
    seen = [shades(view, column) for column in range(8)]
    assert [len(found) > 1 for found in seen] == [False] * 6 + [True] * 2
    assert "does not tell which" in view.text_at(75.0)


def test_that_many_channels_are_drawn_in_their_share(qtbot: QtBot) -> None:
    view = KernelView()
    qtbot.addWidget(view)
    matrix = by_output(np.ones((1, 1, 2, 500), np.float32), "Conv2D")
    view.show_picture(picture(matrix), 500, tuple(range(0, 1000, 2)))
    view.resize(80, 40)
    assert not view.grab().isNull()
    assert view.text_at(79.9).startswith("Channel 998") or "999" in view.text_at(79.9)


def test_that_a_threshold_is_told_only_where_one_parts_the_channels() -> None:
    sizes = (0.5, 0.1, 0.9, 0.2)
    clear = divided(sizes, (0, 2))
    assert clear.threshold == 0.5
    assert (sum(clear.counts), sum(clear.removed), clear.total) == (4, 2, 4)
    assert clear.removed[0] == 1
    overlapping = divided(sizes, (1, 2))
    assert overlapping.threshold is None
    assert sum(overlapping.removed) == 2


def test_that_the_channels_as_opened_stand_beside_what_is_left(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """A file from which some channels of a layer are gone, and the model that it came from."""
    model = read_facts(sample_model())
    layer = next(s for s in model.opened.layers if s.class_name == "Conv2D" and s.prunable)
    scale = scale_of(layer, model.opened.layers)
    assert scale is not None
    assert layer.channels is not None
    gammas = read_weights_of(sample_model())[scale].channels
    weakest = sorted(range(len(gammas)), key=lambda n: gammas[n])[:3]
    left = tuple(n for n in range(len(gammas)) if n not in weakest)
    cut = replace(layer, channels_kept=len(left), kept=ranges.to_text(left))
    checkpoint = tmp_path / "trial.keras"
    shutil.copy(sample_model(), checkpoint)
    view = window.inspector.weights
    window.inspector.show()
    view.show_layer(cut, scale, checkpoint, model)
    qtbot.waitUntil(lambda: view.removed.isVisible(), timeout=20_000)
    threshold = sorted(gammas)[3]
    assert view.removed.shown is not None
    assert view.removed.shown.threshold == pytest.approx(threshold)
    figure = view.figures[view.removed]
    assert figure.head.text() == f"Gamma of {scale} as opened"
    assert figure.words.text() == (
        f"log count; 3 removed channels hatched; line: all below {threshold:.3g}"
    )
    assert not view.grab().isNull()
    other = replace(cut, kept=ranges.to_text(range(len(left))))
    view.show_layer(other, scale, checkpoint, model)
    assert figure.words.text().endswith("no line, since smaller ones stayed")
    assert view.removed.shown.threshold is None
    view.show_layer(layer, scale, sample_model(), model)
    assert not view.removed.isVisible(), "as opened, nothing is removed"


def test_that_weights_that_were_trained_on_have_no_line() -> None:
    sparse = histogram(np.array([0.0, 0.0, 0.5, -0.6, 1.0], np.float32))
    assert with_line(sparse, 0.4)[0].threshold == 0.5
    drifted = histogram(np.array([0.0, 0.0, 0.001, -0.6, 1.0], np.float32))
    shown, words = with_line(drifted, 0.4)
    assert shown.threshold is None
    assert words[-1].startswith("no line")
    assert words[-1].endswith("down to 0.001")


def test_that_the_figures_of_a_layer_are_saved(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.opener.sample()
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=20_000)
    layer = next(s for s in window.layers.layers if s.class_name == "Conv2D" and s.prunable)
    window.layers.layer_chosen.emit(layer.name)
    qtbot.waitUntil(lambda: window.inspector.weights.kernel.isVisible(), timeout=20_000)
    window.pictures.ask_place = lambda _name: str(tmp_path / "weights.csv")
    with qtbot.waitSignal(window.pictures.saved, timeout=10_000):
        window.pictures.menu("weights").actions()[0].trigger()
    with (tmp_path / "weights.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = [row for row in rows if row["figure"] == "Weights"]
    assert sum(int(row["count"]) for row in shown) == layer.prunable_weights - (layer.zeros or 0)
    kernel = [row for row in rows if row["figure"] == "Kernel"]
    assert [int(row["channel"]) for row in kernel] == list(range(layer.channels or 0))
    assert {row["removed"] for row in kernel} == {"0"}
