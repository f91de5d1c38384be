"""The layer table as a Qt model, its sorting and filtering, and its CSV.

Owns how a :class:`engine.events.LayerState` becomes cells. It knows nothing of widgets.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from engine.events import LayerState
from engine.telling import units
from engine.telling.layers import zero_share

Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole
LAYER_ROLE = Qt.ItemDataRole.UserRole + 1


def _channels_text(layer: LayerState) -> str:
    if layer.channels is None or layer.channels_kept is None:
        return "\u2013"
    if layer.channels_kept == layer.channels:
        return f"{layer.channels}"
    return f"{layer.channels} \u2192 {layer.channels_kept}"


def _zeros_text(layer: LayerState) -> str:
    if layer.prunable_weights <= 0:
        return "\u2013"
    return units.percent(zero_share(layer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its head, what a cell shows, what it sorts by, what CSV gets."""

    head: str
    text: Callable[[LayerState], str]
    key: Callable[[LayerState], float | str]
    plain: Callable[[LayerState], Any]
    tip: str
    number: bool = True


COLUMNS: tuple[Column, ...] = (
    Column(
        head="Layer",
        text=lambda s: s.name,
        key=lambda s: s.name.lower(),
        plain=lambda s: s.name,
        tip="Name of the layer; those of nested models are outer/inner",
        number=False,
    ),
    Column(
        head="Class",
        text=lambda s: s.class_name,
        key=lambda s: s.class_name.lower(),
        plain=lambda s: s.class_name,
        tip="Keras class",
        number=False,
    ),
    Column(
        head="Group",
        text=lambda s: s.group or "\u2013",
        key=lambda s: float(s.group[1:]) if s.group and s.group[1:].isdigit() else -1.0,
        plain=lambda s: s.group,
        tip="Channel group: layers whose channels can only be removed together",
        number=False,
    ),
    Column(
        head="Output",
        text=lambda s: units.shape(s.output_shape),
        key=lambda s: float(_volume(s.output_shape)),
        plain=lambda s: None if s.output_shape is None else units.shape(s.output_shape),
        tip="Output shape of one sample",
        number=False,
    ),
    Column(
        head="Channels",
        text=_channels_text,
        key=lambda s: float(s.channels_kept or 0),
        plain=lambda s: s.channels_kept,
        tip="Channels before any cut \u2192 channels left",
    ),
    Column(
        head="Parameters",
        text=lambda s: units.count(s.params) if s.params else "\u2013",
        key=lambda s: float(s.params),
        plain=lambda s: s.params,
        tip="Parameters now, norm statistics included",
    ),
    Column(
        head="MACs",
        text=lambda s: units.short_count(s.macs) if s.macs else "\u2013",
        key=lambda s: float(s.macs or 0),
        plain=lambda s: s.macs,
        tip="Multiply-adds for one sample",
    ),
    Column(
        head="Zeros",
        text=_zeros_text,
        key=lambda s: -1.0 if zero_share(s) is None else float(zero_share(s) or 0.0),
        plain=zero_share,
        tip="Share of the kernel's weights that are exactly zero",
    ),
    Column(
        head="Why it cannot be cut",
        text=lambda s: s.reason or "",
        key=lambda s: s.reason or "",
        plain=lambda s: s.reason,
        tip="Empty for layers whose channels can be removed",
        number=False,
    ),
)


def _volume(shape: tuple[int | None, ...] | None) -> int:
    volume = 1
    for size in shape or ():
        volume *= size or 0
    return volume if shape else 0


class LayerTableModel(QAbstractTableModel):
    """One row a layer."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layers: tuple[LayerState, ...] = ()

    @property
    def layers(self) -> tuple[LayerState, ...]:
        """The layers on show."""
        return self._layers

    def set_layers(self, layers: tuple[LayerState, ...]) -> None:
        """Show these layers; rows stay where the same layers changed."""
        if layers == self._layers:
            return
        same = [s.name for s in layers] == [s.name for s in self._layers]
        if same and layers:
            self._layers = layers
            last = self.index(len(layers) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self._layers = layers
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of layers."""
        return 0 if parent.isValid() else len(self._layers)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: a cell."""
        if not index.isValid():
            return None
        layer, column = self._layers[index.row()], COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.text(layer)
            case Qt.ItemDataRole.ToolTipRole:
                return column.text(layer) or None
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case _ if role == SORT_ROLE:
                return column.key(layer)
            case _ if role == LAYER_ROLE:
                return layer.name
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Qt: heads of columns."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.head
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None


class LayerFilter(QSortFilterProxyModel):
    """Sorting by value, filtering by words, optionally only layers with weights."""

    def __init__(self, source: LayerTableModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self._with_weights = False
        self._source = source
        self.setSortRole(SORT_ROLE)
        self.setSourceModel(source)

    def set_words(self, text: str) -> None:
        """Show layers in whose cells all of these words occur."""
        self._words = tuple(text.lower().split())
        self.invalidate()

    def set_with_weights(self, only: bool) -> None:
        """Show only layers that have parameters."""
        self._with_weights = only
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """Qt: whether a row is shown."""
        layer = self._source.layers[source_row]
        if self._with_weights and not layer.params:
            return False
        text = " ".join((layer.name, layer.class_name, layer.group or "", layer.reason or ""))
        return all(word in text.lower() for word in self._words)

    def csv_text(self) -> str:
        """The rows on show, in their order, as CSV with plain numbers."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            [
                "name",
                "class",
                "group",
                "output_shape",
                "channels",
                "channels_kept",
                "params",
                "macs",
                "zeros",
                "prunable_weights",
                "reason",
            ]
        )
        for row in range(self.rowCount()):
            s = self._source.layers[self.mapToSource(self.index(row, 0)).row()]
            shape = (
                None
                if s.output_shape is None
                else "x".join("?" if n is None else str(n) for n in s.output_shape)
            )
            writer.writerow(
                [
                    s.name,
                    s.class_name,
                    s.group,
                    shape,
                    s.channels,
                    s.channels_kept,
                    s.params,
                    s.macs,
                    s.zeros,
                    s.prunable_weights,
                    s.reason,
                ]
            )
        return out.getvalue()
