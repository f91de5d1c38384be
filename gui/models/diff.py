"""The structural diff as a Qt model: a layer a row, before and after.

Owns how an :class:`engine.telling.compare.LayerDiff` becomes cells. It knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from engine.events import LayerState
from engine.telling import units
from engine.telling.compare import LayerDiff
from engine.telling.layers import zero_share
from gui.models.layers import LAYER_ROLE, SORT_ROLE
from gui.theme import colours

Index = QModelIndex | QPersistentModelIndex
ARROW = "\u2192"
NONE = "\u2013"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffColumn:
    """A column: its head, the figure of one side, how it is written, what a tool tip says."""

    head: str
    value: Callable[[LayerState], float | None]
    write: Callable[[float | None], str]
    tip: str

    def text(self, diff: LayerDiff) -> str:
        """What a cell shows."""
        before = None if diff.before is None else self.value(diff.before)
        after = None if diff.after is None else self.value(diff.after)
        if before is None and after is None:
            return NONE
        if before == after or diff.before is None:
            return self.write(after)
        if diff.after is None:
            return self.write(before)
        return f"{self.write(before)} {ARROW} {self.write(after)}"

    def key(self, diff: LayerDiff) -> float:
        """What the column sorts by: how much is gone, as a share; then what there is."""
        before = None if diff.before is None else self.value(diff.before)
        after = None if diff.after is None else self.value(diff.after)
        if not before or after is None:
            return after or 0.0
        return (before - after) / before


COLUMNS: tuple[DiffColumn, ...] = (
    DiffColumn(
        head="Channels",
        value=lambda s: s.channels_kept,
        write=lambda v: units.count(v),
        tip="Channels of the layer's output; sorts by the share that is gone",
    ),
    DiffColumn(
        head="Parameters",
        value=lambda s: s.params or None,
        write=units.short_count,
        tip="Norm statistics included; sorts by the share that is gone",
    ),
    DiffColumn(
        head="MACs",
        value=lambda s: s.macs or None,
        write=units.short_count,
        tip="Multiply-adds for one sample; sorts by the share that is gone",
    ),
    DiffColumn(
        head="Zeros",
        value=zero_share,
        write=lambda v: units.percent(v),
        tip="Share of the kernel's weights that are exactly zero",
    ),
)
WORDS = {"same": "", "changed": "cut", "zeroed": "zeroed", "removed": "gone", "added": "new"}


class DiffModel(QAbstractTableModel):
    """One row a layer: name, class, the columns, what became of it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._diffs: tuple[LayerDiff, ...] = ()

    @property
    def diffs(self) -> tuple[LayerDiff, ...]:
        """The rows on show."""
        return self._diffs

    def set_diffs(self, diffs: tuple[LayerDiff, ...]) -> None:
        """Show these rows."""
        if diffs != self._diffs:
            self.beginResetModel()
            self._diffs = diffs
            self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of layers."""
        return 0 if parent.isValid() else len(self._diffs)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of columns."""
        return 0 if parent.isValid() else len(COLUMNS) + 3

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: a cell."""
        if not index.isValid():
            return None
        diff, place = self._diffs[index.row()], index.column() - 2
        figure = COLUMNS[place] if 0 <= place < len(COLUMNS) else None
        if role == LAYER_ROLE:
            return diff.name
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if figure is None else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and diff.kind == "same":
            return QColor(colours().muted)
        if figure is not None:
            if role == SORT_ROLE:
                return figure.key(diff)
            return figure.text(diff) if role == Qt.ItemDataRole.DisplayRole else None
        if role in (Qt.ItemDataRole.DisplayRole, SORT_ROLE):
            words = {0: diff.name, 1: diff.layer.class_name}
            return words.get(index.column(), WORDS[diff.kind])
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Qt: heads of columns."""
        heads = ("Layer", "Class", *(c.head for c in COLUMNS), "Change")
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(heads):
            return None
        figure = COLUMNS[section - 2] if 2 <= section < len(COLUMNS) + 2 else None
        if role == Qt.ItemDataRole.DisplayRole:
            return heads[section]
        if role == Qt.ItemDataRole.ToolTipRole and figure is not None:
            return figure.tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if figure is None else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None
