"""A list of tiles that are all of one size, in as many columns as fit, over the whole width."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QListView, QStyledItemDelegate


class TileList(QListView):
    """Tiles of at least the size ``tile``, painted by a delegate."""

    def __init__(self, name: str, delegate: QStyledItemDelegate, tile: QSize) -> None:
        super().__init__()
        self._tile = tile
        self.setAccessibleName(name)
        delegate.setParent(self)
        self.setItemDelegate(delegate)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt: the columns share the width."""
        room = self.viewport().width() - 1
        columns = max(1, room // self._tile.width())
        self.setGridSize(QSize(room // columns, self._tile.height()))
        super().resizeEvent(event)
