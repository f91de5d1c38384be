"""The keyboard's way through each stage: Tab comes by every control that can be used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from engine.runs import list_runs
from gui.main_window import STAGES, MainWindow
from gui.views.preferences import PreferencesDialog
from gui.widgets.heat import HeatMap
from gui.widgets.strip import LayerStrip

Part = Callable[[str], None]
CONTROLS = (
    QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QAbstractItemView, QPlainTextEdit,
    LayerStrip, HeatMap,
)  # fmt: skip


@pytest.fixture
def finished(ready: MainWindow, qtbot: QtBot, part: Part) -> MainWindow:
    """A window with a search that has ended, all its folds open."""
    part("whole")
    ready.setup.data_card.more.fold.button.click()
    ready.setup.goal_card.more.click()
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    qtbot.waitUntil(lambda: len(list_runs()) == ready.runs.model.rowCount(), timeout=10_000)
    return ready


def usable(page: QWidget) -> list[QWidget]:
    """Controls of a page that a mouse could use now; parts of controls are left out."""
    return [
        w
        for w in page.findChildren(QWidget)
        if isinstance(w, CONTROLS)
        and w.isVisible()
        and w.isEnabled()
        and not isinstance(w, QHeaderView)
        and not w.objectName().startswith("qt_")
        and not isinstance(w.parent(), CONTROLS)
        and not is_other_tab(w)
    ]


def is_other_tab(widget: QWidget) -> bool:
    """Buttons of one group are one stop: arrows move among them."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return group is not None and group.exclusive() and group.checkedButton() is not widget


def walk(window: QWidget) -> list[QWidget]:
    """Widgets that Tab comes by, from one on until it comes round."""
    seen: list[QWidget] = []
    for _ in range(300):
        window.focusNextPrevChild(True)
        now = window.focusWidget()
        if now is None or now in seen:
            break
        seen.append(now)
    return seen


@pytest.mark.parametrize("stage", [key for key, _, _ in STAGES])
def test_that_tab_comes_by_every_control_of_a_stage(
    finished: MainWindow, qtbot: QtBot, stage: str
) -> None:
    finished.activateWindow()
    finished.show_stage(stage)
    qtbot.wait(50)
    page = finished.stages.currentWidget()
    wanted = usable(page)
    assert len(wanted) >= 3
    nameless = [type(w).__name__ for w in wanted if not w.accessibleName()]
    assert nameless == []
    seen = walk(finished)
    missed = [f"{type(w).__name__} {w.accessibleName()!r}" for w in wanted if w not in seen]
    assert missed == []


def test_that_arrows_move_among_the_tabs_and_tab_comes_by_the_chosen_one(
    finished: MainWindow, qtbot: QtBot
) -> None:
    finished.activateWindow()
    finished.show_stage("search")
    tabs = finished.search.measured.tabs
    for number in (1, 0, 1):
        tabs.turn(number)
        assert [tab for tab in walk(finished) if tab in tabs.tabs] == [tabs.tabs[number]]
    tabs.tabs[1].setFocus()
    qtbot.keyClick(tabs.tabs[1], Qt.Key.Key_Left)
    assert tabs.tabs[0].hasFocus()
    assert finished.search.measured.pages.currentIndex() == tabs.current == 0


def test_that_tab_comes_by_every_preference(window: MainWindow, qtbot: QtBot) -> None:
    dialog = PreferencesDialog(window.settings)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.activateWindow()
    seen = walk(dialog)
    assert [w.accessibleName() for w in usable(dialog) if w not in seen] == []
    assert all(w.accessibleName() for w in usable(dialog))


def test_that_a_search_is_run_and_exported_without_a_mouse(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("whole")
    ready.activateWindow()
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(ready, Qt.Key.Key_R, control)
    assert ready.session.searching
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    qtbot.keyClick(ready, Qt.Key.Key_E, control)
    assert ready.stage == "export"
    assert ready.export.export_button in walk(ready)
    qtbot.keyClick(ready, Qt.Key.Key_6, Qt.KeyboardModifier.AltModifier)
    assert ready.stage == "runs"
