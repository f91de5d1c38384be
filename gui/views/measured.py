"""Loss and sensitivity of a run, in one card with two tabs.

Owns which of them is in view: the one that the search is at, until a person chooses. The plot of
the loss comes after the window's first paint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.runstate import RunState
from engine.telling.sensitivity import heat
from gui.theme import GRID
from gui.widgets.basics import Card, label
from gui.widgets.heat import HeatMap
from gui.widgets.tabs import TabRow

if TYPE_CHECKING:
    from gui.views.loss import LossPlot

LOSS, SENSITIVITY = 0, 1


class MeasuredCard(Card):
    """The loss of the fine-tune under way, and the sensitivity of the groups."""

    layer_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(gap=GRID // 2, padding=GRID + 4)
        self.loss: LossPlot | None = None
        self._loss_of: Path | None = None
        self._probed = 0
        self._by_hand = False
        self.tabs = TabRow(("Loss by batch", "Sensitivity"))
        self.tabs.chosen.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self.tabs)
        self.note = label("", "small")
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._noted = ""
        row.addWidget(self.note, 1)
        self.body.addLayout(row)
        self.pages = QStackedWidget()
        self.pages.setMinimumHeight(5 * GRID)
        place = QWidget()
        self._loss_place = QVBoxLayout(place)
        self._loss_place.setContentsMargins(0, 0, 0, 0)
        self.pages.addWidget(place)
        self.pages.addWidget(self._make_heat())
        self.body.addWidget(self.pages, 1)
        self.heat.chosen.connect(self.layer_chosen)
        self._turn(LOSS)

    def _make_heat(self) -> QStackedWidget:
        self._heat_pages = QStackedWidget()
        empty = label("Filled in while the channel groups are probed.", "small", wrap=True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._heat_pages.addWidget(empty)
        self.heat = HeatMap()
        page = QWidget()
        page.setObjectName("plain")
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, GRID // 2, 0)
        inner.addWidget(self.heat)
        inner.addStretch(1)
        scroll = self._scroll = QScrollArea()
        scroll.setObjectName("plain")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        self._heat_pages.addWidget(scroll)
        return self._heat_pages

    def select_layer(self, name: str) -> None:
        """Mark the group of a layer in the map and bring it into view."""
        self.heat.select_layer(name)
        rect = self.heat.selected_rect()
        if rect is not None:
            self._scroll.ensureVisible(0, int(rect.center().y()), 0, int(2 * rect.height()))

    def make_plot(self) -> None:
        """Put the plot of the loss in its place."""
        from gui.views.loss import LossPlot

        self.loss = LossPlot()
        self._loss_place.addWidget(self.loss)

    def show_state(self, state: RunState, run: Path | None, *, searching: bool) -> None:
        """Show a run as far as it is."""
        if run != self._loss_of:
            self._loss_of, self._by_hand, self._probed = run, False, 0
            if self.loss is not None:
                self.loss.empty()
        if len(state.sensitivity) != self._probed or self.heat.heat.rows == ():
            self._probed = len(state.sensitivity)
            self.heat.show_heat(heat(state))
        self._heat_pages.setCurrentIndex(1 if self.heat.heat.rows else 0)
        if self.loss is not None:
            self.loss.show_running(state.running)
        drawn = self.loss is not None and self.loss.drawn
        self.setVisible(searching or drawn or bool(self.heat.heat.rows))
        if not self._by_hand:
            probing = state.phase == "sensitivity" and searching
            at_rest = not searching and not drawn and bool(self.heat.heat.rows)
            self._turn(SENSITIVITY if probing or at_rest else LOSS)
        running = state.running
        fine_tune = running is not None and running.started.kind == "fine_tune"
        if self.pages.currentIndex() == SENSITIVITY:
            self.say("")
        elif fine_tune and running is not None:
            self.say(f"fine-tune {running.started.trial}")

    def say(self, words: str) -> None:
        """Words beside the tabs, where there is room for all of them."""
        self._noted = words
        self._fit_note()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt: words that no longer fit go, those that do come back."""
        super().resizeEvent(event)
        self._fit_note()

    def _fit_note(self) -> None:
        margins = self.body.contentsMargins()
        room = self.width() - margins.left() - margins.right() - self.tabs.sizeHint().width()
        needed = self.note.fontMetrics().horizontalAdvance(self._noted) + 2 * GRID
        self.note.setText(self._noted if needed <= room else "")

    def _choose(self, number: int) -> None:
        self._by_hand = True
        self._turn(number)

    def _turn(self, number: int) -> None:
        self.pages.setCurrentIndex(number)
        self.tabs.turn(number)
