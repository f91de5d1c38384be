"""How an image with its masks looks in a list: what became of it, and four pictures.

Owns the painting; what is said comes from :mod:`gui.models.masks`.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.models.masks import MASK_ROLE, MaskFacts
from gui.models.rows import Index
from gui.theme import GRID, colours

CAPTIONS = ("image", "true", "as opened", "after")
PICTURE = 16 * GRID
LINE = 3 * GRID
CELL = QSize(4 * PICTURE + 5 * GRID, PICTURE + 2 * LINE + 2 * GRID)


class MaskDelegate(QStyledItemDelegate):
    """Paints one image: a line of words, four pictures, what each is."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """Qt: all are alike."""
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Qt: paint an image."""
        facts = index.data(MASK_ROLE)
        if not isinstance(facts, MaskFacts):
            return
        c, box = colours(), QRectF(option.rect).adjusted(0, GRID / 2, -GRID, -GRID / 2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.accent_soft))
            painter.drawRoundedRect(box, 6, 6)
        inner = box.adjusted(GRID / 2, 0, -GRID / 2, 0)
        head = QRectF(inner.left(), inner.top(), inner.width(), LINE)
        metrics = painter.fontMetrics()
        room = head.width() - metrics.horizontalAdvance(facts.change) - 2 * GRID
        name = metrics.elidedText(facts.name, Qt.TextElideMode.ElideMiddle, int(room))
        painter.setPen(QColor(c.muted))
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
        head.setRight(inner.left() + 4 * PICTURE + 3 * GRID)
        painter.setPen(QColor(c.text))
        painter.drawText(
            head, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, facts.change
        )
        for column, (caption, picture) in enumerate(zip(CAPTIONS, facts.pictures, strict=False)):
            left = inner.left() + column * (PICTURE + GRID)
            shrunk = picture.size().scaled(PICTURE, PICTURE, Qt.AspectRatioMode.KeepAspectRatio)
            place = QRectF(left, head.bottom(), shrunk.width(), shrunk.height())
            painter.drawImage(place, picture)
            below = QRectF(left, place.bottom(), PICTURE, LINE)
            painter.setPen(QColor(c.muted))
            painter.drawText(
                below, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, caption
            )
        painter.restore()
