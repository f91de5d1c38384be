"""Will pruning help? A button and its answer, measured by `secateur preflight` in seconds."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.errors import ErrorInfo
from engine.telling.gain import gain_lines, gain_table
from gui.commands import JsonCommand, gain_command
from gui.session import Session
from gui.theme import GRID
from gui.widgets.basics import Facts, button, label

TIMEOUT_S = 600.0


class GainLine(QWidget):
    """Asks for the model that is open; an answer for another model is dropped."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._asked: int | None = None
        self._model: str | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        row = QHBoxLayout()
        self.ask_button = button(
            "Will it help?",
            self.ask,
            tip="Measures narrower copies on this computer, without data, in some seconds",
        )
        self.busy = label("", "muted")
        row.addWidget(self.ask_button)
        row.addWidget(self.busy)
        row.addStretch(1)
        layout.addLayout(row)
        self.answer = label("", wrap=True, select=True)
        self.answer.setAccessibleName("What pruning can gain")
        self.answer.hide()
        self.copies = Facts()
        self.copies.hide()
        layout.addWidget(self.answer)
        layout.addWidget(self.copies)
        session.wishes_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Forget the answer of a model that is no longer open."""
        model = self._session.wishes.model
        path = None if model is None else model.path
        self.setVisible(model is not None)
        if path != self._model:
            self._model, self._asked = path, None
            self.answer.hide()
            self.copies.hide()
            self._show_busy()

    def ask(self) -> None:
        """Measure."""
        model = self._session.wishes.model
        if model is None or self._asked is not None:
            return
        arguments = gain_command(model)
        command = JsonCommand(arguments, timeout_s=TIMEOUT_S)
        self._asked = self._session.tasks.start(
            command.run, self._on_measured, self._on_failed, command.kill
        )
        self._show_busy()

    def _on_measured(self, task: int, answer: dict[str, Any]) -> None:
        if task != self._asked:
            return
        self._asked = None
        self.answer.setText("\n".join(gain_lines(answer)))
        self.copies.show_pairs(
            tuple(
                (
                    f"{row[0]} of the channels",
                    f"{row[2]} and {row[5]} as TFLite, {row[4]} and {row[6]} in int8",
                )
                for row in gain_table(answer)[1:]
            )
        )
        self.answer.show()
        self.copies.show()
        self._show_busy()

    def _on_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._asked:
            self._asked = None
            self._show_busy()
            self._session.failed.emit(error, False)

    def _show_busy(self) -> None:
        self.ask_button.setEnabled(self._asked is None)
        self.busy.setText("" if self._asked is None else "Measuring narrower copies \u2026")
