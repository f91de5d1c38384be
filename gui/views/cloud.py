"""The size-accuracy cloud: every trial a point, target and floor as lines.

Shape tells the kind of trial (diamond: probe, circle: fine-tune, square: baseline) and triangles
are another run's; filling tells acceptance; colour only repeats it. Imported after the first paint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.runstate import RunState
from engine.telling import units
from engine.telling.cloud import (
    Cloud,
    Measure,
    Overlay,
    Point,
    cloud,
    measure_name,
    measure_value,
    pick,
    together,
)
from gui.theme import colours, theme
from gui.views.plots import Plot, UnitAxis, clear_anchor, line_pen

POINT = 12
"""Pixels across a point of a trial that was fine-tuned."""

BEHIND_TEXT = 200
"""How opaque (of 255) the ground of a line's words is: points may lie under them."""


class CloudPlot(QWidget):
    """The cloud of one run; ``chosen`` carries a trial's id (-1: the baseline).

    ``noted`` tells what the view leaves out. ``floor_moved`` carries the floor that a person
    dragged the line to and the trial that is picked there, or None.
    """

    chosen = Signal(int)
    floor_moved = Signal(float, object)
    noted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._state = RunState()
        self._shown: Cloud | None = None
        self._overlay: Overlay | None = None
        self._selected: int | None = None
        self._own_floor: float | None = None
        self._pens: dict[str, Any] = {}
        self._brushes: dict[str, Any] = {}
        self._bottom = UnitAxis("bottom", lambda v: units.tick(units.short_count(v)), log=True)
        self._left = UnitAxis("left", lambda v: f"{v:.1f}")
        self.plot = Plot("Size against accuracy", self._bottom, self._left)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.plot.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.plot.installEventFilter(self)
        self._floor = pg.InfiniteLine(angle=0, movable=False)
        self._floor.sigDragged.connect(self._on_floor_dragged)
        self._floor.sigPositionChangeFinished.connect(self._on_floor_dropped)
        self._target = pg.InfiniteLine(angle=0, movable=False)
        self._floor_text = pg.TextItem(anchor=(1, 0))
        self._target_text = pg.TextItem(anchor=(1, 1))
        self._best_text = pg.TextItem(anchor=(1.0, 1.35))
        self._rings = pg.ScatterPlotItem(pxMode=True)
        self._note = ""
        self.scatter = pg.ScatterPlotItem(hoverable=True, tip=None)
        self.scatter.sigClicked.connect(self._on_clicked)
        self.scatter.sigHovered.connect(self._on_hovered)
        self.others = pg.ScatterPlotItem(hoverable=True, tip=None)
        self.others.sigHovered.connect(self._on_hovered)
        for item in (self._floor, self._target, self.others, self._rings, self.scatter):
            self.plot.addItem(item)
        for item in (self._floor_text, self._target_text, self._best_text):
            self.plot.addItem(item, ignoreBounds=True)
        view = self.plot.getViewBox()
        view.sigRangeChanged.connect(self._place_texts)
        view.sigResized.connect(self._place_texts)
        theme().changed.connect(self._restyle)
        self._restyle()

    @property
    def shown(self) -> Cloud | None:
        """What is on show."""
        return self._shown

    def show_state(
        self,
        state: RunState,
        measure: Measure,
        selected: int | None,
        overlay: Overlay | None = None,
    ) -> None:
        """Draw a run in a measure, one trial marked, perhaps with another run over it."""
        found = cloud(state, measure)
        if self._shown is not None and found.floor != self._shown.floor:
            self._own_floor = None
        self._floor.setMovable(state.ended is not None and found.floor is not None)
        if (found, selected, overlay) == (self._shown, self._selected, self._overlay):
            self._state = state
            return
        moved = self._shown is None or self._shown.measure != measure or overlay != self._overlay
        self._state, self._shown, self._selected = state, found, selected
        self._overlay = overlay
        if moved:
            self.plot.follow()
        share = units.is_share(found.metric)
        scale = 100.0 if share else 1.0
        self._left.setScale(scale)
        self._bottom.text = lambda v: units.tick(measure_value(self._state, measure, v))
        self.plot.setLabel("bottom", measure_name(state, measure) + ", log scale")
        name = units.metric_head(found.metric)
        self.plot.setLabel("left", f"{name}, %" if share else name)
        self.scatter.setData(spots=[self._spot(p) for p in found.points])
        self._rings.setData(spots=[*self._ring_spots(found)])
        self.others.setData(spots=[self._other_spot(p) for p in self._other_points()])
        floor = found.floor if self._own_floor is None else self._own_floor
        for line, value in ((self._floor, floor), (self._target, found.target)):
            line.setVisible(value is not None)
            if value is not None:
                line.setValue(value)
        self._word_floor(found)
        self._target_text.setText(f"target {units.metric_value(found.target, found.metric)}")
        self._fit(found)
        self._place_texts()

    def _fit(self, found: Cloud) -> None:
        over = None if self._overlay is None else self._overlay.cloud
        left, right, low, high = together(found, over)
        self.plot.fit(math.log10(left), math.log10(right), low, high)

    def fit(self) -> None:
        """Show all that is worth showing, after a zoom by hand."""
        self.plot.follow()
        self._own_floor = None
        if self._shown is not None:
            s = self._shown
            if s.floor is not None:
                self._floor.setValue(s.floor)
            self._word_floor(s)
            self._fit(s)

    @property
    def floor(self) -> float | None:
        """The floor on show: the run's, or where a person dragged it."""
        shown = None if self._shown is None else self._shown.floor
        return shown if self._own_floor is None else self._own_floor

    def move_floor(self, floor: float) -> None:
        """Put the floor elsewhere and pick the smallest checkpoint that holds it."""
        self._floor.setValue(floor)
        self._on_floor_dragged()
        self._on_floor_dropped()

    def _on_floor_dragged(self, *_: object) -> None:
        if self._shown is not None:
            self._own_floor = float(self._floor.value())
            self._word_floor(self._shown)
            self._place_texts()

    def _on_floor_dropped(self, *_: object) -> None:
        if self._shown is not None and self._own_floor is not None:
            picked = pick(self._state, self._shown.measure, self._own_floor)
            self.floor_moved.emit(self._own_floor, None if picked is None else picked.trial)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt: up and down move the floor of a run that has ended."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            key = event.key()
            step = (key == Qt.Key.Key_Up) - (key == Qt.Key.Key_Down)
            if step and self._floor.movable and self._shown is not None:
                fine = 0.001 if units.is_share(self._shown.metric) else 0.01
                self.move_floor(float(self._floor.value()) + step * fine)
                return True
        return super().eventFilter(watched, event)

    def _word_floor(self, found: Cloud) -> None:
        if self._own_floor is None:
            text = f"floor {units.metric_value(found.floor, found.metric)}"
            if self._floor.movable:
                text += ", drag to pick another"
        else:
            picked = pick(self._state, found.measure, self._own_floor)
            holds = "no checkpoint" if picked is None else f"fine-tune {picked.trial}"
            text = f"{units.metric_value(self._own_floor, found.metric)}: {holds}"
        self._floor_text.setText(text)

    def _spot(self, point: Point) -> dict[str, Any]:
        c = colours()
        symbol, size, tint = {
            "baseline": ("s", POINT, c.text),
            "probe": ("d", 10, c.probe),
            "fine_tune": ("o", POINT, c.good if point.accepted else c.bad),
        }[point.kind]
        filled = point.kind == "baseline" or point.accepted
        return {
            "pos": (math.log10(point.x), point.y),
            "size": size,
            "symbol": symbol,
            "pen": self._pen(tint),
            "brush": self._brush(tint if filled else c.surface),
            "data": point,
        }

    def _other_points(self) -> tuple[Point, ...]:
        over = None if self._overlay is None else self._overlay.cloud
        return () if over is None else over.points

    def _other_spot(self, point: Point) -> dict[str, Any]:
        tint = colours().other
        filled = point.kind == "baseline" or point.accepted
        return {
            "pos": (math.log10(point.x), point.y),
            "size": 8 if point.kind == "probe" else POINT,
            "symbol": "t1",
            "pen": self._pen(tint),
            "brush": self._brush(tint if filled else colours().surface),
            "data": point,
        }

    def _pen(self, tint: str) -> Any:
        if tint not in self._pens:
            self._pens[tint] = pg.mkPen(tint, width=1.8)
        return self._pens[tint]

    def _brush(self, tint: str) -> Any:
        if tint not in self._brushes:
            self._brushes[tint] = pg.mkBrush(tint)
        return self._brushes[tint]

    def _ring_spots(self, found: Cloud) -> Iterator[dict[str, Any]]:
        """A ring around the best, another around the selected."""
        c = colours()
        for point in found.points:
            pos = (math.log10(point.x), point.y)
            base = {"pos": pos, "symbol": "o", "brush": pg.mkBrush(None)}
            if point.best:
                yield {**base, "size": 22, "pen": pg.mkPen(c.accent, width=2.2)}
            if point.trial is not None and point.trial == self._selected:
                yield {**base, "size": 29, "pen": pg.mkPen(c.text, width=1.8)}

    def _place_texts(self, *_: object) -> None:
        found = self._shown
        if found is None:
            return
        (left, right), (low, high) = self.plot.getViewBox().viewRange()
        edge = right - 0.01 * (right - left)
        for text, value in ((self._floor_text, self.floor), (self._target_text, found.target)):
            text.setVisible(value is not None and low <= value <= high)
            if value is not None:
                text.setPos(self._clear_right(found, text, value, edge), value)
        best = next((p for p in found.points if p.best), None)
        self._best_text.setVisible(best is not None)
        if best is not None:
            size = measure_value(self._state, found.measure, best.x)
            self._best_text.setText(f"best: {size}")
            self._best_text.setAnchor(self._clear_anchor(found, best))
            self._best_text.setPos(math.log10(best.x), best.y)
        below = sum(p.y < low for p in found.points)
        notes = [f"{units.plural(below, 'point')} below this view"] if below else []
        if self._overlay is not None and self._overlay.why_not is not None:
            notes.append(self._overlay.why_not)
        if found.unmeasured:
            notes.append(f"{units.plural(found.unmeasured, 'probe')} without a size")
        text = ", ".join(notes)
        if text != self._note:
            self._note = text
            self.noted.emit(text)

    def _clear_right(self, found: Cloud, text: pg.TextItem, value: float, edge: float) -> float:
        """Where the words at a line end so that no point lies under them: at the edge or before."""
        across, along = self.plot.getViewBox().viewPixelSize()
        size, half = text.boundingRect().size(), 0.6 * POINT
        low = value if text is self._target_text else value - size.height() * along
        high = low + size.height() * along
        right = edge
        for point in sorted(found.points, key=lambda p: -p.x):
            x = math.log10(point.x)
            beside = right - (size.width() + half) * across < x < right + half * across
            if beside and low - half * along < point.y < high + half * along:
                right = x - half * across
        left = self.plot.getViewBox().viewRange()[0][0]
        return right if right - size.width() * across > left else edge

    def _clear_anchor(self, found: Cloud, best: Point) -> tuple[float, float]:
        """Where the label of the best covers neither lines and their words nor other points."""
        view = self.plot.getViewBox()
        room, (columns, rows) = QRectF(view.rect()), view.viewRange()
        across = (columns[1] - columns[0]) / max(room.width(), 1.0)
        along = (rows[1] - rows[0]) / max(room.height(), 1.0)
        at = view.mapFromView(QPointF(math.log10(best.x), best.y))
        size = self._best_text.boundingRect().size()
        taken = []
        for text, value in ((self._floor_text, self.floor), (self._target_text, found.target)):
            if value is not None:
                y = at.y() + (best.y - value) / along
                taken.append(QRectF(room.left(), y - 1, room.width(), 2))
                words = QRectF(QPointF(0, y), text.boundingRect().size())
                words.moveRight(view.mapFromView(QPointF(text.pos())).x())
                if text is self._target_text:
                    words.moveBottom(y)
                taken.append(words)
        for point in (*found.points, *self._other_points()):
            x = math.log10(point.x / best.x) / across
            y = (best.y - point.y) / along
            if point is not best and abs(x) < 2 * size.width() and abs(y) < 4 * size.height():
                corner = at + QPointF(x - POINT / 2, y - POINT / 2)
                taken.append(QRectF(corner, QSizeF(POINT, POINT)))
        return clear_anchor(at, size, room, taken)

    def _on_clicked(self, _item: object, spots: Any, *_: object) -> None:
        if len(spots):
            point: Point = spots[0].data()
            self.chosen.emit(-1 if point.trial is None else point.trial)

    def _on_hovered(self, item: object, spots: Any, *_: object) -> None:
        text = self.describe(spots[0].data()) if len(spots) else ""
        if text and item is self.others and self._overlay is not None:
            text = f"{self._overlay.name}\n{text}"
        self.plot.setToolTip(text)

    def describe(self, point: Point) -> str:
        """A point in words."""
        metric = None if self._shown is None else self._shown.metric
        measure: Measure = "nonzero" if self._shown is None else self._shown.measure
        value = units.metric_value(point.y, metric)
        size = measure_value(self._state, measure, point.x)
        if point.kind == "baseline":
            return f"{point.name}: {value}, {size}"
        verdict = "" if point.kind == "probe" else ", accepted" if point.accepted else ", rejected"
        return f"{point.name}: {value}, {size}{verdict}"

    def rows(self) -> Iterator[tuple[object, ...]]:
        """The points in plain numbers, head first; sizes in the unit of the axis, bytes for files.

        ``run`` is empty for the run itself.
        """
        yield "run", "trial", "kind", "accepted", "size", "value"
        own = () if self._shown is None else self._shown.points
        name = "" if self._overlay is None else self._overlay.name
        for run, points in (("", own), (name, self._other_points())):
            for p in points:
                yield run, p.trial, p.kind, p.accepted, p.x, p.y

    def position_of(self, trial: int) -> QPointF | None:
        """Where a trial's point is, in coordinates of the plot widget."""
        for point in () if self._shown is None else self._shown.points:
            if point.trial == trial:
                view = self.plot.getViewBox()
                scene = view.mapViewToScene(QPointF(math.log10(point.x), point.y))
                return QPointF(self.plot.mapFromScene(scene))
        return None

    def _restyle(self) -> None:
        c = colours()
        self.plot.restyle()
        self._floor.setPen(line_pen(c.floor, 2))
        self._floor.setHoverPen(line_pen(c.floor, 4))
        self._target.setPen(line_pen(c.target, 2, dashed=True))
        self._floor_text.setColor(QColor(c.floor))
        self._target_text.setColor(QColor(c.target))
        self._best_text.setColor(QColor(c.text))
        behind = QColor(c.surface)
        behind.setAlpha(BEHIND_TEXT)
        for text in (self._floor_text, self._target_text, self._best_text):
            text.fill = pg.mkBrush(behind)
        for axis in ("bottom", "left"):
            self.plot.getAxis(axis).labelStyle = {"color": c.muted}
        shown, self._shown = self._shown, None
        if shown is not None:
            self.show_state(self._state, shown.measure, self._selected, self._overlay)
