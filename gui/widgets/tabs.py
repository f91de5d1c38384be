"""A row of tabs: words, one of which is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from gui.theme import GRID
from gui.widgets.basics import button


class TabRow(QWidget):
    """``chosen`` carries the number of the tab that a person chose."""

    chosen = Signal(int)

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GRID)
        self._group = QButtonGroup(self)
        self.tabs: list[QPushButton] = []
        for number, text in enumerate(texts):
            tab = button(text, partial(self._on_clicked, number), role="tab")
            tab.setCheckable(True)
            self._group.addButton(tab)
            self.tabs.append(tab)
            row.addWidget(tab)
        self.tabs[0].setChecked(True)

    @property
    def current(self) -> int:
        """Number of the tab in force."""
        return next(i for i, tab in enumerate(self.tabs) if tab.isChecked())

    def turn(self, number: int) -> None:
        """Choose a tab, without a signal."""
        self.tabs[number].setChecked(True)

    def _on_clicked(self, number: int) -> None:
        self.chosen.emit(number)
