"""The window's few dialogs: one question, the preferences, the list of shortcuts.

Owns that they are made when asked for and gone when closed; only the question is modal.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QMessageBox, QWidget

from gui.settings import Settings
from gui.views.preferences import PreferencesDialog
from gui.views.shortcuts import ShortcutsDialog


def confirmed(parent: QWidget, question: str, why: str, yes: str) -> bool:
    """Ask before something that cannot be undone; ``yes`` is the button that does it."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(question)
    box.setInformativeText(why)
    accept = box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.exec()
    return box.clickedButton() is accept


def show_preferences(parent: QWidget, settings: Settings) -> PreferencesDialog:
    """Show the preferences."""
    dialog = PreferencesDialog(settings, parent)
    _show(dialog)
    return dialog


def show_shortcuts(parent: QWidget, actions: Iterable[QAction]) -> None:
    """Show what the keys do."""
    _show(ShortcutsDialog(actions, parent))


def _show(dialog: QDialog) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.show()
