"""The layer strip: Secateur's own picture of a model.

One bar per layer, left to right. A bar's width is the share of its channels that is left, inside
the outline of what it was; its shade pales with the share of zero weights. Layers that cannot be
cut have a line under them. Owns the painting and the pointing; it knows nothing of runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.events import LayerState
from engine.telling import units
from engine.telling.layers import kept_share, shown_layers, zero_share
from gui.theme import GRID, Colours, colours, theme

SMALLEST_BAR = 1.5
"""Width in pixels below which a bar could not be seen."""

SMALLEST_WORDED = 26.0
"""Width in pixels of a slot below which nothing is written under it."""


def blend(a: str, b: str, share: float) -> QColor:
    """The colour a ``share`` of the way from ``a`` to ``b``."""
    one, two = QColor(a), QColor(b)
    share = min(max(share, 0.0), 1.0)
    return QColor.fromRgbF(
        one.redF() + (two.redF() - one.redF()) * share,
        one.greenF() + (two.greenF() - one.greenF()) * share,
        one.blueF() + (two.blueF() - one.blueF()) * share,
    )


def _short_name(layer: LayerState) -> str:
    return layer.name.rsplit("/", 1)[-1]


def describe(layer: LayerState) -> str:
    """A layer in some lines, for tool tips and screen readers."""
    lines = [f"{layer.name} ({layer.class_name})"]
    if layer.channels is not None and layer.channels_kept is not None:
        lines.append(f"{layer.channels_kept} of {layer.channels} channels left")
    if layer.prunable_weights:
        share = zero_share(layer)
        lines.append(f"zero weights: {units.percent(share)}")
    lines.append(units.plural(layer.params, "parameter"))
    if layer.reason:
        lines.append(f"Not cut: {layer.reason}")
    return "\n".join(lines)


class LayerStrip(QWidget):
    """The strip; ``hovered`` and ``chosen`` carry a layer's name."""

    chosen = Signal(str)
    opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._layers: tuple[LayerState, ...] = ()
        self._selected: str | None = None
        self._hover: int | None = None
        self._named = True
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Layer strip")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(11 * GRID)
        theme().changed.connect(self.update)

    @property
    def selected(self) -> str | None:
        """Name of the selected layer."""
        return self._selected

    def sizeHint(self) -> QSize:
        """Qt: as wide as it gets, eleven grid steps high."""
        return QSize(80 * GRID, 11 * GRID)

    def set_layers(self, layers: tuple[LayerState, ...]) -> None:
        """Show these layers."""
        shown = shown_layers(layers)
        if shown != self._layers:
            self._layers = shown
            kept = [s for s in map(kept_share, shown) if s is not None]
            mean = (
                f"{100 * sum(kept) / len(kept):.0f} % of channels left on average" if kept else ""
            )
            self.setAccessibleDescription(
                f"{units.plural(len(shown), 'layer')} with weights. {mean}".strip()
            )
            self.update()

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Channels and zeros of each bar, head first."""
        yield "layer", "class", "channels", "channels_kept", "prunable_weights", "zeros"
        for s in self._layers:
            yield s.name, s.class_name, s.channels, s.channels_kept, s.prunable_weights, s.zeros

    def select(self, name: str | None) -> None:
        """Mark a layer."""
        if name != self._selected:
            self._selected = name
            self.update()

    def bar_rect(self, index: int) -> QRectF:
        """Outline of a layer's slot, in widget coordinates."""
        count = max(len(self._layers), 1)
        slot = self.width() / count
        gap = min(4.0, slot * 0.25)
        return QRectF(index * slot + gap / 2, 4.0, slot - gap, self.height() - 4.0 - 34.0)

    def index_at(self, x: float) -> int | None:
        """Index of the layer whose slot is at ``x``."""
        if not self._layers or not 0 <= x < self.width():
            return None
        return min(int(x / (self.width() / len(self._layers))), len(self._layers) - 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint the bars and, where there is room, names and numbers."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        c = colours()
        if not self._layers:
            painter.setPen(QColor(c.muted))
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter, "No layer with weights to show"
            )
        font = painter.font()
        font.setPointSizeF(max(self.font().pointSizeF() * 0.85, 7.5))
        painter.setFont(font)
        self._named = self._names_fit(QFontMetrics(font))
        for index, layer in enumerate(self._layers):
            self._paint_bar(painter, c, index, layer)
        if self.hasFocus():
            painter.setPen(QPen(QColor(c.accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def _selected_group(self) -> str | None:
        """Group of the selected layer: what is cut along with it."""
        return next((s.group for s in self._layers if s.name == self._selected), None)

    def _names_fit(self, metrics: QFontMetrics) -> bool:
        """Whether most names can be read; else numbers alone stand under the bars."""
        room = self.bar_rect(0).width()
        fitting = sum(metrics.horizontalAdvance(_short_name(s)) <= room for s in self._layers)
        return fitting >= 0.6 * len(self._layers)

    def _paint_bar(self, painter: QPainter, c: Colours, index: int, layer: LayerState) -> None:
        slot = self.bar_rect(index)
        radius = min(4.0, slot.width() / 4)
        active = layer.name == self._selected or index == self._hover
        tied = layer.group is not None and layer.group == self._selected_group()
        outline = c.text if active else c.accent if tied else c.control
        painter.setPen(QPen(QColor(outline), 1.5 if active or tied else 1.0))
        painter.setBrush(QColor(c.raised))
        painter.drawRoundedRect(slot, radius, radius)
        kept = kept_share(layer)
        share = 1.0 if kept is None else min(max(kept, 0.0), 1.0)
        zeros = zero_share(layer) or 0.0
        bar = QRectF(slot)
        bar.setWidth(max(slot.width() * share, SMALLEST_BAR))
        painter.setPen(Qt.PenStyle.NoPen)
        full = c.accent if layer.prunable else c.control
        painter.setBrush(blend(full, c.empty, zeros * 0.92))
        painter.drawRoundedRect(bar.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        if not layer.prunable:
            painter.setPen(QPen(QColor(c.faint), 2))
            y = slot.bottom() + 4
            painter.drawLine(QPointF(slot.left() + 1, y), QPointF(slot.right() - 1, y))
        self._paint_words(painter, c, slot, layer)

    def _paint_words(self, painter: QPainter, c: Colours, slot: QRectF, layer: LayerState) -> None:
        if slot.width() < SMALLEST_WORDED:
            return
        metrics = QFontMetrics(painter.font())
        words = []
        if self._named:
            name = _short_name(layer)
            words = [metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, int(slot.width()))]
        if layer.channels is not None and layer.channels_kept is not None:
            cut = layer.channels_kept != layer.channels
            long = f"{layer.channels} \u2192 {layer.channels_kept}" if cut else f"{layer.channels}"
            fits = metrics.horizontalAdvance(long) <= slot.width()
            words.append(long if fits else f"{layer.channels_kept}")
        else:
            words.append("")
        for line, word in enumerate(words):
            painter.setPen(QColor(c.muted if self._named and not line else c.text))
            box = QRectF(slot.left(), slot.bottom() + 6 + line * 13, slot.width(), 14)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, word)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt: mark the layer under the pointer."""
        self._set_hover(self.index_at(event.position().x()))

    def leaveEvent(self, event: QEvent) -> None:
        """Qt: the pointer left."""
        self._set_hover(None)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt: choose the layer under the pointer."""
        index = self.index_at(event.position().x())
        if event.button() == Qt.MouseButton.LeftButton and index is not None:
            self._choose(index)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Qt: open the layer under the pointer in the table."""
        index = self.index_at(event.position().x())
        if event.button() == Qt.MouseButton.LeftButton and index is not None:
            self.opened.emit(self._layers[index].name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: left and right choose a neighbour, Enter opens the table."""
        names = [s.name for s in self._layers]
        at = names.index(self._selected) if self._selected in names else -1
        match event.key():
            case Qt.Key.Key_Right if names:
                self._choose(min(at + 1, len(names) - 1))
            case Qt.Key.Key_Left if names:
                self._choose(max(at - 1, 0))
            case Qt.Key.Key_Return | Qt.Key.Key_Enter | Qt.Key.Key_Space if at >= 0:
                self.opened.emit(names[at])
            case _:
                super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Qt: tool tips tell of the layer under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            index = self.index_at(float(event.pos().x()))
            if index is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), describe(self._layers[index]), self)
            return True
        return super().event(event)

    def _choose(self, index: int) -> None:
        name = self._layers[index].name
        self.select(name)
        self.chosen.emit(name)

    def _set_hover(self, index: int | None) -> None:
        if index != self._hover:
            self._hover = index
            self.update()
