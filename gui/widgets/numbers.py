"""Figures side by side, the number large under its small name."""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QWidget

from gui.theme import GRID
from gui.widgets.basics import clear, label


class Numbers(QWidget):
    """Some figures side by side: the number large, its name small above it."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, GRID // 2, 0, GRID // 2)
        self._grid.setHorizontalSpacing(3 * GRID)
        self._grid.setVerticalSpacing(2)
        self._shown: tuple[tuple[str, str], ...] = ()

    def show_pairs(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Show these figures."""
        if pairs == self._shown:
            return
        clear(self._grid)
        for column, (name, text) in enumerate(pairs):
            value = label(text, "value", select=True)
            value.setAccessibleName(name)
            self._grid.addWidget(label(name, "small"), 0, column)
            self._grid.addWidget(value, 1, column)
            self._grid.setColumnStretch(column, 0)
        self._grid.setColumnStretch(len(pairs), 1)
        for column in range(len(pairs) + 1, len(self._shown) + 1):
            self._grid.setColumnStretch(column, 0)
        self._shown = pairs

    def text(self) -> str:
        """The figures as lines."""
        return "\n".join(f"{name}\t{value}" for name, value in self._shown)
