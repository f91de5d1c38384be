"""The set-up stage: a welcome while the window is empty, then three cards."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from engine.effort import effort
from engine.events import DataOpened
from engine.telling import sentences
from gui.session import Session
from gui.theme import GRID
from gui.views.cards import DataCard, ModelCard
from gui.views.gain import GainLine
from gui.views.goal import GoalCard
from gui.views.welcome import WelcomePanel
from gui.widgets.basics import Page, button, label


class SetUpPanel(QStackedWidget):
    """Welcome, or model, data and goal."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.welcome = WelcomePanel()
        self.model_card = ModelCard()
        self.data_card = DataCard()
        self.goal_card = GoalCard()
        self.gain = GainLine(session)
        self.model_card.body.addWidget(self.gain)
        self.addWidget(self.welcome)
        page = Page()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        layout.setSpacing(2 * GRID)
        for card in (self.model_card, self.data_card, self.goal_card):
            layout.addWidget(card)
        layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._cards = QWidget()
        column = QVBoxLayout(self._cards)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(scroll, 1)
        column.addWidget(self._make_footer())
        self.addWidget(self._cards)
        self.model_card.size_wanted.connect(session.set_input_shape)
        self.data_card.changed.connect(session.set_data)
        self.data_card.measure_wanted.connect(session.measure_baseline)
        self.goal_card.sentence.changed.connect(session.set_goal)
        self.goal_card.options_changed.connect(session.set_options)
        session.wishes_changed.connect(self.refresh)
        session.verbs_changed.connect(self.refresh)
        self.refresh()

    def _make_footer(self) -> QWidget:
        footer = QWidget()
        footer.setObjectName("footer")
        footer.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(footer)
        row.setContentsMargins(3 * GRID, GRID + 4, 3 * GRID, GRID + 4)
        row.setSpacing(2 * GRID)
        self.missing = label("", "muted")
        self.start_button = button(
            "Start", self._session.start, role="primary", tip="Start the search (Ctrl+R)"
        )
        row.addStretch(1)
        row.addWidget(self.missing)
        row.addWidget(self.start_button)
        return footer

    def refresh(self) -> None:
        """Show what the session holds."""
        session, wishes = self._session, self._session.wishes
        started = wishes.model is not None or wishes.data is not None or session.reading is not None
        self.setCurrentWidget(self._cards if started or session.run else self.welcome)
        editable = not session.searching
        self.model_card.show_model(wishes.model, session.reading)
        found, preview = session.data_found()
        self.data_card.show_data(
            wishes.data,
            found,
            session.baseline,
            measuring=session.measuring,
            ready=wishes.ready,
            editable=editable,
            preview=preview,
        )
        self.goal_card.show_goal(
            "the model" if wishes.model is None else wishes.model.name,
            wishes.goal,
            wishes.options,
            session.baseline,
            editable=editable,
            cost=self._cost(found),
        )
        missing = self._missing()
        self.missing.setText(missing)
        self.start_button.setEnabled(not missing)

    def _cost(self, found: DataOpened | None) -> str:
        """What the search will cost, and what the engine said of it where it was started."""
        session, wishes = self._session, self._session.wishes
        if not wishes.ready:
            return ""
        planned = effort(
            wishes.options.budget,
            wishes.options.strategy,
            samples=None if found is None else found.train,
            sample_s=None if session.baseline is None else session.baseline.sample_s,
        )
        told = session.state.needs
        if told is None:
            return sentences.effort(planned)
        if told.seconds is not None:
            planned = replace(planned, seconds=told.seconds)
        needs = sentences.needs(replace(told, seconds=None))
        return f"{sentences.effort(planned)} It needs {needs}"

    def _missing(self) -> str:
        session, wishes = self._session, self._session.wishes
        if session.searching:
            return "A search is under way."
        if session.reading is not None:
            return "Reading the model \u2026"
        if wishes.model is None:
            return "Open a model first."
        return "Choose data first." if wishes.data is None else ""
