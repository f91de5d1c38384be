"""Preferences, the list of keys, and what the settings make of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QSplitter,
    QWidget,
)
from pytestqt.qtbot import QtBot

from gui.main_window import MainWindow
from gui.resources import sample_model
from gui.settings import Settings
from gui.theme import theme
from gui.views.preferences import PreferencesDialog
from gui.views.shortcuts import ShortcutsDialog

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


def dialog_of(window: MainWindow) -> PreferencesDialog:
    window.menus.actions["preferences"].trigger()
    found = window.findChild(PreferencesDialog)
    assert isinstance(found, PreferencesDialog)
    return found


def test_that_preferences_hold_at_once_and_are_remembered(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = dialog_of(window)
    assert not dialog.isModal()
    dialog.look.setCurrentIndex(dialog.look.findData("dark"))
    assert theme().choice == "dark"
    assert window.menus.actions["look_dark"].isChecked()
    runs = tmp_path / "my runs"
    dialog.runs_folder.setText(str(runs))
    dialog.runs_folder.editingFinished.emit()
    assert window.session.runs_base == runs
    qtbot.waitUntil(lambda: window.runs.place.toolTip() == str(runs), timeout=5_000)
    dialog.ask_close.click()
    dialog.ask_delete.click()
    for number in range(5):
        window.settings.add_recent("models", f"/{number}.keras")
    dialog.recent.setValue(2)
    assert window.settings.recent("models") == ("/4.keras", "/3.keras")
    assert len(window.menus.recent.actions()) == 2
    window.settings.sync()
    settings = Settings()
    assert (settings.look(), settings.runs_folder()) == ("dark", runs)
    assert not settings.flag("ask_close")
    assert not settings.flag("ask_delete")
    dialog.forget_button.click()
    assert window.settings.recent("models") == ()
    assert not window.menus.recent.isEnabled()
    dialog.runs_folder.clear()
    dialog.runs_folder.editingFinished.emit()
    assert window.session.runs_base is None
    dialog.accept()
    window.choose_look("system")


def test_that_a_chosen_runs_folder_is_where_searches_go(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = dialog_of(ready)
    dialog.runs_folder.setText(str(tmp_path / "elsewhere"))
    dialog.runs_folder.editingFinished.emit()
    dialog.accept()
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    run = ready.session.run
    assert run is not None
    assert run.parent == tmp_path / "elsewhere"
    assert (run / "journal.jsonl").is_file()


def test_that_closing_in_a_search_asks_only_where_wished(ready: MainWindow) -> None:
    asked: list[str] = []
    ready.confirm = lambda question, *_: bool(asked.append(question))
    ready.settings.set_flag("ask_close", False)
    ready.setup.start_button.click()
    ready.close()
    assert asked == []
    assert not ready.isVisible()


def test_that_every_key_of_the_menus_is_in_the_list(window: MainWindow) -> None:
    window.menus.actions["shortcuts"].trigger()
    dialog = window.findChild(ShortcutsDialog)
    assert isinstance(dialog, ShortcutsDialog)
    text = dialog.keys.text()
    for action in window.menus.actions.values():
        if not action.shortcut().isEmpty():
            assert action.shortcut().toString() in text
    assert "Layer strip" in text
    dialog.accept()


def test_that_menus_have_the_standard_roles(window: MainWindow) -> None:
    roles = {name: window.menus.actions[name].menuRole() for name in window.menus.actions}
    assert roles["quit"] == QAction.MenuRole.QuitRole
    assert roles["about"] == QAction.MenuRole.AboutRole
    assert roles["preferences"] == QAction.MenuRole.PreferencesRole


def test_that_place_and_splitters_are_where_they_were_left(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.resize(1400, 900)
    splitter = next(
        s for s in window.search.findChildren(QSplitter) if s.objectName() == "split_middle"
    )
    splitter.setSizes([300, 700])
    state = splitter.saveState()
    window.close()
    again = MainWindow()
    qtbot.addWidget(again)
    same = next(s for s in again.search.findChildren(QSplitter) if s.objectName() == "split_middle")
    assert again.settings.geometry() is not None
    assert same.saveState() == state
    again.close()


def test_that_ctrl_and_a_number_open_a_recent_model(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    for name in ("old", "new"):
        path = tmp_path / f"{name}.keras"
        path.write_bytes(sample_model().read_bytes())
        window.settings.add_recent("models", str(path))
    window.session.verbs_changed.emit()
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    assert window.session.wishes.model is not None
    assert window.session.wishes.model.name == "old"


def test_that_every_field_of_the_set_up_has_help(window: MainWindow) -> None:
    fields = (QComboBox, QAbstractSpinBox, QLineEdit, QCheckBox)
    without = [
        w.accessibleName()
        for w in window.setup.findChildren(QWidget)
        if isinstance(w, fields)
        and not isinstance(w.parent(), fields)
        and not w.toolTip()
        and not w.objectName().startswith("qt_")
    ]
    assert without == []
