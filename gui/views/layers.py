"""The layers stage: every layer of a model in a table that can be sorted, filtered and copied as
CSV, linked with the strip, and the page where it is shrunk by hand.

Owns which model's layers are in view: the best so far, or a trial that was chosen here or in the
cloud.
"""

from __future__ import annotations

import operator
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.events import LayerState, SensitivityMeasured, TrialDone
from engine.telling import sentences, units
from engine.telling.compare import comparable
from engine.telling.sensitivity import at_half
from gui.models.layers import LayerFilter, LayerTableModel
from gui.models.rows import LAYER_ROLE
from gui.session import Session
from gui.theme import GRID
from gui.views.by_hand import ByHandPage
from gui.widgets.basics import button, empty_page, label, stage_page
from gui.widgets.strip import LayerStrip
from gui.widgets.tables import fit_columns, row_table
from gui.widgets.tabs import TabRow

BY_HAND = 1
"""The tab of the page where a model is shrunk by hand."""

AS_OPENED = -1
"""Stands for the model before any cut among the trials."""


class LayersPanel(QStackedWidget):
    """Strip and table, linked."""

    layer_chosen = Signal(str)
    open_wanted = Signal()
    copied = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._probed: tuple[SensitivityMeasured, ...] | None = None
        self._chosen: int | None = None
        self._listed: tuple[object, ...] | None = None
        self.addWidget(self._make_empty())
        page, layout = stage_page()
        self.addWidget(page)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.title = label("", "heading", select=True)
        self.which = QComboBox()
        self.which.setAccessibleName("Model whose layers are shown")
        self.which.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.tabs = TabRow(("Layers", "Shrink by hand"))
        row.addWidget(self.title)
        row.addWidget(self.which, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        row.addWidget(self.tabs)
        layout.addLayout(row)
        self.strip = LayerStrip()
        layout.addWidget(self.strip)
        self.model = LayerTableModel(self)
        self.filter = LayerFilter(self.model, self)
        self.by_hand = ByHandPage(session)
        self.pages = QStackedWidget()
        self.pages.addWidget(self._make_page())
        self.pages.addWidget(self.by_hand)
        layout.addWidget(self.pages, 1)
        self.which.activated.connect(self._on_which)
        self.tabs.chosen.connect(self._on_tab)
        self.by_hand.left_changed.connect(self._show_strip)
        self.by_hand.layer_chosen.connect(self._on_row_by_hand)
        self.words.textChanged.connect(self._on_filter)
        self.weights_only.toggled.connect(self._on_filter)
        self.strip.chosen.connect(self._on_strip)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        for begun in (session.search_begun, session.run_opened, session.model_read):
            begun.connect(self._on_begun)
        session.record_changed.connect(self.refresh)
        session.wishes_changed.connect(self.refresh)
        self.refresh()

    def _make_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.words = QLineEdit()
        self.words.setPlaceholderText("Filter by name, class, group or reason")
        self.words.setAccessibleName("Filter the layers")
        self.words.setClearButtonEnabled(True)
        self.words.setAcceptDrops(False)
        self.words.setMaximumWidth(44 * GRID)
        self.weights_only = QCheckBox("With weights only")
        self.weights_only.setAccessibleName("With weights only")
        self.copy_button = button("Copy as CSV", self.copy, tip="The rows on show, plain numbers")
        row.addWidget(self.words, 1)
        row.addWidget(self.weights_only)
        row.addStretch(1)
        row.addWidget(self.copy_button)
        layout.addLayout(row)
        self.table = row_table(self.filter, "Layers", ())
        self.table.horizontalHeader().setSectionsMovable(True)
        layout.addWidget(self.table, 1)
        self.footer = label("", "small")
        layout.addWidget(self.footer)
        return page

    def _make_empty(self) -> QWidget:
        return empty_page(
            "No model yet",
            "Open one to see its layers, groups and sparsity; no data needed.",
            button("Open a model", self.open_wanted.emit, role="primary", tip="Ctrl+O"),
        )

    @property
    def shrinking(self) -> bool:
        """Whether the page is in view where the model is shrunk by hand."""
        return self.tabs.current == BY_HAND

    @property
    def trial(self) -> TrialDone | None:
        """The trial whose layers are shown: chosen here or in the cloud, else the best so far."""
        state = self._session.state
        if self._chosen == AS_OPENED or self.shrinking:
            return None
        chosen = None if self._chosen is None else state.trial(self._chosen)
        found = chosen or state.best_trial
        return found if found is not None and found.layers else None

    @property
    def layers(self) -> tuple[LayerState, ...]:
        """The layers on show."""
        if self.shrinking and self.by_hand.left:
            return self.by_hand.left
        trial, opened = self.trial, self._session.state.model
        if trial is not None:
            return trial.layers
        if opened is not None:
            return opened.layers
        model = self._session.wishes.model
        return () if model is None else model.opened.layers

    @property
    def file(self) -> Path | None:
        """The file that has the weights of the layers on show."""
        trial, run, model = self.trial, self._session.run, self._session.wishes.model
        if trial is not None:
            return None if run is None or trial.checkpoint is None else run / trial.checkpoint
        return Path(model.path) if model is not None and model.prunable else None

    def show_trial(self, trial: int) -> None:
        """Show the layers of a trial, or those of the model as opened."""
        self._chosen = trial
        self.refresh()

    def refresh(self) -> None:
        """Show the session's layers."""
        session, layers = self._session, self.layers
        self.setCurrentIndex(1 if layers else 0)
        model, opened = session.wishes.model, session.state.model
        self.title.setText(model.name if model else opened.name if opened else "")
        self._show_choices()
        if self.shrinking:
            self.by_hand.show_model(model)
        if session.state.sensitivity is not self._probed:
            self._probed = session.state.sensitivity
            self.model.set_sensitivity(at_half(session.state))
        if self.shrinking or layers is self.model.layers:
            return
        others = [s.name for s in layers] != [s.name for s in self.model.layers]
        self.model.set_layers(layers)
        if others:
            fit_columns(self.table)
        self._show_strip()
        self._show_footer()

    def _show_choices(self) -> None:
        state, trial = self._session.state, self.trial
        listed = (state.trials, state.best, trial, self.tabs.current)
        if self._listed is not None and all(map(operator.is_, listed, self._listed)):
            return
        self._listed = listed
        choices = [("As opened", AS_OPENED)]
        for found in comparable(state):
            kept = ", the model kept" if found.trial == state.best else ""
            choices.append((f"{sentences.trial_name(found)}{kept}", found.trial))
        if trial is not None and trial.trial not in [number for _, number in choices]:
            choices.append((sentences.trial_name(trial), trial.trial))
        self.which.clear()
        for text, number in choices:
            self.which.addItem(text, number)
        number = AS_OPENED if trial is None else trial.trial
        self.which.setCurrentIndex(self.which.findData(number))
        self.which.setEnabled(len(choices) > 1 and not self.shrinking)

    def _show_strip(self) -> None:
        self.strip.set_layers(self.layers)

    def _on_begun(self) -> None:
        self._chosen = None
        self.refresh()

    def _on_which(self, index: int) -> None:
        self.show_trial(int(self.which.itemData(index)))

    def _on_tab(self, number: int) -> None:
        self.pages.setCurrentIndex(number)
        self.refresh()
        self._show_strip()

    def _on_row_by_hand(self, name: str) -> None:
        self.strip.select(name)
        self.layer_chosen.emit(name)

    def select_layer(self, name: str) -> None:
        """Mark a layer in table and strip."""
        self.strip.select(name)
        for row in range(self.filter.rowCount()):
            index = self.filter.index(row, 0)
            if index.data(LAYER_ROLE) == name:
                if self.table.currentIndex().row() != row:
                    self.table.setCurrentIndex(index)
                self.table.scrollTo(index)
                return

    def csv_text(self) -> str:
        """The rows on show as CSV."""
        return self.filter.csv_text()

    def restore_order(self) -> None:
        """Show the layers in the order of the model."""
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)

    def _on_filter(self) -> None:
        self.filter.set_words(self.words.text())
        self.filter.set_with_weights(self.weights_only.isChecked())
        self._show_footer()

    def _on_strip(self, name: str) -> None:
        self.select_layer(name)
        self.layer_chosen.emit(name)

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        name = current.data(LAYER_ROLE)
        if isinstance(name, str):
            self.strip.select(name)
            self.layer_chosen.emit(name)

    def copy(self) -> None:
        """Copy the rows on show as CSV."""
        QGuiApplication.clipboard().setText(self.csv_text())
        self.copied.emit(f"{units.plural(self.filter.rowCount(), 'layer')} as CSV")

    def _show_footer(self) -> None:
        shown, all_layers = self.filter.rowCount(), len(self.model.layers)
        params = sum(s.params for s in self.model.layers)
        macs = sum(s.macs or 0 for s in self.model.layers)
        self.footer.setText(
            f"{shown} of {units.plural(all_layers, 'layer')};"
            f" {units.count(params)} parameters and {units.short_count(macs)} multiply-adds in all"
        )
