"""Preferences: what is chosen once. Not modal, and each change holds at once."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from engine.runs import default_base
from gui.menus import LOOKS
from gui.settings import RECENT_LIMIT, Settings
from gui.theme import GRID
from gui.widgets.basics import button, label
from gui.widgets.fields import Choice, FieldGrid, Whole


class PreferencesDialog(QDialog):
    """Shows and changes the settings.

    Attributes
    ----------
    look_chosen
        The look, as the settings name it.
    changed
        Anything else was changed.
    """

    look_chosen = Signal(str)
    changed = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setWindowTitle("Preferences")
        self.resize(80 * GRID, 46 * GRID)
        self.look = Choice(LOOKS)
        self.runs_folder = QLineEdit()
        self.runs_folder.setPlaceholderText(str(default_base()))
        self.runs_folder.setAcceptDrops(False)
        self.recent = Whole(0, RECENT_LIMIT, " files", auto="None")
        self.ask_close = QCheckBox("Ask before a search is stopped by closing the window")
        self.ask_delete = QCheckBox("Ask before a run is moved to the trash")
        self.choose_button = button("Choose", self._choose, tip="Choose the folder of runs")
        self.forget_button = button(
            "Forget them now", self._forget, tip="Empty the lists of recent models and data"
        )
        form = QWidget()
        grid = FieldGrid(form)
        grid.setColumnStretch(4, 0)
        help_ = "Where searches are kept; empty: secateur-runs where Secateur was started"
        grid.add_field(0, 0, "Look", self.look, "Colours of the window")
        grid.add_field(1, 0, "Runs folder", self.runs_folder, help_)
        grid.addWidget(self.choose_button, 1, 3)
        grid.add_field(2, 0, "Recent files", self.recent, "How many are listed, Ctrl+1 to Ctrl+9")
        grid.addWidget(self.forget_button, 2, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        layout.setSpacing(2 * GRID)
        layout.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)  # wrapped words
        layout.addWidget(form)
        for box in (self.ask_close, self.ask_delete):
            box.setAccessibleName(box.text())
            layout.addWidget(box)
        layout.addWidget(label(f"Kept in {settings.path}", "small", wrap=True, select=True))
        layout.addStretch(1)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button("Close", self.accept, role="primary"))
        layout.addLayout(row)
        self._show()
        self.look.edited.connect(lambda: self.look_chosen.emit(self.look.currentData()))
        self.runs_folder.editingFinished.connect(self._on_folder)
        self.recent.valueChanged.connect(self._on_edit)
        self.ask_close.toggled.connect(self._on_edit)
        self.ask_delete.toggled.connect(self._on_edit)

    def _show(self) -> None:
        settings, folder = self._settings, self._settings.runs_folder()
        self.look.set_value(settings.look())
        self.runs_folder.setText("" if folder is None else str(folder))
        self.recent.setValue(settings.recent_count())
        self.ask_close.setChecked(settings.flag("ask_close"))
        self.ask_delete.setChecked(settings.flag("ask_delete"))

    def _choose(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of runs", self.runs_folder.text())
        if name:
            self.runs_folder.setText(name)
            self._on_folder()

    def _on_folder(self) -> None:
        text = self.runs_folder.text().strip()
        path = Path(text).expanduser().absolute() if text else None
        if path != self._settings.runs_folder():
            self._settings.set_runs_folder(path)
            self.changed.emit()

    def _on_edit(self) -> None:
        self._settings.set_recent_count(self.recent.value())
        self._settings.set_flag("ask_close", self.ask_close.isChecked())
        self._settings.set_flag("ask_delete", self.ask_delete.isChecked())
        self.changed.emit()

    def _forget(self) -> None:
        self._settings.forget_recent()
        self.changed.emit()
