"""How a sample of a comparison looks in a list: its picture, what it is, what both models said.

Owns the painting; what is said comes from :mod:`gui.models.samples`.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.models.rows import Index
from gui.models.samples import SAMPLE_ROLE, SampleFacts
from gui.theme import GRID, Colours, colours

PICTURE = 7 * GRID
CELL = QSize(38 * GRID, PICTURE + 2 * GRID)
MARK = 9.0


class SampleDelegate(QStyledItemDelegate):
    """Paints one sample; its mark points down where it got worse, up where it got better."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """Qt: all are alike."""
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Qt: paint a sample."""
        facts, picture = index.data(SAMPLE_ROLE), index.data(Qt.ItemDataRole.DecorationRole)
        if not isinstance(facts, SampleFacts):
            return
        c, box = colours(), QRectF(option.rect).adjusted(4, 2, -4, -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.accent_soft))
            painter.drawRoundedRect(box, 6, 6)
        place = QRectF(box.left() + 4, box.center().y() - PICTURE / 2, PICTURE, PICTURE)
        if isinstance(picture, QImage):
            painter.drawImage(place, picture)
        else:
            painter.fillRect(place, QColor(c.hover))
        words = box.adjusted(PICTURE + 2 * GRID, 2, -4, -2)
        line = words.height() / 3
        parts = (
            (f"true {facts.label}", c.text, True),
            (f"{facts.before} \u2192 {facts.after}", c.text, False),
            (facts.name, c.muted, False),
        )
        for number, (text, colour, strong) in enumerate(parts):
            row = QRectF(words.left(), words.top() + number * line, words.width(), line)
            if number == 1:
                mark = QPointF(row.left() + MARK / 2, row.center().y())
                row.setLeft(row.left() + paint_mark(painter, c, facts, mark))
            font = option.font
            font.setBold(strong)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            mode = Qt.TextElideMode.ElideMiddle if number == 2 else Qt.TextElideMode.ElideRight
            shown = painter.fontMetrics().elidedText(text, mode, int(row.width()))
            painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.restore()


def paint_mark(painter: QPainter, c: Colours, facts: SampleFacts, at: QPointF) -> float:
    """The mark of a change, centred; the room that it takes, none where nothing changed."""
    if facts.change is None:
        return 0.0
    half = MARK / 2
    shapes = {
        "worse": ((-half, -half), (half, -half), (0.0, half)),
        "better": ((-half, half), (half, half), (0.0, -half)),
        "other": ((0.0, -half), (half, 0.0), (0.0, half), (-half, 0.0)),
    }
    hues = {"worse": c.bad, "better": c.good, "other": c.probe}
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(hues[facts.change]))
    painter.drawPolygon(QPolygonF([at + QPointF(x, y) for x, y in shapes[facts.change]]))
    return MARK + GRID / 2
