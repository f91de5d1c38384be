"""The compare stage: the model as opened against any fine-tune of the run.

Owns which fine-tune is compared. Figures and layers come from
the run's events alone, so they are there for a run that is under way as for an old one; classes and
samples come from the comparison that the engine keeps in the run folder.
"""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from engine.events import TrialDone
from engine.telling import sentences, units
from engine.telling.changes import flips_sentence, headline
from engine.telling.compare import Figures, comparable, figures, layer_diffs, timed_of
from gui.comparing import Comparing
from gui.models.diff import DiffModel
from gui.models.rows import LAYER_ROLE, sorted_by_value
from gui.session import Session
from gui.theme import GRID, set_role
from gui.views.classes import ClassesPage
from gui.views.samples import SamplesPage
from gui.widgets.basics import Card, button, clear, empty_page, label, stage_page
from gui.widgets.tables import row_table
from gui.widgets.tabs import TabRow

LAYERS, CLASSES, SAMPLES, UNMEASURED = range(4)


class ComparePanel(QStackedWidget):
    """Figures side by side, then layer by layer; ``layer_chosen`` carries a layer's name."""

    layer_chosen = Signal(str)
    set_up_wanted = Signal()
    failed = Signal(object)
    copied = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._figures: Figures | None = None
        self._by_hand: int | None = None
        self.comparing = Comparing(session.tasks, self)
        self.addWidget(self._make_empty())
        page, layout = stage_page()
        self.addWidget(page)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.which = QComboBox()
        self.which.setAccessibleName("Checkpoint to compare with")
        self.which.activated.connect(self._on_chosen)
        self.title = label("", "heading", select=True)
        row.addWidget(self.title)
        row.addWidget(label("as opened, against", "muted"))
        row.addWidget(self.which)
        row.addStretch(1)
        layout.addLayout(row)
        row = QHBoxLayout()
        row.setSpacing(3 * GRID)
        self.tabs = TabRow(("Size and layers", "Classes", "Samples"))
        self.headline = label("", "small", select=True)
        row.addWidget(self.tabs)
        row.addWidget(self.headline, 1)
        layout.addLayout(row)
        self.classes = ClassesPage()
        self.samples = SamplesPage()
        self.pages = QStackedWidget()
        for part in (self._make_layers(), self.classes, self.samples, self._make_unmeasured()):
            self.pages.addWidget(part)
        layout.addWidget(self.pages, 1)
        self.tabs.chosen.connect(self._turn)
        self.classes.cell_chosen.connect(self._on_cell)
        self.classes.copied.connect(self.copied)
        self.comparing.changed.connect(self._on_compared)
        self.comparing.failed.connect(self.failed)
        session.record_changed.connect(self._on_record)
        self.refresh()

    def _make_empty(self) -> QWidget:
        return empty_page(
            "Nothing to compare yet",
            "Every fine-tune of a search is set against the model as opened.",
            button("Set up a search", self.set_up_wanted.emit, role="primary"),
        )

    def _make_layers(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID + 4)
        card = Card(gap=GRID, padding=GRID + 4)
        place = QWidget()
        self._grid = QGridLayout(place)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(3 * GRID)
        self._grid.setVerticalSpacing(GRID // 2)
        card.body.addWidget(place)
        layout.addWidget(card)
        self.model = DiffModel(self)
        self.table = self._make_table()
        layout.addWidget(self.table, 1)
        row = QHBoxLayout()
        self.footer = label("", "small")
        self.changed_only = QCheckBox("Changed layers only")
        self.changed_only.setAccessibleName("Changed layers only")
        self.changed_only.toggled.connect(self.refresh)
        row.addWidget(self.footer, 1)
        row.addWidget(self.changed_only)
        layout.addLayout(row)
        return page

    def _make_unmeasured(self) -> QWidget:
        self.measure_button = button("Evaluate both models", self._on_measure, role="primary")
        return empty_page(
            "Not evaluated class by class yet",
            "Both models answer the search split, and their latency is timed in turn. The report"
            " split stays unread.",
            self.measure_button,
        )

    def _make_table(self) -> QTableView:
        proxy = sorted_by_value(self.model, self)
        table = row_table(proxy, "Layers before and after", (150, 150, 110, 150, 150, 140))
        table.selectionModel().currentRowChanged.connect(self._on_row)
        return table

    @property
    def trial(self) -> TrialDone | None:
        """The fine-tune that is compared: chosen by hand, else the best, else the last."""
        state = self._session.state
        found = comparable(state)
        for wanted in (self._by_hand, state.best):
            for trial in found:
                if trial.trial == wanted:
                    return trial
        return found[0] if found else None

    def choose(self, trial: int) -> None:
        """Compare this fine-tune."""
        self._by_hand = trial
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Qt: what changed while another stage was in view is shown now."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Show the session's run."""
        state, trial = self._session.state, self.trial
        self.setCurrentIndex(0 if trial is None or state.model is None else 1)
        if trial is None or state.model is None:
            return
        self.title.setText(state.model.name)
        self._show_choices(comparable(state), trial)
        self.comparing.follow(self._session.run, trial)
        found = self.comparing.comparison
        shown = figures(state, trial, None if found is None else timed_of(found))
        if shown != self._figures:
            self._figures = shown
            self._fill(shown)
        diffs = layer_diffs(state.model.layers, trial.layers)
        cut = [d for d in diffs if d.kind != "same"]
        self.model.set_rows(tuple(cut) if self.changed_only.isChecked() else diffs)
        self.footer.setText(f"{len(cut)} of {units.plural(len(diffs), 'layer')} changed")

    def _on_compared(self) -> None:
        """A comparison came or went, or evaluating began or ended."""
        comparing = self.comparing
        text = "Stop evaluating" if comparing.measuring else "Evaluate both models"
        self.measure_button.setText(text)
        self.measure_button.setAccessibleName(text)
        self.measure_button.setEnabled(comparing.possible)
        set_role(self.measure_button, "" if comparing.measuring else "primary")
        self.classes.show_comparison(comparing.comparison)
        self.samples.show_compared(comparing.compared)
        self._turn(self.tabs.current)
        self.refresh()

    def _on_measure(self) -> None:
        if self.comparing.measuring:
            self.comparing.stop()
        else:
            self.comparing.measure()

    def _turn(self, number: int) -> None:
        """Show a tab, or what stands in for it until the models were evaluated."""
        found = self.comparing.comparison
        self.pages.setCurrentIndex(number if number == LAYERS or found is not None else UNMEASURED)
        if self.comparing.measuring:
            self.headline.setText("Evaluating both models on the search split \u2026")
        elif found is None:
            self.headline.setText("")
        else:
            self.headline.setText(flips_sentence(found) if number == SAMPLES else headline(found))

    def _on_cell(self, side: Literal["before", "after"], true: int, found: int) -> None:
        known = self.comparing.comparison
        if known is not None and known.answers is not None:
            self.samples.show_cell(side, true, found)
            self.tabs.turn(SAMPLES)
            self._turn(SAMPLES)

    def text(self) -> str:
        """The figures as lines, for tests and the clipboard."""
        table = self._figures
        rows = () if table is None else (table.heads, *table.rows)
        return "\n".join("\t".join(row) for row in rows)

    def _show_choices(self, trials: tuple[TrialDone, ...], chosen: TrialDone) -> None:
        state = self._session.state
        metric = None if state.baseline is None else state.baseline.metric
        texts = [
            f"{sentences.trial_name(t)}, {units.metric_value(t.value, metric)}"
            + (", the model kept" if t.trial == state.best else "")
            for t in trials
        ]
        if texts != [self.which.itemText(i) for i in range(self.which.count())]:
            self.which.clear()
            for trial, text in zip(trials, texts, strict=True):
                self.which.addItem(text, trial.trial)
        self.which.setCurrentIndex(self.which.findData(chosen.trial))

    def _fill(self, table: Figures) -> None:
        clear(self._grid)
        for row, texts in enumerate((table.heads, *table.rows)):
            for column, text in enumerate(texts):
                made = label(text, "eyebrow" if row == 0 else "muted" if column == 0 else "")
                if row and column:
                    made.setAccessibleName(f"{texts[0]}, {table.heads[column]}")
                    if text == units.NOT_MEASURED:
                        set_role(made, "small")
                side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                self._grid.addWidget(made, row, column, side | Qt.AlignmentFlag.AlignVCenter)
        self._grid.setColumnStretch(len(table.heads), 1)

    def _on_record(self) -> None:
        if self._by_hand is not None and self._session.state.trial(self._by_hand) is None:
            self._by_hand = None
        if self.isVisible():
            self.refresh()

    def _on_chosen(self, index: int) -> None:
        trial = self.which.itemData(index)
        if isinstance(trial, int):
            self.choose(trial)

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        name = current.data(LAYER_ROLE)
        if isinstance(name, str):
            self.layer_chosen.emit(name)
