"""The layer table and the strip."""

from __future__ import annotations

import csv
import io

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from engine.telling.layers import kept_share, shown_layers, zero_share
from engine.telling.record import record_of
from gui.main_window import MainWindow
from gui.models.layers import COLUMNS, LayerFilter, LayerTableModel
from gui.models.log import LogModel
from gui.widgets.strip import LayerStrip, describe
from tests.gui import story

HEADS = [c.head for c in COLUMNS]
FATAL = QAbstractItemModelTester.FailureReportingMode.Fatal


def column(proxy: LayerFilter, head: str) -> list[str]:
    index = HEADS.index(head)
    return [str(proxy.index(r, index).data()) for r in range(proxy.rowCount())]


def test_that_the_layer_models_hold_qts_contract(qtbot: QtBot) -> None:
    model = LayerTableModel()
    proxy = LayerFilter(model)
    testers = [QAbstractItemModelTester(m, FATAL) for m in (model, proxy)]
    model.set_layers(story.layers())
    model.set_layers(story.layers(0.3, 0.5))
    proxy.set_words("conv")
    proxy.sort(HEADS.index("Parameters"), Qt.SortOrder.DescendingOrder)
    model.set_layers(story.layers()[:4])
    model.set_layers(())
    assert len(testers) == 2


def test_that_the_log_model_holds_qts_contract(qtbot: QtBot) -> None:
    model = LogModel()
    tester = QAbstractItemModelTester(model, FATAL)
    events = story.whole()
    for until in range(0, len(events), 40):
        model.set_log(record_of(events[:until]).log, "accuracy")
    whole = record_of(events).log
    model.set_log(whole, "accuracy")
    assert model.rowCount() == len(whole)
    model.set_log((), None)
    assert model.rowCount() == 0
    assert tester is not None


def test_that_columns_sort_by_value_not_by_text(qtbot: QtBot) -> None:
    model = LayerTableModel()
    proxy = LayerFilter(model)
    model.set_layers(story.layers())
    proxy.sort(HEADS.index("Parameters"), Qt.SortOrder.DescendingOrder)
    numbers = [int(t.replace(",", "").replace("\u2013", "0")) for t in column(proxy, "Parameters")]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 100_000


def test_that_every_word_of_the_filter_must_occur(qtbot: QtBot) -> None:
    model = LayerTableModel()
    proxy = LayerFilter(model)
    model.set_layers(story.layers())
    proxy.set_words("conv2d g3")
    assert column(proxy, "Layer") == ["conv3"]
    proxy.set_words("output")
    assert column(proxy, "Layer") == ["predictions"], "reasons are searched too"
    proxy.set_words("")
    proxy.set_with_weights(True)
    assert "input" not in column(proxy, "Layer")


def test_that_cells_say_what_is_left(qtbot: QtBot) -> None:
    model = LayerTableModel()
    proxy = LayerFilter(model)
    rows = story.layers(0.3, 0.5)
    model.set_layers(rows)
    conv = next(s for s in rows if s.name == "conv5")
    cell = column(proxy, "Channels")[[s.name for s in rows].index("conv5")]
    assert cell == f"{conv.channels} \u2192 {conv.channels_kept}"
    assert "None" not in "".join(text for head in HEADS for text in column(proxy, head))
    share = kept_share(conv)
    assert share is not None
    assert 0 < share < 1
    assert zero_share(rows[0]) is None


def test_that_the_csv_has_the_rows_on_show_in_plain_numbers(qtbot: QtBot) -> None:
    model = LayerTableModel()
    proxy = LayerFilter(model)
    rows = story.layers(0.3, 0.5)
    model.set_layers(rows)
    proxy.set_words("conv")
    found = list(csv.DictReader(io.StringIO(proxy.csv_text())))
    assert [row["name"] for row in found] == [f"conv{i}" for i in range(1, 9)]
    conv = next(s for s in rows if s.name == "conv5")
    assert found[4]["channels_kept"] == str(conv.channels_kept)
    assert found[4]["output_shape"] == "x".join(str(n) for n in conv.output_shape or ())


