"""Pictures of a layer's weights: histograms, a kernel's zeros and its filters' skeletons.

Owns the painting and the pointing. It knows nothing of files or of what is selected.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QHelpEvent,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine import ranges
from engine.telling import units
from gui.theme import GRID, colours, theme
from gui.weights import Histogram, KernelPicture, SkeletonPicture
from gui.widgets.strip import blend


class HistogramView(QWidget):
    """One histogram, its counts on a log scale, with the threshold as lines.

    What was removed is hatched, on top of what stayed.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.shown: Histogram | None = None
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: some lines high."""
        return QSize(28 * GRID, 11 * GRID)

    def show_histogram(self, found: Histogram) -> None:
        """Draw a histogram."""
        self.shown = found
        text = f"{units.plural(found.total, 'value')}, {units.plural(found.zeros, 'zero')}"
        gone = sum(found.removed)
        if gone:
            text = f"{units.plural(found.total, 'channel')}, {gone} removed"
        line = "" if found.threshold is None else f", line at {found.threshold:.3g}"
        self.setAccessibleDescription(f"{text}, from {found.low:.3g} to {found.high:.3g}{line}")
        how = "removed ones hatched" if gone else "zeros not drawn"
        left = "" if found.threshold is None else "; line: the smallest magnitude that stays"
        self.setToolTip(f"{text}; counts on a log scale, {how}{left}")
        self.update()

    def rows(self) -> Iterator[tuple[float, float, int, int]]:
        """Ends of each bar, its count, and how many of them were removed."""
        found = self.shown
        if found is not None and found.counts:
            step = (found.high - found.low) / len(found.counts)
            gone = found.removed or (0,) * len(found.counts)
            for index, (count, removed) in enumerate(zip(found.counts, gone, strict=True)):
                low = found.low + index * step
                yield low, low + step, count, removed

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint the bars and the ends of the axis."""
        found, c = self.shown, colours()
        if found is None or not found.counts:
            return
        painter = QPainter(self)
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.85, 7.5))
        painter.setFont(font)
        area = QRectF(0, 2, self.width(), self.height() - 20)
        top = math.log1p(max(found.counts))
        step = area.width() / len(found.counts)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.accent))
        for index, number in enumerate(found.counts):
            high = area.height() * math.log1p(number) / top
            bar = QRectF(index * step, area.bottom() - high, max(step - 1, 1), high)
            gone = found.removed[index] if found.removed else 0
            if gone:
                whole = bar.height()
                bar.setTop(bar.bottom() - whole * (number - gone) / number)
                over = QRectF(bar.left(), bar.top() - whole * gone / number, bar.width(), 0)
                over.setBottom(bar.top())
                painter.fillRect(over, QColor(c.empty))
                painter.fillRect(over, QBrush(QColor(c.muted), Qt.BrushStyle.BDiagPattern))
            painter.drawRect(bar)
        painter.setPen(QPen(QColor(c.control), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        spread = found.high - found.low
        if found.threshold is not None and spread > 0:
            painter.setPen(QPen(QColor(c.floor), 1.5))
            for value in (-found.threshold, found.threshold):
                x = (value - found.low) / spread * area.width()
                if 0 <= x <= area.width():
                    painter.drawLine(int(x), int(area.top()), int(x), int(area.bottom()))
        painter.setPen(QColor(c.muted))
        words = QRectF(0, area.bottom() + 2, self.width(), 16)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, _number(found.low))
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, _number(found.high))
        painter.end()


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "\u2212")


