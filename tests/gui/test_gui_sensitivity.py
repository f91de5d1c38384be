"""The sensitivity heat map: filled in from events, read by pointer and keys, linked to layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from engine.runstate import fold_all
from engine.telling.sensitivity import KEEPS, at_half, heat
from gui.main_window import MainWindow
from gui.models.layers import COLUMNS
from gui.views.measured import LOSS, SENSITIVITY, MeasuredCard
from gui.widgets.heat import HeatMap, tint
from tests.gui import story

Part = Callable[[str], None]


def played(window: MainWindow, qtbot: QtBot, part: Part) -> None:
    part("whole")
    window.setup.start_button.click()
    qtbot.waitUntil(lambda: not window.session.searching, timeout=20_000)


def test_that_columns_are_the_widths_that_the_engine_probes() -> None:
    from engine.search.sensitivity import LADDER

    assert KEEPS == LADDER


def test_that_each_group_is_a_row_named_after_its_first_producer() -> None:
    table = heat(fold_all([*story.beginning(), *story.sensitivity()]))
    assert [row.name for row in table.rows] == [f"conv{i}" for i in range(1, 9)]
    assert table.rows[0].layers == ("conv1", "bn1")
    assert table.rows[0].channels == 32
    assert [None if p is None else p.keep for p in table.rows[0].cells] == [
        0.75, 0.5, 0.3125, 0.15625, 0.09375,
    ]  # fmt: skip
    first = table.rows[0].cells
    assert first[-1] is not None
    assert table.worst == first[-1].value
    assert table.badness(first[-1].value) == 1.0


def test_that_a_loss_metric_turns_the_scale_and_no_number_is_left_out() -> None:
    events = [*story.beginning(), *story.sensitivity()]
    state = fold_all(events)
    assert state.baseline is not None
    broken = replace(state.sensitivity[0], value=math.nan)
    state = replace(
        state,
        baseline=replace(state.baseline, metric="mae", higher_is_better=False),
        sensitivity=(broken, *state.sensitivity[1:]),
    )
    table = heat(state)
    assert table.rows[0].cells[0] is None
    assert table.worst is not None
    assert table.best is not None
    assert table.worst > table.best
    assert table.badness(table.best) == 0.0


def test_that_the_map_fills_in_while_groups_are_probed(qtbot: QtBot) -> None:
    shown = HeatMap()
    qtbot.addWidget(shown)
    events = story.sensitivity()
    shown.show_heat(heat(fold_all([*story.beginning(), *events[:7]])))
    assert len(shown.heat.rows) == 2
    before = shown.sizeHint().height()
    shown.show_heat(heat(fold_all([*story.beginning(), *events])))
    assert shown.sizeHint().height() > before
    shown.resize(400, shown.sizeHint().height())
    assert "24 of 32 channels left" in shown.text_at(shown.cell_rect(0, 0).center())
    assert "nats" in shown.text_at(shown.cell_rect(0, 4).center())
    assert shown.text_at(shown.cell_rect(0, 0).topLeft().toPoint().toPointF() * 0) == ""
    assert tint(0.0).lightness() > tint(1.0).lightness() + 60


def test_that_choosing_a_row_chooses_the_layer_in_strip_and_table(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    played(ready, qtbot, part)
    card = ready.search.measured
    assert len(card.heat.heat.rows) == 8
    card.tabs.tabs[SENSITIVITY].click()
    assert card.pages.currentIndex() == SENSITIVITY
    place = card.heat.cell_rect(2, 1).center().toPoint()
    qtbot.mouseClick(card.heat, Qt.MouseButton.LeftButton, pos=place)
    assert card.heat.selected == "g3"
    assert ready.search.strip.selected == "conv3"
    assert ready.inspector.title.text() == "conv3"
    assert ready.layers.table.currentIndex().siblingAtColumn(0).data() == "conv3"
    card.heat.setFocus()
    qtbot.keyClick(card.heat, Qt.Key.Key_Down)
    assert ready.search.strip.selected == "conv4"
    bar = ready.search.strip.bar_rect(0).center().toPoint()
    qtbot.mouseClick(ready.search.strip, Qt.MouseButton.LeftButton, pos=QPoint(bar))
    assert card.heat.selected == "g1", "the strip selects in the map too"


def test_that_the_layer_table_has_the_sensitivity(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    played(ready, qtbot, part)
    halves = at_half(ready.session.state)
    column = [c.head for c in COLUMNS].index("Sensitivity")
    model = ready.layers.model
    rows = {
        model.index(r, 0).data(): model.index(r, column).data() for r in range(len(model.layers))
    }
    assert rows["conv1"] == rows["bn1"] == f"{halves['g1']:.2g}"
    assert rows["predictions"] == "\u2013"
    head, first = ready.layers.csv_text().splitlines()[0], ready.layers.csv_text().splitlines()[2]
    assert first.split(",")[head.split(",").index("sensitivity")] == str(halves["g1"])


def test_that_words_beside_the_tabs_ask_for_no_room_and_are_never_cut_off(qtbot: QtBot) -> None:
    place = QWidget()
    qtbot.addWidget(place)
    card = MeasuredCard()
    card.setParent(place)
    place.show()
    narrow = card.minimumSizeHint().width()
    card.say("fine-tune 11")
    assert card.minimumSizeHint().width() == narrow
    for width in (narrow, 2 * narrow, narrow + 9):
        card.resize(width, 300)
        qtbot.wait(20)
        room, needed = card.note.width(), card.note.minimumSizeHint().width()
        assert card.note.text() == ("fine-tune 11" if width == 2 * narrow else "")
        assert not card.note.text() or room >= needed


def test_that_loss_is_in_view_while_fine_tuning_until_a_person_chooses(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("obey")
    ready.setup.start_button.click()
    card = ready.search.measured
    qtbot.waitUntil(lambda: card.note.text() == "fine-tune 11", timeout=20_000)
    assert card.pages.currentIndex() == LOSS
    card.tabs.tabs[SENSITIVITY].click()
    qtbot.wait(250)
    assert card.pages.currentIndex() == SENSITIVITY
    ready.session.stop()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
