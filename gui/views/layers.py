"""The layer table: every layer of the model in view, sortable, filterable, copied as CSV."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from engine.events import LayerState, SensitivityMeasured
from engine.telling import units
from engine.telling.sensitivity import at_half
from gui.models.layers import LayerFilter, LayerTableModel
from gui.models.rows import LAYER_ROLE
from gui.session import Session
from gui.theme import GRID
from gui.widgets.basics import button, empty_page, label
from gui.widgets.strip import LayerStrip
from gui.widgets.tables import row_table


class LayersPanel(QStackedWidget):
    """Strip and table, linked."""

    layer_chosen = Signal(str)
    open_wanted = Signal()
    copied = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._probed: tuple[SensitivityMeasured, ...] | None = None
        self.addWidget(self._make_empty())
        page = QWidget()
        self.addWidget(page)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(GRID + 4)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.title = label("", "heading", select=True)
        self.which = label("", "chip")
        self.words = QLineEdit()
        self.words.setPlaceholderText("Filter by name, class, group or reason")
        self.words.setAccessibleName("Filter the layers")
        self.words.setClearButtonEnabled(True)
        self.words.setAcceptDrops(False)
        self.words.setMaximumWidth(40 * GRID)
        self.weights_only = QCheckBox("With weights only")
        self.weights_only.setAccessibleName("With weights only")
        self.copy_button = button("Copy as CSV", self.copy, tip="The rows on show, plain numbers")
        row.addWidget(self.title)
        row.addWidget(self.which, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        row.addWidget(self.weights_only)
        row.addWidget(self.words, 2)
        row.addWidget(self.copy_button)
        layout.addLayout(row)
        self.strip = LayerStrip()
        layout.addWidget(self.strip)
        self.model = LayerTableModel(self)
        self.filter = LayerFilter(self.model, self)
        self.table = self._make_table()
        layout.addWidget(self.table, 1)
        self.footer = label("", "small")
        layout.addWidget(self.footer)
        self.words.textChanged.connect(self._on_filter)
        self.weights_only.toggled.connect(self._on_filter)
        self.strip.chosen.connect(self._on_strip)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        session.record_changed.connect(self.refresh)
        session.wishes_changed.connect(self.refresh)
        self.refresh()

    def _make_empty(self) -> QWidget:
        return empty_page(
            "No model yet",
            "Open one to see its layers, groups and sparsity; no data needed.",
            button("Open a model", self.open_wanted.emit, role="primary", tip="Ctrl+O"),
        )

    def _make_table(self) -> QTableView:
        widths = (140, 132, 64, 92, 96, 106, 72, 68, 100)
        table = row_table(self.filter, "Layers", widths)
        table.horizontalHeader().setSectionsMovable(True)
        return table

    @property
    def layers(self) -> tuple[LayerState, ...]:
        """The layers on show: of the best model so far, else of the file."""
        layers = self._session.state.layers
        model = self._session.wishes.model
        if not layers and model is not None:
            layers = model.opened.layers
        return layers

    def refresh(self) -> None:
        """Show the session's layers."""
        layers = self.layers
        self.setCurrentIndex(1 if layers else 0)
        session = self._session
        name = session.wishes.model.name if session.wishes.model is not None else ""
        if not name and session.state.model is not None:
            name = session.state.model.name
        self.title.setText(name)
        best = session.state.best_trial
        self.which.setText("as opened" if best is None else f"after fine-tune {best.trial}")
        if session.state.sensitivity is not self._probed:
            self._probed = session.state.sensitivity
            self.model.set_sensitivity(at_half(session.state))
        if layers is self.model.layers:
            return
        self.model.set_layers(layers)
        self.strip.set_layers(layers)
        self._show_footer()

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
