"""The sensitivity heat map: groups as rows, keep ratios as columns, a legend above.

Colours are cividis, made for all kinds of colour vision (Nunez, Anderton, Renslow 2018), and each
cell has its number. Owns the painting and the pointing; what is in the cells comes from
:mod:`engine.telling.sensitivity`.
"""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.telling import units
from engine.telling.sensitivity import KEEPS, Heat, describe
from gui.theme import GRID, Colours, colours, theme

CIVIDIS = ("#FDE737", "#C7B55A", "#948E77", "#666970", "#35456C", "#00204C")
"""Six steps of cividis, from the best value to the worst."""

ROW = 2.5 * GRID
TOP = 5.5 * GRID
NAMES = 15 * GRID


def tint(badness: float) -> QColor:
    """Colour of a value between the best (0) and the worst (1)."""
    place = min(max(badness, 0.0), 1.0) * (len(CIVIDIS) - 1)
    index = min(int(place), len(CIVIDIS) - 2)
    one, two, share = QColor(CIVIDIS[index]), QColor(CIVIDIS[index + 1]), place - index
    return QColor.fromRgbF(
        one.redF() + (two.redF() - one.redF()) * share,
        one.greenF() + (two.greenF() - one.greenF()) * share,
        one.blueF() + (two.blueF() - one.blueF()) * share,
    )


def ink(fill: QColor) -> QColor:
    """Black or white, whichever has the higher contrast on a colour (WCAG 2.2, 1.4.3)."""
    red, green, blue = (_light(part) for part in (fill.redF(), fill.greenF(), fill.blueF()))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    on_black, on_white = (luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05)
    return QColor("#000000" if on_black > on_white else "#FFFFFF")


def _light(part: float) -> float:
    """A part of an sRGB colour as light, both 0 to 1 (IEC 61966-2-1)."""
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


