"""Where a point's label stands, and that the log begins with a whole row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, QSizeF
from pytestqt.qtbot import QtBot

from gui.main_window import MainWindow
from gui.views.plots import ANCHORS, clear_anchor

ROOM = QRectF(0, 0, 400, 200)
SIZE = QSizeF(80, 16)
MIDDLE = QPointF(200, 100)


def line(y: float) -> QRectF:
    return QRectF(0, y - 1, 400, 2)


@pytest.mark.parametrize(
    ("at", "taken", "wanted"),
    [
        (MIDDLE, [], ANCHORS[0]),
        (MIDDLE, [line(88)], ANCHORS[2]),
        (MIDDLE, [line(88), QRectF(140, 110, 12, 12)], ANCHORS[3]),
        (MIDDLE, [line(88), line(112)], ANCHORS[4]),
        (QPointF(20, 100), [], ANCHORS[1]),
        (QPointF(20, 100), [line(88)], ANCHORS[3]),
        (QPointF(200, 5), [line(190)], ANCHORS[2]),
    ],
)
def test_that_a_label_covers_neither_lines_nor_points(
    at: QPointF, taken: list[QRectF], wanted: tuple[float, float]
) -> None:
    assert clear_anchor(at, SIZE, ROOM, taken) == wanted


def test_that_the_log_begins_with_a_whole_row_and_ends_with_the_last(
    ready: MainWindow, qtbot: QtBot, part: Callable[[str], None]
) -> None:
    part("whole")
    ready.session.start()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    log = ready.search.log
    last = ready.search.log_model.index(ready.search.log_model.rowCount() - 1, 0)
    for height in (680, 731, 800, 957):
        ready.resize(1280, height)
        qtbot.wait(60)
        bar = log.verticalScrollBar()
        assert bar.value() == bar.maximum() > 0, "it follows"
        first = log.indexAt(QPoint(40, 8))
        assert log.visualRect(first).top() >= 0, "no row is clipped"
        assert log.visualRect(last).bottom() <= log.viewport().height()


def test_that_the_device_is_told_where_the_engine_s_field_is_pointed_at(
    ready: MainWindow, qtbot: QtBot, part: Callable[[str], None]
) -> None:
    part("whole")
    ready.session.start()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    field = ready.status.fields["engine"]
    assert field.text() == "engine: not running"
    assert field.toolTip() == field.accessibleDescription() == "CPU, 2 cores"
