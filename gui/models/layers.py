"""The layer table as a Qt model, its sorting and filtering, and its CSV.

Owns how a :class:`engine.events.LayerState` becomes cells. It knows nothing of widgets.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, QSortFilterProxyModel

from engine.events import LayerState
from engine.telling import units
from engine.telling.layers import zero_share
from gui.models.rows import NONE, SORT_ROLE, Column, Index, RowsModel, csv_of


def _channels_text(layer: LayerState) -> str:
    if layer.channels is None or layer.channels_kept is None:
        return NONE
    if layer.channels_kept == layer.channels:
        return f"{layer.channels}"
    return f"{layer.channels} \u2192 {layer.channels_kept}"


def _zeros_text(layer: LayerState) -> str:
    if layer.prunable_weights <= 0:
        return NONE
    return units.percent(zero_share(layer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A layer and the probed sensitivity of its group in nats, None where it was not probed."""

    layer: LayerState
    sensitivity: float | None = None


COLUMNS: tuple[Column[Row], ...] = (
    Column(
        head="Layer",
        text=lambda r: r.layer.name,
        key=lambda r: r.layer.name.lower(),
        tip="Name of the layer; those of nested models are outer/inner",
        number=False,
    ),
    Column(
        head="Class",
        text=lambda r: r.layer.class_name,
        key=lambda r: r.layer.class_name.lower(),
        tip="Keras class",
        number=False,
    ),
    Column(
        head="Group",
        text=lambda r: r.layer.group or NONE,
        key=lambda r: (
            float(r.layer.group[1:]) if r.layer.group and r.layer.group[1:].isdigit() else -1.0
        ),
        tip="Channel group: layers whose channels can only be removed together",
        number=False,
    ),
    Column(
        head="Output",
        text=lambda r: units.shape(r.layer.output_shape),
        key=lambda r: float(_volume(r.layer.output_shape)),
        tip="Output shape of one sample",
        number=False,
    ),
    Column(
        head="Channels",
        text=lambda r: _channels_text(r.layer),
        key=lambda r: float(r.layer.channels_kept or 0),
        tip="Channels before any cut \u2192 channels left",
    ),
    Column(
        head="Parameters",
        text=lambda r: units.count(r.layer.params) if r.layer.params else NONE,
        key=lambda r: float(r.layer.params),
        tip="Parameters now, norm statistics included",
    ),
    Column(
        head="MACs",
        text=lambda r: units.short_count(r.layer.macs) if r.layer.macs else NONE,
        key=lambda r: float(r.layer.macs or 0),
        tip="Multiply-adds for one sample",
    ),
    Column(
        head="Zeros",
        text=lambda r: _zeros_text(r.layer),
        key=lambda r: -1.0 if zero_share(r.layer) is None else float(zero_share(r.layer) or 0.0),
        tip="Share of the kernel's weights that are exactly zero",
    ),
    Column(
        head="Sensitivity",
        text=lambda r: NONE if r.sensitivity is None else f"{r.sensitivity:.2g}",
        key=lambda r: -1.0 if r.sensitivity is None else r.sensitivity,
        tip="Divergence in nats with this layer's group alone cut to half, not trained: the higher,"
        " the more the group matters",
    ),
    Column(
        head="Why it cannot be cut",
        text=lambda r: r.layer.reason or "",
        key=lambda r: r.layer.reason or "",
        tip="Empty for layers whose channels can be removed",
        number=False,
    ),
)


def _volume(shape: tuple[int | None, ...] | None) -> int:
    volume = 1
    for size in shape or ():
        volume *= size or 0
    return volume if shape else 0


class LayerTableModel(RowsModel[Row]):
    """One row a layer."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self.layers: tuple[LayerState, ...] = ()
        self._sensitivity: dict[str, float] = {}

    def set_layers(self, layers: tuple[LayerState, ...]) -> None:
        """Show these layers."""
        self.layers = layers
        self._fill()

    def set_sensitivity(self, by_group: dict[str, float]) -> None:
        """Show the probed sensitivity of the groups, in nats."""
        self._sensitivity = dict(by_group)
        self._fill()

    def layer_of(self, row: Row) -> str:
        """Its name."""
        return row.layer.name

    def _fill(self) -> None:
        probed = self._sensitivity
        self.set_rows([Row(layer=s, sensitivity=probed.get(s.group or "")) for s in self.layers])


CSV_HEAD = (
    "name", "class", "group", "output_shape", "channels", "channels_kept", "params", "macs",
    "zeros", "prunable_weights", "sensitivity", "reason", "kept",
)  # fmt: skip


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
        layer = self._source.rows[source_row].layer
        if self._with_weights and not layer.params:
            return False
        text = " ".join((layer.name, layer.class_name, layer.group or "", layer.reason or ""))
        return all(word in text.lower() for word in self._words)

    def csv_text(self) -> str:
        """The rows on show, in their order, as CSV with plain numbers."""
        found = (
            self._source.rows[self.mapToSource(self.index(row, 0)).row()]
            for row in range(self.rowCount())
        )
        return csv_of(CSV_HEAD, [_plain(row) for row in found])


def _plain(row: Row) -> tuple[object, ...]:
    s, shape = row.layer, row.layer.output_shape
    sizes = None if shape is None else "x".join("?" if n is None else str(n) for n in shape)
    return (
        s.name, s.class_name, s.group, sizes, s.channels, s.channels_kept, s.params, s.macs,
        s.zeros, s.prunable_weights, row.sensitivity, s.reason, s.kept,
    )  # fmt: skip
