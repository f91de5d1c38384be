"""The search stage: cloud, loss, decision log and layer strip of one run, and its verbs.

Repaints on a 10 Hz timer and only when something changed; the timer runs only while a search does.
The plots come after the window's first paint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QListView,
    QProgressBar,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.events import LayerState
from engine.runstate import RunState
from engine.telling import sentences, units
from engine.telling.cloud import Measure, measure_name, measures, overlay
from gui.models.log import GAP, ICON, TRIAL_ROLE, LogDelegate, LogModel
from gui.pictures import Subject
from gui.session import Session
from gui.settings import Settings
from gui.theme import GRID, set_role, theme
from gui.views.end_card import EndCard
from gui.views.measured import MeasuredCard
from gui.widgets.basics import Card, Wrapping, button, empty_page, label, stage_page
from gui.widgets.legend import CloudLegend
from gui.widgets.strip import LayerStrip

if TYPE_CHECKING:
    from gui.views.cloud import CloudPlot

REPAINT_MS = 100
SETTLED_MS = 40
"""How long the stage takes, at most, to lay itself out anew."""


class SearchPanel(QStackedWidget):
    """One run, live or re-opened."""

    trial_chosen = Signal(int)
    layer_chosen = Signal(str)
    layers_wanted = Signal()
    export_wanted = Signal()
    set_up_wanted = Signal()
    copied = Signal(str)
    overlay_unwanted = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._other: tuple[str, RunState] | None = None
        self._dirty = True
        self._selected: int | None = None
        self._follow_log = True
        self.cloud: CloudPlot | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(REPAINT_MS)
        self._timer.timeout.connect(self._on_tick)
        self.addWidget(self._make_empty())
        self._page, layout = stage_page()
        self.addWidget(self._page)
        self._header = self._make_header()
        layout.addWidget(self._header)
        self.end_card = EndCard()
        self.end_card.export_wanted.connect(self.export_wanted)
        self.end_card.resume_wanted.connect(session.resume_run)
        self.end_card.goal_wanted.connect(session.set_new_goal)
        self.end_card.copied.connect(self.copied)
        layout.addWidget(self.end_card)
        layout.addWidget(self._make_middle(), 1)
        layout.addWidget(self._make_strip())
        session.record_changed.connect(self._on_record)
        session.verbs_changed.connect(self.refresh)
        theme().changed.connect(self._on_record)
        self.refresh()

    # parts

    def _make_empty(self) -> QWidget:
        return empty_page(
            "No search yet",
            "Choose a model, data and a goal; the search is shown here, live.",
            button("Set up a search", self.set_up_wanted.emit, role="primary"),
        )

    def _make_header(self) -> QWidget:
        header = QWidget()
        layout = QVBoxLayout(header)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.title = label("", "heading", select=True)
        self.chip = label("", "chip-accent")
        self.pause_button = button("Pause", self.toggle_pause, tip="Hold the search (Ctrl+P)")
        self.stop_button = button(
            "Stop", self._session.stop, tip="Stop and keep the best so far (Ctrl+.)"
        )
        self.kill_button = button(
            "Kill", self._session.kill, role="danger", tip="End the engine at once"
        )
        row.addWidget(self.title)
        row.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        for made in (self.pause_button, self.stop_button, self.kill_button):
            row.addWidget(made)
        layout.addLayout(row)
        self.now = label("", "muted", wrap=True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress of the fine-tune under way")
        layout.addWidget(self.now)
        layout.addWidget(self.progress)
        return header

    def _make_middle(self) -> QSplitter:
        self.measure = QComboBox()
        self.measure.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.measure.setAccessibleName("Size on the horizontal axis")
        self.measure.currentIndexChanged.connect(self._on_measure)
        self.fit_button = button("Fit", self.fit, role="link", tip="Undo a zoom by hand")
        cloud_card = Card(gap=GRID // 2, padding=GRID + 4)
        row = QHBoxLayout()
        self.cloud_title = label("Size and accuracy", "eyebrow")
        row.addWidget(self.cloud_title)
        row.addStretch(1)
        self.overlay_button = button(
            "Remove the overlay", self.overlay_unwanted.emit, role="link", tip="Show this run alone"
        )
        self.overlay_button.hide()
        for made in (self.overlay_button, self.fit_button, self.measure):
            row.addWidget(made)
        cloud_card.body.addLayout(row)
        self._cloud_place = QVBoxLayout()
        cloud_card.body.addLayout(self._cloud_place, 1)
        self.note = label("", "small")
        legend = QHBoxLayout()
        self.legend = CloudLegend()
        legend.addWidget(self.legend, 1)
        legend.addWidget(self.note)
        cloud_card.body.addLayout(legend)
        self.measured = MeasuredCard()
        self.measured.layer_chosen.connect(self.layer_chosen)
        log_card = Card("Decisions", gap=GRID // 2, padding=GRID + 4)
        self.log = QListView()
        set_role(self.log, "log")
        self.log.setAccessibleName("Decisions of the search")
        self.log.setWordWrap(True)
        self.log.setUniformItemSizes(False)
        self.log.setResizeMode(QListView.ResizeMode.Adjust)
        self.log.setSpacing(GAP)
        self.log.setIconSize(QSize(ICON, ICON))
        self.log.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.log.setMinimumHeight(3 * GRID)  # the end card needs the room of a low window
        self.log.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.log.setVerticalScrollMode(QListView.ScrollMode.ScrollPerItem)
        self.log_model = LogModel(self)
        self.log.setModel(self.log_model)
        self.log.setItemDelegate(LogDelegate(self.log))
        bar = self.log.verticalScrollBar()
        bar.rangeChanged.connect(self._on_log_range)
        bar.valueChanged.connect(self._on_log_scrolled)
        self.log.clicked.connect(self._on_log_chosen)
        self.log.activated.connect(self._on_log_chosen)
        log_card.body.addWidget(self.log, 1)
        right = QSplitter(Qt.Orientation.Vertical)
        right.addWidget(log_card)
        right.addWidget(self.measured)
        right.setSizes([200, 280])
        middle = QSplitter(Qt.Orientation.Horizontal)
        middle.addWidget(cloud_card)
        middle.addWidget(right)
        middle.setSizes([580, 340])
        right.setObjectName("split_right")
        middle.setObjectName("split_middle")
        for splitter in (right, middle):
            splitter.setHandleWidth(GRID + 4)
            splitter.setChildrenCollapsible(False)
        return middle

    def _make_strip(self) -> Card:
        card = Card(gap=GRID // 2, padding=GRID + 4)
        row = QHBoxLayout()
        self.strip_words = label("", "small")
        legend = label("width: channels left   shade: weights not zero", "small")
        head = label("Layers", "eyebrow")
        words = Wrapping(head, self.strip_words, legend, gap=2 * GRID, line_gap=2)
        row.addWidget(words, 1, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(button("Layer table", self.layers_wanted.emit, role="link", tip="Alt+3"))
        card.body.addLayout(row)
        self.strip = LayerStrip()
        self.strip.chosen.connect(self.layer_chosen)
        self.strip.opened.connect(lambda _name: self.layers_wanted.emit())
        card.body.addWidget(self.strip)
        return card

    def remember(self, settings: Settings) -> None:
        """Note where the splitters are."""
        for splitter in self.findChildren(QSplitter):
            settings.set_splitter(splitter.objectName(), splitter.saveState())

    def restore(self, settings: Settings) -> None:
        """Put the splitters where they were left."""
        for splitter in self.findChildren(QSplitter):
            left = settings.splitter(splitter.objectName())
            if left is not None:
                splitter.restoreState(left)

    # after the first paint

    def make_plots(self) -> None:
        """Load the plotting library and put the plots in their places."""
        if self.cloud is not None:
            return
        from gui.views.cloud import CloudPlot

        self.cloud = CloudPlot()
        self.measured.make_plot()
        self.cloud.chosen.connect(self._on_point)
        self.cloud.noted.connect(self.note.setText)
        self.cloud.floor_moved.connect(self._on_floor_moved)
        self._cloud_place.addWidget(self.cloud)
        self._dirty = True
        self._on_tick()

    def subjects(self) -> tuple[Subject, ...]:
        """What can be saved as a picture, once the plots are there."""
        cloud, loss, heat = self.cloud, self.measured.loss, self.measured.heat
        found = [
            Subject(name="sensitivity", widget=heat, rows=heat.rows),
            Subject(name="layer strip", widget=self.strip, rows=self.strip.rows),
        ]
        if cloud is not None and loss is not None:
            found += [
                Subject(
                    name=name,
                    widget=view.plot,
                    rows=view.rows,
                    clicked=view.plot.menu_wanted,
                    draw=view.plot.draw,
                )
                for name, view in (("cloud", cloud), ("loss", loss))
            ]
        return tuple(found)

    # following the session

    def show_overlay(self, path: Path | None, state: RunState | None) -> None:
        """Lay another run over the cloud; None takes it away."""
        self._other = None if path is None or state is None else (path.name, state)
        self.legend.set_other("" if self._other is None else self._other[0])
        self.overlay_button.setVisible(self._other is not None)
        self._dirty = True
        self._on_tick()

    def select_trial(self, trial: int | None) -> None:
        """Mark a trial in the cloud and the log."""
        self._selected = trial
        row = None if trial is None else self.log_model.row_of_trial(trial)
        if row is None:
            self.log.clearSelection()
        else:
            self.log.setCurrentIndex(self.log_model.index(row, 0))
        self._dirty = True
        self._on_tick()

    def refresh(self) -> None:
        """Show verbs and picture now."""
        self.setUpdatesEnabled(False)  # a card that comes or goes moves the plots, step by step
        QTimer.singleShot(SETTLED_MS, self, lambda: self.setUpdatesEnabled(True))
        session = self._session
        live = session.searching
        self.setCurrentIndex(1 if live or session.run is not None else 0)
        paused = session.state.status == "paused"
        self.pause_button.setText("Resume" if paused else "Pause")
        self.pause_button.setAccessibleName("Resume" if paused else "Pause")
        self.pause_button.setVisible(live)
        self.stop_button.setVisible(live)
        self.pause_button.setEnabled(not session.stopping)
        self.stop_button.setEnabled(not session.stopping)
        self.kill_button.setVisible(live and session.kill_offered)
        if live and not self._timer.isActive():
            self._timer.start()
        elif not live:
            self._timer.stop()
        self._dirty = True
        self._on_tick()

    def _on_record(self) -> None:
        self._dirty = True
        if not self._timer.isActive():
            self._on_tick()

    def _on_tick(self) -> None:
        if not self._dirty:
            return
        self._dirty = False
        state = self._session.state
        self._show_header(state)
        session = self._session
        self.end_card.show_end(
            state,
            session.run,
            can_resume=session.can_resume,
            can_set_goal=session.can_set_goal,
        )
        self._show_measures(state)
        metric = None if state.baseline is None else state.baseline.metric
        self.cloud_title.setText(f"Size and {units.metric_name(metric)}")
        self.log_model.set_log(self._session.record.log, metric)
        layers = state.layers or self._layers_of_file()
        self.strip.set_layers(layers)
        self.strip_words.setText(strip_words(state))
        if self.cloud is not None:
            over = None
            if self._other is not None and state.baseline is not None:
                over = overlay(state, self._other[1], self._other[0], self._measure())
            self.cloud.show_state(state, self._measure(), self._selected, over)
        self.measured.show_state(state, self._session.run, searching=self._session.searching)

    def _layers_of_file(self) -> tuple[LayerState, ...]:
        model = self._session.wishes.model
        return () if model is None else model.opened.layers

    def _show_header(self, state: RunState) -> None:
        session = self._session
        name = session.run.name if session.run is not None else ""
        self.title.setText(name)
        status = "Stopping \u2026" if session.stopping else sentences.STATUSES[state.status]
        if session.searching and state.status == "empty":
            status = "Starting \u2026"
        elif not session.searching and state.live:
            status = sentences.STATUSES["interrupted"]
        self.chip.setText(status)
        ended = state.status in ("met", "not_met", "stopped", "failed")
        self._header.setVisible(session.searching or not ended)
        running = state.running
        if running is not None:
            start = running.started
            text = f"{sentences.trial_name(start)}: {sentences.started(start)}"
            if running.epochs:
                text += f" Epoch {len(running.epochs) + 1} of {start.epochs}."
        else:
            text = sentences.doing(state) if state.live else ""
            if session.searching and not text:
                text = "Starting the engine, which takes some seconds \u2026"
        self.now.setText(text)
        self.now.setVisible(bool(text) and session.searching)
        self.progress.setVisible(session.searching)
        if running is not None and running.steps > 0:
            self.progress.setRange(0, running.steps)
            self.progress.setValue(running.step)
        else:
            self.progress.setRange(0, 1)
            self.progress.setValue(0)

    def _show_measures(self, state: RunState) -> None:
        wanted = measures(state)
        names = [measure_name(state, m) for m in wanted]
        shown = [self.measure.itemText(i) for i in range(self.measure.count())]
        if shown == names:
            return
        by_hand = self.measure.currentData() if self.measure.property("by_hand") else None
        self.measure.blockSignals(True)
        self.measure.clear()
        for measure, name in zip(wanted, names, strict=True):
            self.measure.addItem(name, measure)
        if by_hand in wanted:
            self.measure.setCurrentIndex(wanted.index(by_hand))
        self.measure.blockSignals(False)

    def _measure(self) -> Measure:
        found: Measure | None = self.measure.currentData()
        return found or "nonzero"

    def _on_log_range(self, _low: int, high: int) -> None:
        if self._follow_log:
            self.log.verticalScrollBar().setValue(high)

    def _on_log_scrolled(self, value: int) -> None:
        self._follow_log = value >= self.log.verticalScrollBar().maximum()

    # what the person does

    def toggle_pause(self) -> None:
        """Hold the search, or let it go on."""
        if self._session.state.status == "paused":
            self._session.go_on()
        else:
            self._session.pause()

    def _on_measure(self) -> None:
        self.measure.setProperty("by_hand", True)
        self._dirty = True
        self._on_tick()

    def fit(self) -> None:
        """Undo a zoom by hand."""
        if self.cloud is not None:
            self.cloud.fit()

    def _on_point(self, trial: int) -> None:
        self.select_trial(None if trial < 0 else trial)
        self.trial_chosen.emit(trial)

    def _on_floor_moved(self, floor: float, trial: int | None) -> None:
        if not self.end_card.goal.isHidden():
            self.end_card.goal.set_floor(floor)
        if trial is not None:
            self._on_point(trial)

    def _on_log_chosen(self, index: QModelIndex) -> None:
        trial = index.data(TRIAL_ROLE)
        if isinstance(trial, int):
            self.select_trial(trial)
            self.trial_chosen.emit(trial)


def strip_words(state: RunState) -> str:
    """What the strip shows, in words."""
    best = state.best_trial
    if best is None:
        return "as opened" if state.model is not None else ""
    what = sentences.amount(best.keep, best.sparsity, best.weight_values)
    return f"of the best so far: {what}" if state.live else f"of the model kept: {what}"
