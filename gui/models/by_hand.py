"""Layers that are shrunk by hand, as an editable Qt model: a share kept, a share of zeros.

Owns the two shares of each layer and what they leave. A share kept is that of the layer's whole
group. It knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal

from engine.events import LayerState
from engine.telling import units
from gui.models.rows import NONE, Column, Index, RowsModel

if TYPE_CHECKING:
    from engine.by_hand import ByHand

KEEP, ZEROS = 3, 4
"""The columns that can be edited."""

MOST_ZEROS = 99
"""Percent of a kernel that may be zeroed."""


def _channels(layer: LayerState) -> str:
    if not layer.prunable or layer.channels is None:
        return NONE if layer.channels is None else f"{layer.channels}"
    if layer.channels_kept == layer.channels:
        return f"{layer.channels}"
    return f"{layer.channels} \u2192 {layer.channels_kept}"


class ByHandModel(RowsModel[LayerState]):
    """One row a layer with weights; ``edited`` after each change."""

    edited = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(self._columns(), parent)
        self.draft: ByHand | None = None
        self.keep: dict[str, float] = {}
        self.sparsity: dict[str, float] = {}
        self.left: tuple[LayerState, ...] = ()

    def _columns(self) -> tuple[Column[LayerState], ...]:
        return (
            Column(head="Layer", text=lambda s: s.name, key=lambda s: s.name.lower(), number=False),
            Column(
                head="Group",
                text=lambda s: s.group or NONE,
                key=lambda s: s.group or "",
                tip="Layers of a group are cut together",
                number=False,
            ),
            Column(
                head="Channels",
                text=_channels,
                key=lambda s: float(s.channels_kept or 0),
                tip="Channels as opened \u2192 channels left",
            ),
            Column(
                head="Keep",
                text=lambda s: NONE if not self.can_keep(s) else units.percent(self._kept(s), 0),
                key=lambda s: self._kept(s) if self.can_keep(s) else 2.0,
                tip="Share of the channels that stay; double-click to change it",
            ),
            Column(
                head="Zeros",
                text=lambda s: NONE if not self.can_zero(s) else units.percent(self._zeros(s), 0),
                key=lambda s: self._zeros(s) if self.can_zero(s) else -1.0,
                tip="Share of the kernel's weights that become zero; double-click to change it",
            ),
            Column(
                head="Parameters",
                text=lambda s: units.count(s.params),
                key=lambda s: float(s.params),
                tip="What is left of them",
            ),
            Column(
                head="MACs",
                text=lambda s: units.short_count(s.macs) if s.macs else NONE,
                key=lambda s: float(s.macs or 0),
                tip="Multiply-adds for one sample that are left",
            ),
            Column(
                head="Why it cannot be cut",
                text=lambda s: s.reason or "",
                key=lambda s: s.reason or "",
                number=False,
            ),
        )

    def show_draft(self, draft: ByHand | None) -> None:
        """Begin with a model, all of it kept."""
        self.draft = draft
        self.keep, self.sparsity = {}, {}
        self._estimate()

    def can_keep(self, layer: LayerState) -> bool:
        """Whether channels of a layer can go."""
        return layer.prunable and layer.group is not None

    def can_zero(self, layer: LayerState) -> bool:
        """Whether weights of a layer can be zeroed."""
        return self.draft is not None and layer.name in self.draft.sparse

    def layer_of(self, row: LayerState) -> str:
        """Its name."""
        return row.name

    def choose(
        self, rows: Iterable[int], *, keep: float | None = None, zeros: float | None = None
    ) -> None:
        """Keep and zero these shares in some rows; None leaves a share as it is."""
        for number in rows:
            layer = self.rows[number]
            if keep is not None and self.can_keep(layer) and layer.group is not None:
                self.keep[layer.group] = keep
            if zeros is not None and self.can_zero(layer):
                self.sparsity[layer.name] = zeros
        self.keep = {group: share for group, share in self.keep.items() if share < 1.0}
        self.sparsity = {name: share for name, share in self.sparsity.items() if share > 0.0}
        self._estimate()

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Qt: what can be edited."""
        found = super().flags(index)
        if not index.isValid():
            return found
        layer = self.rows[index.row()]
        able = (index.column() == KEEP and self.can_keep(layer)) or (
            index.column() == ZEROS and self.can_zero(layer)
        )
        return found | Qt.ItemFlag.ItemIsEditable if able else found

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: a cell; whole percents for an editor."""
        if role == Qt.ItemDataRole.EditRole and index.isValid():
            layer = self.rows[index.row()]
            if index.column() == KEEP:
                return round(100 * self._kept(layer))
            if index.column() == ZEROS:
                return round(100 * self._zeros(layer))
        return super().data(index, role)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Qt: a share was edited, in percent."""
        if role != Qt.ItemDataRole.EditRole or not self.flags(index) & Qt.ItemFlag.ItemIsEditable:
            return False
        if index.column() == KEEP:
            self.choose([index.row()], keep=min(max(int(value), 1), 100) / 100)
        else:
            self.choose([index.row()], zeros=min(max(int(value), 0), MOST_ZEROS) / 100)
        return True

    def _kept(self, layer: LayerState) -> float:
        return self.keep.get(layer.group or "", 1.0)

    def _zeros(self, layer: LayerState) -> float:
        return self.sparsity.get(layer.name, 0.0)

    def _estimate(self) -> None:
        self.left = () if self.draft is None else self.draft.left(self.keep, self.sparsity)
        self.set_rows([s for s in self.left if s.params])
        if self.rows:  # a share may change where what it leaves does not
            self.dataChanged.emit(
                self.index(0, 0), self.index(len(self.rows) - 1, len(self.columns) - 1)
            )
        self.edited.emit()
