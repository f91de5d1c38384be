"""A message at the top of the window that blocks nothing: what, why, what to do, details."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QToolButton, QVBoxLayout

from gui.icons import icon, pixmap
from gui.theme import GRID, colours, set_role, theme
from gui.widgets.basics import button, label

Kind = Literal["bad", "warn", "good"]
ICONS: dict[Kind, str] = {"bad": "octagon-x", "warn": "triangle-alert", "good": "circle-check"}


@dataclass(frozen=True, slots=True)
class Action:
    """A button of a banner: its words and what it does."""

    text: str
    run: Callable[[], object]


class Banner(QFrame):
    """One message at a time; hidden until there is one. ``hidden`` tells that it went away."""

    hidden = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self._kind: Kind = "bad"
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GRID, GRID + 4, GRID, GRID + 4)
        outer.setSpacing(GRID)
        row = QHBoxLayout()
        row.setSpacing(GRID + 4)
        outer.addLayout(row)
        self._icon = QLabel()
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        row.addLayout(words, 1)
        self.message = label(wrap=True, select=True)
        self.hint = label(role="muted", wrap=True, select=True)
        words.addWidget(self.message)
        words.addWidget(self.hint)
        self._actions = QHBoxLayout()
        self._actions.setSpacing(GRID)
        row.addLayout(self._actions)
        self._details_button = button("Details", self._toggle_details)
        self.close_button = QToolButton()
        self.close_button.setAccessibleName("Dismiss this message")
        self.close_button.setToolTip("Dismiss this message (Esc)")
        self.close_button.clicked.connect(self.hide)
        row.addWidget(self._details_button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setAcceptDrops(False)
        self.details.setAccessibleName("Details of this message")
        self.details.setMaximumHeight(20 * GRID)
        outer.addWidget(self.details)
        theme().changed.connect(self._restyle)
        self.hide()

    def tell(
        self,
        kind: Kind,
        message: str,
        hint: str = "",
        *,
        details: str = "",
        actions: tuple[Action, ...] = (),
    ) -> None:
        """Show a message, in place of the one before."""
        self._kind = kind
        self.message.setText(message)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.details.setPlainText(details)
        self.details.hide()
        self._details_button.setVisible(bool(details))
        while (item := self._actions.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        for action in actions:
            self._actions.addWidget(
                button(action.text, partial(self._do, action)), 0, Qt.AlignmentFlag.AlignTop
            )
        self.setAccessibleName(f"{message} {hint}".strip())
        self._restyle()
        self.show()

    def action_texts(self) -> list[str]:
        """Words of the buttons on show."""
        found = []
        for index in range(self._actions.count()):
            item = self._actions.itemAt(index)
            widget = None if item is None else item.widget()
            if widget is not None:
                found.append(widget.accessibleName())
        return found

    def click_action(self, index: int = 0) -> None:
        """Press one of the buttons."""
        item = self._actions.itemAt(index)
        widget = None if item is None else item.widget()
        if widget is not None and hasattr(widget, "click"):
            widget.click()

    def hide_if_good(self) -> None:
        """Take a message of success away; problems stay until dismissed."""
        if self._kind == "good":
            self.hide()

    def hideEvent(self, event: QHideEvent) -> None:
        """Qt: tell that the banner went away."""
        super().hideEvent(event)
        if self.isHidden():
            self.hidden.emit()

    def _do(self, action: Action) -> None:
        self.hide()
        action.run()

    def _toggle_details(self) -> None:
        self.details.setVisible(self.details.isHidden())

    def _restyle(self) -> None:
        c = colours()
        tint = {"bad": c.bad, "warn": c.warn, "good": c.good}[self._kind]
        set_role(self, f"banner-{self._kind}")
        self._icon.setPixmap(pixmap(ICONS[self._kind], tint, 20))
        self.close_button.setIcon(icon("x", c.text))
