"""The house's way with pyqtgraph: axes in people's units, colours of the theme, zoom that stays.

Imported only after the window's first paint, as is everything that draws with pyqtgraph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPoint, QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter

from gui.theme import colours

pg.setConfigOptions(antialias=True)


class UnitAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis whose numbers a function writes; ``log`` puts ticks at 1, 2 and 5 of each decade."""

    def __init__(self, orientation: str, text: Callable[[float], str], *, log: bool = False):
        super().__init__(orientation)
        self.text = text
        self._log10 = log

    def tickValues(
        self, low: float, high: float, size: float
    ) -> list[tuple[float, Sequence[float]]]:
        """pyqtgraph: where the ticks are."""
        if not self._log10:
            found: list[tuple[float, Sequence[float]]] = super().tickValues(low, high, size)
            return found[:1] if found and len(found[0][1]) > 3 else found[:2]
        steps: tuple[float, ...] = (1, 2, 5) if high - low < 3 else (1,)
        if high - low < 0.7:
            steps = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
        ticks = [
            decade + math.log10(step)
            for decade in range(math.floor(low), math.ceil(high) + 1)
            for step in steps
        ]
        return [(1.0, [t for t in ticks if low <= t <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """pyqtgraph: the numbers at the ticks."""
        return [self.text(10**v if self._log10 else v * scale) for v in values]


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A plot in the theme's colours whose range follows the data until zoomed by hand.

    ``menu_wanted`` carries the place on the screen that was clicked with the right button.
    """

    menu_wanted = Signal(QPoint)

    def __init__(self, name: str, bottom: UnitAxis, left: UnitAxis) -> None:
        super().__init__(axisItems={"bottom": bottom, "left": left})
        self.setAccessibleName(name)
        self.bottom, self.left = bottom, left
        self.by_hand = False
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setFrameShape(self.Shape.NoFrame)
        self.setAcceptDrops(False)
        view = self.getViewBox()
        view.disableAutoRange()
        view.sigRangeChangedManually.connect(self._on_by_hand)
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.restyle()

    def fit(self, left: float, right: float, low: float, high: float) -> None:
        """Show this range, unless the person zoomed."""
        if not self.by_hand and left < right and low < high:
            self.getViewBox().setRange(xRange=(left, right), yRange=(low, high), padding=0)

    def follow(self) -> None:
        """Let the range follow the data again."""
        self.by_hand = False

    def draw(self, painter: QPainter) -> None:
        """Paint the plot as shapes and words, none of it as pixels."""
        items = [item for item in self.scene().items() if isinstance(item, pg.GraphicsItem)]
        for item in items:
            item.setExportMode(True)
        self.setCacheMode(self.CacheModeFlag.CacheNone)
        self.render(painter)
        self.setCacheMode(self.CacheModeFlag.CacheBackground)
        for item in items:
            item.setExportMode(False)

    def _on_clicked(self, click: Any) -> None:
        if click.button() == Qt.MouseButton.RightButton:
            self.menu_wanted.emit(click.screenPos().toPoint())

    def _on_by_hand(self, *_: object) -> None:
        self.by_hand = True

    def restyle(self) -> None:
        """Take on the colours in force."""
        c = colours()
        self.setBackground(QColor(c.surface))
        font = QFont(self.font())
        font.setPointSizeF(max(font.pointSizeF() * 0.85, 7.5))
        for axis in (self.bottom, self.left):
            axis.setPen(pg.mkPen(c.border))
            axis.setTextPen(pg.mkPen(c.muted))
            axis.setTickFont(font)
            axis.setStyle(tickLength=-4)
            axis.setZValue(-100)
        self.showGrid(x=True, y=True, alpha=0.12)


ANCHORS = ((1.0, 1.35), (0.0, 1.35), (1.0, -0.35), (0.0, -0.35), (1.2, 0.5), (-0.2, 0.5))
"""Where a point's label may stand: above to the left, to the right, below likewise, beside it."""


MARGIN = 3
"""Pixels around the words of a label that are empty."""


def clear_anchor(
    at: QPointF, size: QSizeF, room: QRectF, taken: Sequence[QRectF]
) -> tuple[float, float]:
    """The anchor at which a label of a point is inside the room and covers the least.

    Parameters
    ----------
    at, size, room, taken
        The point, the label's size, the plot, and what should not be covered, in pixels.
    """

    def covered(anchor: tuple[float, float]) -> int:
        x, y = at.x() - anchor[0] * size.width(), at.y() - anchor[1] * size.height()
        label = QRectF(QPointF(x, y), size)
        outside = 0 if room.contains(label) else len(taken) + 1
        ink = label.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        return outside + sum(ink.intersects(other) for other in taken)

    return min(ANCHORS, key=covered)


def line_pen(colour: str, width: float = 1.5, *, dashed: bool = False) -> object:
    """A pen in a colour of the theme."""
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    return pg.mkPen(QColor(colour), width=width, style=style)