class HeatMap(QWidget):
    """The heat map; ``chosen`` carries the name of the first layer of a group."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.heat = Heat()
        self._selected: str | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Sensitivity of the channel groups")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        theme().changed.connect(self.update)

    @property
    def selected(self) -> str | None:
        """Id of the selected group."""
        return self._selected

    def sizeHint(self) -> QSize:
        """Qt: a line a group."""
        return QSize(40 * GRID, int(TOP + max(len(self.heat.rows), 1) * ROW))

    def minimumSizeHint(self) -> QSize:
        """Qt: no line is left out."""
        return QSize(28 * GRID, self.sizeHint().height())

    def show_heat(self, heat: Heat) -> None:
        """Show a table."""
        if heat == self.heat:
            return
        grown = len(heat.rows) != len(self.heat.rows)
        self.heat = heat
        if grown:
            self.updateGeometry()
        name = units.metric_name(heat.metric)
        self.setAccessibleDescription(
            f"{units.plural(len(heat.rows), 'group')} probed; {name} from"
            f" {units.metric_value(heat.worst, heat.metric)} to"
            f" {units.metric_value(heat.best, heat.metric)}"
        )
        self.update()

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Every probed point, head first; ``divergence`` is in nats."""
        yield "group", "first_layer", "keep", "channels_kept", "value", "divergence"
        for row in self.heat.rows:
            for p in row.cells:
                if p is not None:
                    yield row.group, row.name, p.keep, p.kept, p.value, p.loss

    def select_layer(self, name: str) -> None:
        """Mark the group of a layer."""
        row = next((r for r in self.heat.rows if name in r.layers), None)
        self._selected = None if row is None else row.group
        self.update()

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Place of a cell, in widget coordinates."""
        names = min(NAMES, 0.34 * self.width())
        width = (self.width() - names) / len(KEEPS)
        return QRectF(names + column * width, TOP + row * ROW, width - 1, ROW - 1)

    def selected_rect(self) -> QRectF | None:
        """Place of the first cell of the selected row, None without one."""
        groups = [row.group for row in self.heat.rows]
        if self._selected not in groups:
            return None
        return self.cell_rect(groups.index(self._selected), 0)

    def cell_at(self, place: QPointF) -> tuple[int, int | None] | None:
        """Row and column at a place; the column is None over the names."""
        row = int((place.y() - TOP) // ROW)
        if place.y() < TOP or row >= len(self.heat.rows):
            return None
        cells = (self.cell_rect(row, c) for c in range(len(KEEPS)))
        return row, next(
            (c for c, r in enumerate(cells) if r.left() <= place.x() < r.right()), None
        )

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint legend, heads and cells."""
        c = colours()
        painter = QPainter(self)
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.85, 7.5))
        painter.setFont(font)
        self._paint_legend(painter, c)
        painter.setPen(QColor(c.muted))
        first = self.cell_rect(0, 0)
        heads = QRectF(0, TOP - 18, first.left() - GRID, 16)
        painter.drawText(heads, Qt.AlignmentFlag.AlignVCenter, "channels left")
        for column, keep in enumerate(KEEPS):
            box = self.cell_rect(0, column)
            box.moveTop(TOP - 19)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, units.percent(keep, 0))
        for index in range(len(self.heat.rows)):
            self._paint_row(painter, c, index)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.accent), 1.5))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def _paint_legend(self, painter: QPainter, c: Colours) -> None:
        heat, metrics = self.heat, painter.fontMetrics()
        metric = heat.metric
        texts = (
            f"{units.metric_name(metric)} {units.metric_value(heat.worst, metric)}",
            units.metric_value(heat.best, metric),
        )
        x, middle = 0.0, 1.2 * GRID
        painter.setPen(QColor(c.muted))
        for number, text in enumerate(texts):
            width = metrics.horizontalAdvance(text)
            box = QRectF(x, middle - 8, width + 2, 16)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
            x += width + GRID
            if number == 0:
                bar = QRectF(x, middle - 4, 12 * GRID, 8)
                ramp = QLinearGradient(bar.topLeft(), bar.topRight())
                for step in range(len(CIVIDIS)):
                    ramp.setColorAt(step / (len(CIVIDIS) - 1), QColor(CIVIDIS[-1 - step]))
                painter.fillRect(bar, ramp)
                x += bar.width() + GRID
        words = "each group cut alone, not trained"
        if x + GRID + metrics.horizontalAdvance(words) <= self.width():
            box = QRectF(x + GRID, middle - 8, self.width() - x - GRID, 16)
            painter.drawText(
                box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, words
            )

    def _paint_row(self, painter: QPainter, c: Colours, index: int) -> None:
        row, metrics = self.heat.rows[index], painter.fontMetrics()
        first = self.cell_rect(index, 0)
        chosen = row.group == self._selected
        room = first.left() - GRID
        painter.setPen(QColor(c.text if chosen else c.muted))
        more = f" +{len(row.layers) - 1}" if len(row.layers) > 1 else ""
        name = metrics.elidedText(
            row.name, Qt.TextElideMode.ElideMiddle, int(room - metrics.horizontalAdvance(more))
        )
        box = QRectF(0, first.top(), room, first.height())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, name + more)
        share = units.is_share(self.heat.metric)
        for column, point in enumerate(row.cells):
            cell = self.cell_rect(index, column)
            if point is None:
                painter.fillRect(cell, QColor(c.hover))
                continue
            fill = tint(self.heat.badness(point.value))
            painter.fillRect(cell, fill)
            text = f"{point.value * 100:.1f}" if share else f"{point.value:.3g}"
            if metrics.horizontalAdvance(text) + 4 <= cell.width():
                painter.setPen(ink(fill))
                painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, text)
        if chosen:
            whole = first.united(self.cell_rect(index, len(KEEPS) - 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.drawRect(whole.adjusted(1, 1, -1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt: choose the group under the pointer."""
        at = self.cell_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and at is not None:
            self._choose(at[0])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: up and down choose a neighbour."""
        groups = [row.group for row in self.heat.rows]
        at = groups.index(self._selected) if self._selected in groups else -1
        match event.key():
            case Qt.Key.Key_Down if groups:
                self._choose(min(at + 1, len(groups) - 1))
            case Qt.Key.Key_Up if groups:
                self._choose(max(at - 1, 0))
            case _:
                super().keyPressEvent(event)

    def text_at(self, place: QPointF) -> str:
        """What a tool tip says at a place; empty where there is nothing."""
        at = self.cell_at(place)
        if at is None:
            return ""
        row, column = self.heat.rows[at[0]], at[1]
        if column is None:
            return "\n".join(row.layers) or row.name
        return describe(self.heat, row, row.cells[column])

    def event(self, event: QEvent) -> bool:
        """Qt: tool tips tell of the cell under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            text = self.text_at(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def _choose(self, index: int) -> None:
        row = self.heat.rows[index]
        self._selected = row.group
        self.update()
        self.chosen.emit(row.name)
