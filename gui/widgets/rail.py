"""The rail on the left: the stages of the work, one of them in view."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui.icons import icon
from gui.theme import GRID, colours, theme
from gui.widgets.tabs import one_stop


class Rail(QWidget):
    """Buttons of the stages; ``chosen`` tells which one was pressed."""

    chosen = Signal(str)

    def __init__(self, stages: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Stages")
        self.setFixedWidth(11 * GRID)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID // 2, 2 * GRID, GRID // 2, 2 * GRID)
        layout.setSpacing(GRID)
        self._group = one_stop(self, by_mouse=False)
        self._icons: dict[str, str] = {}
        self.buttons: dict[str, QToolButton] = {}
        for number, (key, text, icon_name) in enumerate(stages, start=1):
            made = QToolButton()
            made.setText(text)
            made.setCheckable(True)
            made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            made.setIconSize(QSize(22, 22))
            made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            made.setMinimumHeight(8 * GRID)
            made.setAccessibleName(text)
            made.setToolTip(f"{text} (Alt+{number})")
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            made.clicked.connect(lambda _checked=False, k=key: self.chosen.emit(k))
            self._group.addButton(made)
            self._icons[key] = icon_name
            self.buttons[key] = made
            layout.addWidget(made)
        layout.addStretch(1)
        theme().changed.connect(self._restyle)
        self._restyle()

    def select(self, key: str) -> None:
        """Mark a stage as the one in view."""
        had_focus = any(made.hasFocus() for made in self.buttons.values())
        self.buttons[key].setChecked(True)
        if had_focus:
            self.buttons[key].setFocus()

    def _restyle(self) -> None:
        c = colours()
        for key, made in self.buttons.items():
            made.setIcon(icon(self._icons[key], c.muted, disabled=c.faint, on=c.accent))
