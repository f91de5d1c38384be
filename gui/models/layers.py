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
class Row:
    """A layer and the probed sensitivity of its group in nats, None where it was not probed."""

    layer: LayerState
    sensitivity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its head, what a cell shows, what it sorts by, what CSV gets."""

    head: str
    text: Callable[[Row], str]
    key: Callable[[Row], float | str]
    plain: Callable[[Row], Any]
    tip: str
    number: bool = True


COLUMNS: tuple[Column, ...] = (
    Column(
        head="Layer",
        text=lambda r: r.layer.name,
        key=lambda r: r.layer.name.lower(),
        plain=lambda r: r.layer.name,
        tip="Name of the layer; those of nested models are outer/inner",
        number=False,
    ),
    Column(
        head="Class",
        text=lambda r: r.layer.class_name,
        key=lambda r: r.layer.class_name.lower(),
        plain=lambda r: r.layer.class_name,
        tip="Keras class",
        number=False,
    ),
    Column(
        head="Group",
        text=lambda r: r.layer.group or "\u2013",
        key=lambda r: (
            float(r.layer.group[1:]) if r.layer.group and r.layer.group[1:].isdigit() else -1.0
        ),
        plain=lambda r: r.layer.group,
        tip="Channel group: layers whose channels can only be removed together",
        number=False,
    ),
    Column(
        head="Output",
        text=lambda r: units.shape(r.layer.output_shape),
        key=lambda r: float(_volume(r.layer.output_shape)),
        plain=lambda r: None if r.layer.output_shape is None else units.shape(r.layer.output_shape),
        tip="Output shape of one sample",
        number=False,
    ),
    Column(
        head="Channels",
        text=lambda r: _channels_text(r.layer),
        key=lambda r: float(r.layer.channels_kept or 0),
        plain=lambda r: r.layer.channels_kept,
        tip="Channels before any cut \u2192 channels left",
    ),
    Column(
        head="Parameters",
        text=lambda r: units.count(r.layer.params) if r.layer.params else "\u2013",
        key=lambda r: float(r.layer.params),
        plain=lambda r: r.layer.params,
        tip="Parameters now, norm statistics included",
    ),
    Column(
        head="MACs",
        text=lambda r: units.short_count(r.layer.macs) if r.layer.macs else "\u2013",
        key=lambda r: float(r.layer.macs or 0),
        plain=lambda r: r.layer.macs,
        tip="Multiply-adds for one sample",
    ),
    Column(
        head="Zeros",
        text=lambda r: _zeros_text(r.layer),
        key=lambda r: -1.0 if zero_share(r.layer) is None else float(zero_share(r.layer) or 0.0),
        plain=lambda r: zero_share(r.layer),
        tip="Share of the kernel's weights that are exactly zero",
    ),
    Column(
        head="Sensitivity",
        text=lambda r: "\u2013" if r.sensitivity is None else f"{r.sensitivity:.2g}",
        key=lambda r: -1.0 if r.sensitivity is None else r.sensitivity,
        plain=lambda r: r.sensitivity,
        tip="Divergence in nats with this layer's group alone cut to half, not trained: the higher,"
        " the more the group matters",
    ),
    Column(
        head="Why it cannot be cut",
        text=lambda r: r.layer.reason or "",
        key=lambda r: r.layer.reason or "",
        plain=lambda r: r.layer.reason,
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
        self._sensitivity: dict[str, float] = {}

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

    def set_sensitivity(self, by_group: dict[str, float]) -> None:
        """Show the probed sensitivity of the groups, in nats."""
        if by_group == self._sensitivity:
            return
        self._sensitivity = dict(by_group)
        if self._layers:
            last = self.index(len(self._layers) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def row(self, number: int) -> Row:
        """A row's layer and what is known of it."""
        layer = self._layers[number]
        return Row(layer=layer, sensitivity=self._sensitivity.get(layer.group or ""))

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
        row, column = self.row(index.row()), COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.text(row)
            case Qt.ItemDataRole.ToolTipRole:
                return column.text(row) or None
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case _ if role == SORT_ROLE:
                return column.key(row)
            case _ if role == LAYER_ROLE:
                return row.layer.name
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
                "sensitivity",
                "reason",
            ]
        )
        for row in range(self.rowCount()):
            found = self._source.row(self.mapToSource(self.index(row, 0)).row())
            s = found.layer
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
                    found.sensitivity,
                    s.reason,
                ]
            )
        return out.getvalue()
