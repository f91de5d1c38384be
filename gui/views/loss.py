"""Loss of the running fine-tune: every value faint, their moving mean strong."""

from __future__ import annotations

from collections.abc import Iterator

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QStackedLayout, QWidget

from engine.runstate import Running
from gui.theme import colours, theme
from gui.views.plots import Plot, UnitAxis, line_pen
from gui.widgets.basics import label

SMOOTHING = 0.9
"""Weight of the past in the moving mean."""


def smoothed(values: list[float], weight: float = SMOOTHING) -> list[float]:
    """Exponential moving mean, started without bias (as in Adam, Kingma and Ba 2015)."""
    mean, out = 0.0, []
    for index, value in enumerate(values, start=1):
        mean = weight * mean + (1 - weight) * value
        out.append(mean / (1 - weight**index))
    return out


class LossPlot(QWidget):
    """The loss curve of one fine-tune."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = Plot(
            "Loss of the fine-tune under way",
            UnitAxis("bottom", lambda v: f"{v:.0f}"),
            UnitAxis("left", lambda v: f"{v:.3g}"),
        )
        self.plot.setMouseEnabled(x=True, y=False)
        self._pages = QStackedLayout(self)
        self._pages.setContentsMargins(0, 0, 0, 0)
        words = label("Drawn while a fine-tune runs.", "small")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words.setWordWrap(True)
        self._pages.addWidget(words)
        self._pages.addWidget(self.plot)
        self._raw = pg.PlotDataItem()
        self._mean = pg.PlotDataItem()
        self.plot.addItem(self._raw)
        self.plot.addItem(self._mean)
        self._losses: tuple[tuple[int, float], ...] = ()
        theme().changed.connect(self._restyle)
        self._restyle()

    @property
    def drawn(self) -> bool:
        """Whether there is a curve."""
        return bool(self._losses)

    def show_running(self, running: Running | None) -> None:
        """Draw the fine-tune under way; without one, the last stays."""
        if running is None or running.losses == self._losses or len(running.losses) < 2:
            return
        if self._losses and running.losses[0][0] < self._losses[0][0]:
            self.plot.follow()
        self._losses = running.losses
        self._pages.setCurrentIndex(1)
        steps = [float(step) for step, _ in self._losses]
        values = [value for _, value in self._losses]
        mean = smoothed(values)
        self._raw.setData(steps, values)
        self._mean.setData(steps, mean)
        low, high = min(mean), max(mean)
        pad = max(0.25 * (high - low), 1e-6)
        right = max(float(running.steps), steps[-1])
        self.plot.fit(0.0, right, max(low - pad, min(0.0, low)), high + pad)

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Step, loss and moving mean of the curve on show, head first."""
        yield "step", "loss", "moving_mean"
        means = smoothed([value for _, value in self._losses])
        for (step, value), mean in zip(self._losses, means, strict=True):
            yield step, value, mean

    def empty(self) -> None:
        """Forget the curve."""
        self._losses = ()
        self._pages.setCurrentIndex(0)
        self._raw.setData([], [])
        self._mean.setData([], [])

    def _restyle(self) -> None:
        c = colours()
        self.plot.restyle()
        faint = QColor(c.loss)
        faint.setAlpha(90)
        self._raw.setPen(pg.mkPen(faint, width=1))
        self._mean.setPen(line_pen(c.loss, 2))
        for axis in ("bottom", "left"):
            self.plot.getAxis(axis).labelStyle = {"color": c.muted}
