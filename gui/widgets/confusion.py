"""A confusion matrix as a heat map: true classes down, answered classes across.

Owns painting, pointing and keys. Shade is the share of the true class on one hue, so that it needs
no colour vision; the change of a cell is orange where it grew and blue where it shrank, and has its
sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.comparison import Comparison, Confusion
from engine.telling import units
from gui.theme import GRID, Colours, colours, theme
from gui.widgets.heat import ink
from gui.widgets.strip import blend

Side = Literal["before", "after", "change"]

LEAST, MOST = 3 * GRID, 9 * GRID
"""Sides of a cell, in pixels."""

NAMES = (11 * GRID, 16 * GRID)
"""Room for the names at the left, at least and at most."""

HEADS = (4 * GRID, 10 * GRID)
"""Room for the names above: where they lie flat, and where they stand upright."""


class ConfusionMap(QWidget):
    """The matrix; ``chosen`` carries the true and the answered class of a cell."""

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.side: Side = "after"
        self.names: tuple[str, ...] = ()
        self.selected: tuple[int, int] | None = None
        self._confusion: Confusion | None = None
        self._unit = "sample"
        self._left = self._top = 0
        self.setObjectName("plain")
        self.setAccessibleName("Confusion matrix")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self.update)

    def show_confusion(self, found: Comparison | None) -> None:
        """Show the matrices of a comparison."""
        self._confusion = None if found is None else found.confusion
        self.names = () if found is None else tuple(one.name for one in found.classes)
        maps = found is not None and found.task.endswith("segmentation")
        self._unit = "pixel" if maps else "sample"
        self.selected = None
        widths = [self.fontMetrics().horizontalAdvance(name) for name in self.names] or [0]
        self._left = min(max(max(widths) + GRID, NAMES[0]), NAMES[1])
        self._top = HEADS[0] if max(widths) <= LEAST else HEADS[1]
        side = round(LEAST * len(self.names))
        self.setMinimumSize(self._left + side, self._top + side)
        self.setAccessibleDescription(f"{units.plural(len(self.names), 'class', 'classes')}")
        self.update()

    def show_side(self, side: Side) -> None:
        """Before, after, or what changed."""
        self.side = side
        self.update()

    def sizeHint(self) -> QSize:
        """Qt: comfortable cells."""
        side = round(1.2 * LEAST * len(self.names))
        return QSize(self._left + side, self._top + side)

    def count(self, true: int, found: int) -> int:
        """The number in a cell, signed for the change."""
        matrix = self._confusion
        if matrix is None:
            return 0
        before, after = matrix.before[true][found], matrix.after[true][found]
        return {"before": before, "after": after, "change": after - before}[self.side]

    def text_of(self, true: int, found: int) -> str:
        """A cell in a sentence."""
        matrix = self._confusion
        if matrix is None:
            return ""
        row = max(sum(matrix.after[true]), sum(matrix.before[true]), 1)
        before, after = matrix.before[true][found], matrix.after[true][found]
        what = "right" if true == found else f"taken for {self.names[found]}"
        return (
            f"{self.names[true]}, {what}: {units.plural(before, self._unit)}"
            f" ({units.percent(before / row)}) as opened, {after:,}"
            f" ({units.percent(after / row)}) after"
        )

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Every cell as opened and after, head first."""
        yield "true", "answered", "before", "after"
        matrix = self._confusion
        if matrix is not None:
            for true, name in enumerate(self.names):
                for found, other in enumerate(self.names):
                    yield name, other, matrix.before[true][found], matrix.after[true][found]

    def cell_rect(self, true: int, found: int) -> QRectF:
        """Where a cell is."""
        room = min(self.width() - self._left, self.height() - self._top)
        side = max(LEAST, min(MOST, room / max(len(self.names), 1)))
        return QRectF(self._left + found * side, self._top + true * side, side, side)

    def cell_at(self, place: QPointF) -> tuple[int, int] | None:
        """The cell at a place."""
        side = self.cell_rect(0, 0).width()
        true = math.floor((place.y() - self._top) / side)
        found = math.floor((place.x() - self._left) / side)
        k = len(self.names)
        return (true, found) if 0 <= true < k and 0 <= found < k else None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: paint names and the cells in view."""
        if self._confusion is None:
            return
        c, k = colours(), len(self.names)
        painter = QPainter(self)
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.85, 7.5))
        painter.setFont(font)
        painter.setPen(QColor(c.muted))
        corner = QRectF(0, self._top - 32, self._left - GRID, 16)
        for text in ("answered \u2192", "true \u2193"):
            painter.drawText(corner, Qt.AlignmentFlag.AlignRight, text)
            corner.translate(0, 14)
        for index in range(k):
            self._paint_names(painter, c, index)
        rows, columns = self._cells_in(QRectF(event.rect()))
        for true in rows:
            largest = max(sum(self._confusion.before[true]), sum(self._confusion.after[true]), 1)
            for found in columns:
                self._paint_cell(painter, c, true, found, largest)
        if self.selected is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.text if self.hasFocus() else c.muted), 2))
            painter.drawRect(self.cell_rect(*self.selected))
        painter.end()

    def _cells_in(self, seen: QRectF) -> tuple[range, range]:
        """Rows and columns of the cells that are in view."""
        side, k = self.cell_rect(0, 0).width(), len(self.names)
        ends = (
            (math.floor((low - start) / side), math.floor((high - start) / side) + 1)
            for start, low, high in (
                (self._top, seen.top(), seen.bottom()),
                (self._left, seen.left(), seen.right()),
            )
        )
        rows, columns = (range(max(low, 0), min(high, k)) for low, high in ends)
        return rows, columns

    def _paint_names(self, painter: QPainter, c: Colours, index: int) -> None:
        metrics, elide = painter.fontMetrics(), Qt.TextElideMode.ElideRight
        cell = self.cell_rect(index, index)
        at = self.selected or (-1, -1)
        painter.setPen(QColor(c.text if at[0] == index else c.muted))
        box = QRectF(0, cell.top(), self._left - GRID, cell.height())
        name = metrics.elidedText(self.names[index], elide, int(box.width()))
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(QColor(c.text if at[1] == index else c.muted))
        name = metrics.elidedText(self.names[index], elide, self._top - GRID)
        painter.save()
        if self._top == HEADS[0]:
            box = QRectF(cell.left(), self._top - 18, cell.width(), 16)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)
        else:
            painter.translate(cell.center().x(), self._top - GRID / 2)
            painter.rotate(-90)
            box = QRectF(0, -cell.width() / 2, self._top - GRID, cell.width())
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, name)
        painter.restore()

    def _paint_cell(
        self, painter: QPainter, c: Colours, true: int, found: int, largest: int
    ) -> None:
        number, cell = self.count(true, found), self.cell_rect(true, found)
        strength = math.sqrt(min(abs(number) / largest, 1.0))
        hue = c.accent
        if self.side == "change":
            hue = c.floor if number > 0 else c.accent
            strength = math.sqrt(min(abs(number) / (0.1 * largest), 1.0))
        fill = blend(c.raised, hue, strength) if number else QColor(c.raised)
        painter.fillRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), fill)
        text = f"{number:+,}" if self.side == "change" else f"{number:,}"
        text = (text if abs(number) < 100_000 else units.short_count(number)).replace("-", "\u2212")
        if number and painter.fontMetrics().horizontalAdvance(text) + 2 <= cell.width():
            painter.setPen(ink(fill))
            painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt: choose a cell."""
        at = self.cell_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and at is not None:
            self._select(at)
            self.chosen.emit(*at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: arrows go from cell to cell, Return chooses."""
        steps = {
            Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0),
            Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1),
        }  # fmt: skip
        step = steps.get(Qt.Key(event.key()))
        if step is not None and self.names:
            true, found = self.selected or (0, 0)
            last = len(self.names) - 1
            self._select(
                (min(max(true + step[0], 0), last), min(max(found + step[1], 0), last))
                if self.selected
                else (0, 0)
            )
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.selected is not None:
            self.chosen.emit(*self.selected)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Qt: tool tips tell of the cell under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at = self.cell_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if at is None else self.text_of(*at), self)
            return True
        return super().event(event)

    def _select(self, cell: tuple[int, int]) -> None:
        self.selected = cell
        self.setAccessibleDescription(self.text_of(*cell))
        self.update()
