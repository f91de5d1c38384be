"""The house's table of rows: sortable, one row selected at a time, read only.

Owns how such a table looks and moves; what stands in it belongs to the item models.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from gui.theme import GRID

MOST_PX = 30 * GRID
"""A column that is fitted gets no wider than this."""

ROOM_PX = 20
"""Of a cell beside its text."""

HEAD_PX = GRID
"""What a head takes more than a cell: it is bold, and may have an arrow."""


def row_table(model: QAbstractItemModel, name: str, widths_px: Sequence[int]) -> QTableView:
    """A table over a sorting model with its accessible name and the widths of its columns."""
    table = QTableView()
    table.setAccessibleName(name)
    table.setModel(model)
    table.setSortingEnabled(True)
    table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setAlternatingRowColors(True)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setTabKeyNavigation(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(3 * GRID + 4)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    header.setStretchLastSection(True)
    for column, width in enumerate(widths_px):
        table.setColumnWidth(column, width)
    return table


def fit_columns(table: QTableView, sample: int = 400) -> None:
    """Make columns as wide as their longest text, looked for among the first rows."""
    model, metrics = table.model(), table.fontMetrics()
    across = Qt.Orientation.Horizontal
    for column in range(model.columnCount()):
        texts = [
            str(model.index(row, column).data() or "")
            for row in range(min(model.rowCount(), sample))
        ]
        head = metrics.horizontalAdvance(str(model.headerData(column, across) or "")) + HEAD_PX
        widest = max([head, *(metrics.horizontalAdvance(text) for text in texts)])
        table.setColumnWidth(column, min(MOST_PX, widest + ROOM_PX))
