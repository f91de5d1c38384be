"""Masks of a comparison as a Qt list model: the pictures of an image, and how well they fit.

Owns what is said of an image. It knows nothing of widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QImage

from engine.telling import units
from gui.compared import Compared
from gui.models.rows import Index

MASK_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFacts:
    """An image in words and pictures."""

    name: str
    change: str
    pictures: tuple[QImage, ...]

    @property
    def sentence(self) -> str:
        """All of the words in one line."""
        return f"{self.name}: {self.change}"


class MasksModel(QAbstractListModel):
    """One row an image."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._compared: Compared | None = None

    def show_compared(self, compared: Compared | None) -> None:
        """Show the masks of a comparison, if it has any."""
        self.beginResetModel()
        self._compared = compared
        self.endResetModel()

    def facts(self, row: int) -> MaskFacts | None:
        """What is said of the image in a row."""
        masks = None if self._compared is None else self._compared.comparison.masks
        if self._compared is None or masks is None:
            return None
        before, after = masks.before[row], masks.after[row]
        change = f"IoU {units.percent(before)} \u2192 {units.percent(after)}"
        if before is not None and after is not None:
            change += f" ({units.metric_difference(after - before, 'iou', signed=True)})"
        return MaskFacts(
            name=masks.names[row] if masks.names else f"sample {masks.samples[row]}",
            change=change,
            pictures=self._compared.pictures(row),
        )

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Qt: number of images."""
        masks = None if self._compared is None else self._compared.comparison.masks
        return 0 if masks is None or parent.isValid() else len(masks.samples)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: an image."""
        if not index.isValid():
            return None
        facts = self.facts(index.row())
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None if facts is None else facts.sentence
        return facts if role == MASK_ROLE else None
