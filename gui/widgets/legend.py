"""What the marks of the cloud mean."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.theme import GRID, Colours, colours, theme

MARKS = "Square: baseline. Diamond: probe. Filled circle: accepted. Open circle: rejected."


def marks(c: Colours, other: str) -> list[tuple[str, str, bool, str]]:
    """Shape, colour, whether it is filled, and word of each mark; ``other`` names a second run."""
    own = [
        ("square", c.text, True, "baseline"),
        ("diamond", c.probe, False, "probe"),
        ("circle", c.good, True, "accepted"),
        ("circle", c.bad, False, "rejected"),
        ("best", c.good, True, "best"),
    ]
    return [("triangle", c.other, True, other), *own] if other else own


class CloudLegend(QWidget):
    """Marks and their words in one line; words that do not fit are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(MARKS)
        self._other = ""
        theme().changed.connect(self.update)

    def set_other(self, name: str) -> None:
        """Name the run whose points lie over the cloud; empty for none."""
        if name != self._other:
            self._other = name
            self.setAccessibleName(f"{MARKS} Triangle: {name}." if name else MARKS)
            self.update()

    def sizeHint(self) -> QSize:
        """Qt: one line."""
        return QSize(30 * GRID, 2 * GRID + 2)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint the marks."""
        c = colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.9, 7.5))
        painter.setFont(font)
        x, middle = 2.0, self.height() / 2
        for mark, tint, filled, text in marks(c, self._other):
            width = painter.fontMetrics().horizontalAdvance(text)
            if x + 20 + width > self.width():
                break
            painter.setPen(QPen(QColor(tint), 1.8))
            painter.setBrush(QColor(tint) if filled else Qt.BrushStyle.NoBrush)
            centre = QPointF(x + 7, middle)
            if mark == "square":
                painter.drawRect(QRectF(centre.x() - 4.5, centre.y() - 4.5, 9, 9))
            elif mark == "diamond":
                painter.drawPolygon(
                    QPolygonF(
                        [
                            centre + QPointF(0, -5.5),
                            centre + QPointF(5.5, 0),
                            centre + QPointF(0, 5.5),
                            centre + QPointF(-5.5, 0),
                        ]
                    )
                )
            elif mark == "triangle":
                corners = (QPointF(0, -5), QPointF(5.5, 4.5), QPointF(-5.5, 4.5))
                painter.drawPolygon(QPolygonF([centre + corner for corner in corners]))
            elif mark == "best":
                painter.drawEllipse(centre, 3.5, 3.5)
                painter.setPen(QPen(QColor(c.accent), 1.8))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawEllipse(centre, 7.0, 7.0)
            else:
                painter.drawEllipse(centre, 5.0, 5.0)
            painter.setPen(QColor(c.muted))
            box = QRectF(x + 18, 0, width + 4, self.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
            x += 18 + width + 2 * GRID
        painter.end()
