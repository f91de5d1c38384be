"""A row of tabs: words, one of which is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QPushButton, QWidget

from gui.theme import GRID
from gui.widgets.basics import button


def one_stop(parent: QWidget, *, by_mouse: bool) -> QButtonGroup:
    """A group of buttons one of which is chosen, and which Tab comes by, at that one.

    Qt gives the stop to the button that had the focus last, whatever was chosen since. ``by_mouse``
    says whether a click moves the focus there.
    """
    policies = Qt.FocusPolicy
    here = policies.StrongFocus if by_mouse else policies.TabFocus
    elsewhere = policies.ClickFocus if by_mouse else policies.NoFocus
    group = QButtonGroup(parent)

    def follow(changed: QAbstractButton, chosen: bool) -> None:
        changed.setFocusPolicy(here if chosen else elsewhere)

    group.buttonToggled.connect(follow)
    return group


class TabRow(QWidget):
    """``chosen`` carries the number of the tab that a person chose."""

    chosen = Signal(int)

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GRID)
        self._group = one_stop(self, by_mouse=True)
        self.tabs: list[QPushButton] = []
        for number, text in enumerate(texts):
            tab = button(text, partial(self._on_clicked, number), role="tab")
            tab.setCheckable(True)
            tab.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
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
