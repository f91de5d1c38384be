"""No words are cut off, at the smallest size of the window and at the usual one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from gui.main_window import STAGES, MainWindow


def cut_off(window: MainWindow) -> Iterator[str]:
    """Words on show that have less room than they need."""
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or not isinstance(widget, QAbstractButton | QLabel | QComboBox):
            continue
        text = widget.currentText() if isinstance(widget, QComboBox) else widget.text()
        if not text or (isinstance(widget, QToolButton) and widget.objectName().startswith("qt_")):
            continue
        needed = widget.minimumSizeHint()
        if isinstance(widget, QLabel) and widget.wordWrap():
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
