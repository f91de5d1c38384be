"""The empty window: open a model, try the sample, go on with something recent."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.runs import RunSummary
from engine.telling import sentences, units
from gui.icons import icon, pixmap
from gui.theme import GRID, colours, set_role, theme
from gui.widgets.basics import Card, button, clear, label

SHOWN_RECENT = 5


class WelcomePanel(QWidget):
    """What an empty window offers."""

    open_wanted = Signal()
    sample_wanted = Signal()
    model_wanted = Signal(str)
    run_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4 * GRID, 4 * GRID, 4 * GRID, 4 * GRID)
        outer.addStretch(2)
        column = QWidget()
        column.setMaximumWidth(90 * GRID)
        outer.addWidget(column, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(3)
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3 * GRID)
        layout.addWidget(self._drop_zone())
        self._recent = QWidget()
        row = QHBoxLayout(self._recent)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GRID)
        self._models_card, self._models = _list_card("Recent models")
        self._runs_card, self._runs = _list_card("Recent runs")
        row.addWidget(self._models_card, 1)
        row.addWidget(self._runs_card, 1)
        layout.addWidget(self._recent)
        theme().changed.connect(self._restyle)
        self._restyle()
        self.show_recent((), ())

    def _drop_zone(self) -> QFrame:
        frame = QFrame()
        set_role(frame, "drop")
        frame.setMinimumWidth(80 * GRID)
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(6 * GRID, 5 * GRID, 6 * GRID, 5 * GRID)
        layout.setSpacing(GRID)
        self._picture = QLabel()
        self._picture.setAccessibleName("Secateur")
        layout.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(GRID)
        head = label("Make a trained Keras CNN smaller", "display")
        layout.addWidget(head, 0, Qt.AlignmentFlag.AlignHCenter)
        line = label(
            "Drop a model here, .keras or .h5. Secateur removes channels and zeroes weights\n"
            "until only the accuracy you asked for is left.",
            "muted",
        )
        line.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(line)
        layout.addSpacing(2 * GRID)
        row = QHBoxLayout()
        row.setSpacing(GRID + 4)
        row.addStretch(1)
        self.open_button = button(
            "Open a model", self.open_wanted.emit, role="primary", tip="Open a model (Ctrl+O)"
        )
        self.sample_button = button(
            "Try the sample",
            self.sample_wanted.emit,
            tip="A small model of handwritten digits, with its data; a search takes minutes",
        )
        row.addWidget(self.open_button)
        row.addWidget(self.sample_button)
        row.addStretch(1)
        layout.addLayout(row)
        return frame

    def show_recent(self, models: tuple[str, ...], runs: tuple[RunSummary, ...]) -> None:
        """Show recent models and runs; a model that is gone is greyed."""
        clear(self._models)
        clear(self._runs)
        for path in models[:SHOWN_RECENT]:
            made = self._link(Path(path).name, path, "layers")
            made.clicked.connect(lambda _checked=False, p=path: self.model_wanted.emit(p))
            if not Path(path).exists():
                made.setEnabled(False)
                made.setToolTip(f"No longer there: {path}")
            self._models.addWidget(made)
        for run in runs[:SHOWN_RECENT]:
            text = f"{run.name}  \u00b7  {describe_run(run)}"
            made = self._link(text, run.path, "history")
            made.clicked.connect(lambda _checked=False, p=run.path: self.run_wanted.emit(p))
            self._runs.addWidget(made)
        self._models.addStretch(1)
        self._runs.addStretch(1)
        self._models_card.setVisible(bool(models))
        self._runs_card.setVisible(bool(runs))
        self._recent.setVisible(bool(models or runs))

    def set_dragging(self, event: QDragEnterEvent | None) -> None:
        """A file hovers over the window, or no longer."""
        self.open_button.setDown(event is not None)

    def _link(self, text: str, tip: str, icon_name: str) -> QPushButton:
        made = QPushButton(text)
        set_role(made, "link")
        made.setAccessibleName(text)
        made.setToolTip(tip)
        made.setCursor(Qt.CursorShape.PointingHandCursor)
        made.setIcon(icon(icon_name, colours().accent, disabled=colours().faint))
        return made

    def _restyle(self) -> None:
        self._picture.setPixmap(pixmap("secateur", "", 56))


def describe_run(run: RunSummary) -> str:
    """A run in some words: how it ended and how much smaller."""
    status = sentences.STATUSES.get(run.status, run.status).lower()
    smaller = units.times(run.params_before, run.nonzero_after)
    return f"{status}, {smaller} smaller" if smaller else status


def _list_card(title: str) -> tuple[Card, QVBoxLayout]:
    card = Card(title)
    body = QVBoxLayout()
    body.setSpacing(0)
    card.body.addLayout(body)
    return card, body
