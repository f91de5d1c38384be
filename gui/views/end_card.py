"""The end of a run as a card: what you now hold, what it cost, what to do with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QWidget

from engine.runs import MODEL
from engine.runstate import RunState
from engine.telling import sentences
from engine.telling.ending import beside_words, end_numbers, end_words
from gui.theme import GRID, set_role
from gui.views.new_goal import NewGoalRow
from gui.widgets.basics import Card, button, label
from gui.widgets.numbers import Numbers


class EndCard(Card):
    """Shown when a run has ended; hidden otherwise."""

    export_wanted = Signal()
    resume_wanted = Signal()
    goal_wanted = Signal(object)
    copied = Signal(str)

    def __init__(self) -> None:
        super().__init__("Run")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.head = label("", "heading", select=True)
        self.chip = label("", "chip")
        row.addWidget(self.head)
        row.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        self.body.addLayout(row)
        self.numbers = Numbers()
        self.body.addWidget(self.numbers)
        self.verdict = label("", "muted", wrap=True, select=True)
        self.body.addWidget(self.verdict)
        self._verbs = QWidget()
        row = QHBoxLayout(self._verbs)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addStretch(1)
        self.resume_button = button("Resume", self.resume_wanted.emit, tip="Go on with this run")
        self.goal_button = button(
            "New goal", self.ask_goal, tip="Search on for another floor, from these trials (Ctrl+G)"
        )
        self.folder_button = button("Open the folder", self._open_folder)
        self.copy_button = button(
            "Copy the line that loads it", self._copy_line, tip="Python, for the clipboard"
        )
        self.export_button = button("Export", self.export_wanted.emit, role="primary", tip="Ctrl+E")
        for made in (
            self.resume_button,
            self.goal_button,
            self.folder_button,
            self.copy_button,
            self.export_button,
        ):
            row.addWidget(made)
        self.body.addWidget(self._verbs)
        self.goal = NewGoalRow()
        self.goal.shown.connect(self._verbs.setHidden)
        self.goal.wanted.connect(self.goal_wanted)
        self.body.addWidget(self.goal)
        self._state = RunState()
        self._run: Path | None = None
        self.hide()

    def ask_goal(self) -> None:
        """Offer target and tolerance to be changed."""
        if not self.goal_button.isHidden():
            self.goal.ask(self._state)

    def show_end(
        self, state: RunState, run: Path | None, *, can_resume: bool, can_set_goal: bool
    ) -> None:
        """Show how a run ended; nothing while it goes on."""
        ended = state.status in ("met", "not_met", "stopped", "failed")
        self.setVisible(ended)
        if not ended:
            return
        if run != self._run:
            self.goal.close_row()
        self._run, self._state = run, state
        self.title.setText("" if run is None else run.name)
        self.head.setText(sentences.headline(state))
        self.chip.setText(sentences.status(state))
        good = state.status == "met"
        set_role(self, "card-good" if good else "card")
        set_role(self.chip, "chip-good" if good else "chip-warn")
        if state.status == "failed":
            set_role(self.chip, "chip-bad")
        self.head.setToolTip(self.head.text())
        self.numbers.show_pairs(end_numbers(state))
        said = (end_words(state), beside_words(state))
        self.verdict.setText(" ".join(words for words in said if words))
        has_model = self.model_path() is not None
        self.export_button.setVisible(has_model)
        self.copy_button.setVisible(has_model)
        self.folder_button.setVisible(run is not None)
        self.resume_button.setVisible(can_resume)
        self.goal_button.setVisible(can_set_goal)

    def model_path(self) -> Path | None:
        """The model that the run ended with, None where there is none."""
        path = None if self._run is None else self._run / MODEL
        return path if path is not None and path.is_file() else None

    def load_line(self) -> str:
        """The line of Python that loads the model."""
        return f'model = keras.models.load_model(r"{self.model_path()}")'

    def _copy_line(self) -> None:
        line = self.load_line()
        QGuiApplication.clipboard().setText(line)
        self.copied.emit(line)

    def _open_folder(self) -> None:
        if self._run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run)))
