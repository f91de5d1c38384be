"""Figures side by side, the number large under its small name; they wrap where it is narrow."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui.theme import GRID
from gui.widgets.basics import Wrapping, clear, label


class Numbers(Wrapping):
    """Some figures, each with its name above it."""

    def __init__(self) -> None:
        super().__init__(gap=3 * GRID)
        self._shown: tuple[tuple[str, str], ...] = ()

    def show_pairs(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Show these figures."""
        if pairs == self._shown:
            return
        clear(self.flow)
        for name, text in pairs:
            pair = QWidget()
            column = QVBoxLayout(pair)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(2)
            value = label(text, "value", select=True)
            value.setAccessibleName(name)
            column.addWidget(label(name, "small"))
            column.addWidget(value)
            self.flow.addWidget(pair)
        self._shown = pairs
        self.updateGeometry()

    def text(self) -> str:
        """The figures as lines."""
        return "\n".join(f"{name}\t{value}" for name, value in self._shown)