def test_that_the_strip_is_as_wide_as_the_share_of_channels_left(qtbot: QtBot) -> None:
    strip = LayerStrip()
    qtbot.addWidget(strip)
    strip.resize(900, 88)
    strip.set_layers(story.layers(0.3))
    strip.show()
    assert len(shown_layers(story.layers())) == 9
    slot = strip.bar_rect(4)
    conv = next(s for s in story.layers(0.3) if s.name == "conv5")
    share = kept_share(conv)
    assert share is not None
    picture = strip.grab().toImage()
    ratio = picture.devicePixelRatio()
    y = int(slot.center().y() * ratio)
    inside = picture.pixelColor(int((slot.left() + slot.width() * share * 0.5) * ratio), y)
    outside = picture.pixelColor(int((slot.left() + slot.width() * (share + 0.1)) * ratio), y)
    assert inside != outside
    assert inside.blue() > inside.red() + 50, "the bar is in the accent"
    assert abs(outside.blue() - outside.red()) < 20, "the rest of the slot is empty"


def test_that_zero_weights_pale_the_bar(qtbot: QtBot) -> None:
    shades = []
    for sparsity in (0.0, 0.5, 0.9):
        strip = LayerStrip()
        qtbot.addWidget(strip)
        strip.resize(900, 88)
        strip.set_layers(story.layers(1.0, sparsity))
        strip.show()
        picture = strip.grab().toImage()
        ratio = picture.devicePixelRatio()
        centre = strip.bar_rect(3).center() * ratio
        shades.append(picture.pixelColor(int(centre.x()), int(centre.y())).lightness())
    assert shades == sorted(shades)
    assert shades[2] > shades[0] + 60


def test_that_strip_clicks_and_keys_choose_layers(qtbot: QtBot) -> None:
    strip = LayerStrip()
    qtbot.addWidget(strip)
    strip.resize(900, 88)
    strip.set_layers(story.layers())
    strip.show()
    chosen: list[str] = []
    opened: list[str] = []
    strip.chosen.connect(chosen.append)
    strip.opened.connect(opened.append)
    centre = strip.bar_rect(2).center().toPoint()
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=centre)
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    qtbot.keyClick(strip, Qt.Key.Key_Left)
    qtbot.keyClick(strip, Qt.Key.Key_Return)
    assert chosen == ["conv3", "conv4", "conv3"]
    assert opened == ["conv3"]
    qtbot.mouseMove(strip, QPoint(5, 20))
    assert "channels left" in describe(story.layers()[1])


def test_that_an_empty_strip_paints_words(qtbot: QtBot) -> None:
    strip = LayerStrip()
    qtbot.addWidget(strip)
    strip.resize(300, 88)
    strip.show()
    assert not strip.grab().isNull()
    assert strip.index_at(10.0) is None


def test_that_strip_table_and_inspector_are_linked(ready: MainWindow, qtbot: QtBot) -> None:
    ready.show_stage("layers")
    ready.layers.strip.chosen.emit("conv4")
    assert ready.layers.table.currentIndex().siblingAtColumn(0).data() == "conv4"
    assert ready.inspector.title.text() == "conv4"
    row = [s.name for s in story.layers()].index("bn6")
    ready.layers.table.setCurrentIndex(ready.layers.filter.index(row, 0))
    assert ready.inspector.title.text() == "bn6"
    assert ready.setup.model_card.strip.selected == "bn6"
    qtbot.keyClick(ready, Qt.Key.Key_Escape)
    assert not ready.inspector.isVisible()


def test_that_the_table_is_copied_as_csv(ready: MainWindow, qtbot: QtBot) -> None:
    ready.show_stage("layers")
    ready.layers.words.setText("conv")
    qtbot.mouseClick(ready.layers.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text().count("\n") == 9
    assert "8 layers" in ready.banner.message.text()
    assert ready.layers.footer.text().startswith("8 of 18 layers")
    ready.banner.hide()
