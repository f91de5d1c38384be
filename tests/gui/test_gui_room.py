"""No words are cut off, at the smallest size of the window and at the usual one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from gui.main_window import STAGES, MainWindow
from gui.widgets.status import Abridged


def cut_off(window: MainWindow) -> Iterator[str]:
    """Words on show that have less room than they need."""
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or not isinstance(widget, QAbstractButton | QLabel | QComboBox):
            continue
        text = widget.currentText() if isinstance(widget, QComboBox) else widget.text()
        if not text or (isinstance(widget, QToolButton) and widget.objectName().startswith("qt_")):
            continue
        needed = widget.minimumSizeHint()
        if isinstance(widget, Abridged):
            if widget.shown().endswith("\u2026"):
                yield f"{text!r}: {widget.shown()!r}"
        elif isinstance(widget, QLabel) and widget.wordWrap():
            if widget.height() < widget.heightForWidth(widget.width()):
                yield f"{text!r}: {widget.height()} high of {widget.heightForWidth(widget.width())}"
        elif widget.width() < needed.width() or widget.height() < needed.height():
            yield f"{text!r}: {widget.size().toTuple()} of {needed.toTuple()}"


def settle(window: MainWindow, qtbot: QtBot, stage: str) -> None:
    """Fail where words are still cut off when layouts have had the time of a slow machine."""
    qtbot.wait(100)

    def nothing_is_cut_off() -> None:
        assert [*cut_off(window)] == [], stage

    qtbot.waitUntil(nothing_is_cut_off, timeout=3000)


@pytest.mark.parametrize("size", [(1040, 680), (1280, 800)])
def test_that_no_words_are_cut_off(
    ready: MainWindow, qtbot: QtBot, part: Callable[[str], None], size: tuple[int, int]
) -> None:
    part("whole")
    ready.resize(*size)
    ready.session.start()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    for selected in (False, True):
        if selected:
            ready.search.trial_chosen.emit(10)
        for stage, _, _ in STAGES:
            ready.show_stage(stage)
            settle(ready, qtbot, f"{stage}, {selected}")
    ready.show_stage("search")
    ready.menus.actions["new_goal"].trigger()
    settle(ready, qtbot, "new goal")


BUSY = {
    "phase": "Balancing channels and weights",
    "time": "less than a minute left",
    "trials": "12 fine-tunes, 345 probes in 2 h 12 min",
    "best": "best so far: 12.3 k parameters (123x fewer), 91.2 % balanced accuracy",
    "best_in_short": "best: 123x fewer, 91.2 %",
    "engine": "engine: running on CPU",
}


@pytest.mark.parametrize(("width", "whole"), [(1040, False), (1440, True)])
def test_that_a_busy_status_bar_has_room_for_all_it_says(
    window: MainWindow, qtbot: QtBot, width: int, whole: bool
) -> None:
    window.resize(width, 680)
    qtbot.wait(50)
    window.status.show_fields(**BUSY)
    QApplication.processEvents()
    fields = window.status.fields
    best = fields["best"]
    assert isinstance(best, Abridged)
    assert best.shown() == BUSY["best" if whole else "best_in_short"]
    assert best.toolTip() == ("" if whole else BUSY["best"])
    assert [*cut_off(window)] == []
    assert max(field.geometry().right() for field in fields.values()) < window.status.width()


def test_that_words_without_room_are_cut_short_and_told_where_pointed_at(qtbot: QtBot) -> None:
    line = Abridged()
    qtbot.addWidget(line)
    line.show()
    line.resize(60, 20)
    line.set_texts("best so far: 12.3 k parameters", "best: 123x fewer")
    assert line.shown().startswith("best")
    assert line.shown().endswith("\u2026")
    assert line.toolTip() == "best so far: 12.3 k parameters"
    line.resize(800, 20)
    assert (line.shown(), line.toolTip()) == (line.text(), "")