class KernelView(QWidget):
    """A kernel's zeros: inputs down, the original outputs across, those that are gone hatched.

    Where it is not known which are gone, as many are hatched at the right.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: KernelPicture | None = None
        self.columns: tuple[int | None, ...] = ()
        self._cells = b""
        self.placed = True
        self.setAccessibleName("Zeros of the kernel")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: wide, and no higher than wide."""
        return QSize(28 * GRID, 16 * GRID)

    def show_picture(
        self, found: KernelPicture, removed: int = 0, kept: tuple[int, ...] | None = None
    ) -> None:
        """Draw a kernel from which ``removed`` output channels are gone.

        Parameters
        ----------
        kept
            The original position of each output that is left; None: not known.
        """
        self.shown, self.placed = found, kept is not None or not removed
        columns: list[int | None] = [None] * (found.outputs + removed)
        places = kept or tuple(range(found.outputs))
        for column, place in enumerate(places):
            columns[place] = column
        self.columns, self._cells = tuple(columns), found.spread(places, len(columns))
        gone = f", {units.plural(removed, 'channel')} removed" if removed else ""
        if removed and self.placed:
            empty = (place for place, column in enumerate(columns) if column is None)
            gone += f": {ranges.to_text(empty).replace(' ', ', ')}"
        self.setAccessibleDescription(f"{units.plural(found.outputs, 'output channel')}{gone}")
        self.update()

    def rows(self) -> Iterator[tuple[int, float | None]]:
        """Each original channel and its share of weights that are not zero, None where it is gone.

        Where it is not known which are gone, they come last.
        """
        found = self.shown
        if found is not None:
            for place, column in enumerate(self.columns):
                yield place, None if column is None else found.density(column)

    def text_at(self, x: float) -> str:
        """What a tool tip says at a place."""
        found = self.shown
        if found is None or not self.columns:
            return ""
        count = len(self.columns)
        place = min(max(int(x / max(self.width(), 1) * count), 0), count - 1)
        column = self.columns[place]
        if not self.placed:
            return "Inputs down, outputs across; this run does not tell which channels are gone"
        if column is None:
            return f"Channel {place} removed"
        share = units.percent(1.0 - found.density(column), 0)
        return f"Channel {place}: {share} of its weights are zero"

    def event(self, event: QEvent) -> bool:
        """Qt: tool tips tell of the channel under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.text_at(event.pos().x()), self)
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint the hatching, and over it the channels that are there."""
        found, c = self.shown, colours()
        if found is None:
            return
        painter = QPainter(self)
        whole = QRectF(0.5, 0.5, self.width() - 1, self.height() - 1)
        painter.fillRect(whole, QBrush(QColor(c.control), Qt.BrushStyle.BDiagPattern))
        painter.drawImage(whole, self._image(found))
        painter.setPen(QColor(c.control))
        painter.drawRect(whole)
        painter.end()

    def _image(self, found: KernelPicture) -> QImage:
        """The cells as large as they are painted; channels that are gone are transparent."""
        c, count = colours(), len(self.columns)
        image = QImage(self._cells, count, found.height, count, QImage.Format.Format_Indexed8)
        shades = [blend(c.empty, c.accent, (i - 1) / 254).rgb() for i in range(1, 256)]
        image.setColorTable([0, *shades])
        image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        ratio = self.devicePixelRatioF()
        if count <= self.width() * ratio:
            return image
        return image.scaled(
            round(self.width() * ratio), round(self.height() * ratio),
            Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation,
        )  # fmt: skip


class SkeletonView(QWidget):
    """A tile for each filter, a cell for each stripe: the larger the stronger, zeros faint."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: SkeletonPicture | None = None
        self.setAccessibleName("Skeletons of the filters")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: as wide as the histograms."""
        return QSize(28 * GRID, self.heightForWidth(28 * GRID))

    def hasHeightForWidth(self) -> bool:
        """Qt: cells are square."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Qt: as high as the tiles take at this width."""
        found = self.shown
        return 0 if found is None else max(1, round(width / found.width * found.height))

    def show_picture(self, found: SkeletonPicture) -> None:
        """Draw the skeletons of a kernel."""
        self.shown = found
        dead = f", {units.plural(found.dead, 'filter')} without any" if found.dead else ""
        self.setAccessibleDescription(
            f"{units.plural(found.stripes, 'stripe')}, {found.zeros} of them zero{dead}"
        )
        self.setToolTip("A tile a filter, a cell a stripe: one place over all inputs")
        self.updateGeometry()
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint the tiles."""
        found, c = self.shown, colours()
        if found is None:
            return
        painter = QPainter(self)
        image = QImage(
            found.cells, found.width, found.height, found.width, QImage.Format.Format_Indexed8
        )
        shades = [blend(c.empty, c.accent, 0.15 + 0.85 * i / 254).rgb() for i in range(254)]
        image.setColorTable([QColor(c.surface).rgb(), QColor(c.empty).rgb(), *shades])
        width = self.width()
        painter.drawImage(QRectF(0, 0, width, self.heightForWidth(width)), image)
        painter.end()
