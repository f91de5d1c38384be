"""Weights of the selected layer: histograms, the kernel's zeros, and its filters' skeletons.

Owns the drawing and which file's weights are held; reading happens in a thread and a child process.
"""

from __future__ import annotations

import math
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from engine.errors import ErrorInfo
from engine.events import LayerState
from engine.telling import units
from engine.telling.layers import zero_share
from gui.tasks import Tasks
from gui.theme import GRID, colours, theme
from gui.weights import Histogram, KernelPicture, LayerWeights, SkeletonPicture, read_weights_of
from gui.widgets.basics import label
from gui.widgets.strip import blend


class HistogramView(QWidget):
    """One histogram, its counts on a log scale, with the threshold as lines."""

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
        self.setAccessibleDescription(f"{text}, from {found.low:.3g} to {found.high:.3g}")
        left = "; line: the smallest magnitude that stays" if found.threshold is not None else ""
        self.setToolTip(f"{text}; counts on a log scale, zeros not drawn{left}")
        self.update()

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
            painter.drawRect(QRectF(index * step, area.bottom() - high, max(step - 1, 1), high))
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
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, f"{found.low:.3g}")
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, f"{found.high:.3g}")
        painter.end()


class KernelView(QWidget):
    """A kernel's zeros: inputs down, outputs across; removed outputs hatched at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: KernelPicture | None = None
        self.removed = 0
        self.setAccessibleName("Zeros of the kernel")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Qt: wide, and no higher than wide."""
        return QSize(28 * GRID, 16 * GRID)

    def show_picture(self, found: KernelPicture, removed: int) -> None:
        """Draw a kernel from which ``removed`` output channels are gone."""
        self.shown, self.removed = found, removed
        gone = f", {units.plural(removed, 'channel')} removed" if removed else ""
        self.setAccessibleDescription(f"{units.plural(found.outputs, 'output channel')}{gone}")
        self.setToolTip("Inputs down, outputs across; faint cells are zero")
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt: paint cells and hatching."""
        found, c = self.shown, colours()
        if found is None:
            return
        painter = QPainter(self)
        kept = found.outputs / (found.outputs + self.removed)
        whole = QRectF(0.5, 0.5, self.width() - 1, self.height() - 1)
        part = QRectF(whole)
        part.setWidth(whole.width() * kept)
        image = QImage(
            found.cells, found.width, found.height, found.width, QImage.Format.Format_Indexed8
        )
        image.setColorTable([blend(c.empty, c.accent, i / 255).rgb() for i in range(256)])
        painter.drawImage(part, image)
        if self.removed:
            gone = QRectF(part.right(), whole.top(), whole.right() - part.right(), whole.height())
            painter.fillRect(gone, QBrush(QColor(c.control), Qt.BrushStyle.BDiagPattern))
        painter.setPen(QColor(c.control))
        painter.drawRect(whole)
        painter.end()


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


class WeightsView(QWidget):
    """What the weights of one layer look like, once they were read."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self._tasks = tasks
        self._source: tuple[Path, int] | None = None
        self._layers: dict[str, LayerWeights] = {}
        self._reading = 0
        self._wanted: tuple[LayerState, str | None] | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        self.words = label("", "small", wrap=True)
        self.kernel_head = label("", "eyebrow", wrap=True)
        self.kernel = HistogramView("Histogram of the kernel's weights")
        self.gamma_head = label("", "eyebrow", wrap=True)
        self.gamma = HistogramView("Histogram of gamma")
        self.picture_head = label("", "eyebrow", wrap=True)
        self.picture = KernelView()
        self.skeletons_head = label("", "eyebrow", wrap=True)
        self.skeletons = SkeletonView()
        for widget in (
            self.words,
            self.kernel_head,
            self.kernel,
            self.gamma_head,
            self.gamma,
            self.picture_head,
            self.picture,
            self.skeletons_head,
            self.skeletons,
        ):
            layout.addWidget(widget)
        self.hide()

    def show_layer(
        self, layer: LayerState, scale: str | None, source: Path | None, custom: Path | None
    ) -> None:
        """Show a layer of a model file; ``scale`` is the batch norm that scales its channels.

        What the layer has no more and the file still has is shown as a threshold.
        """
        self._wanted = (layer, scale)
        known = None if source is None else _stamp(source)
        if source is None or known is None or not layer.params:
            self.hide()
            return
        if known == self._source:
            self._fill()
            return
        self._source, self._layers = known, {}
        self._say("Reading the weights \u2026")
        self._reading = self._tasks.start(
            lambda: read_weights_of(source, custom), self._on_read, self._on_failed
        )

    def _on_read(self, task: int, layers: dict[str, LayerWeights]) -> None:
        if task == self._reading:
            self._layers = layers
            self._fill()

    def _on_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._reading:
            self._source = None
            self._say(f"The weights cannot be shown. {error.message}")

    def _say(self, text: str) -> None:
        for part in self.findChildren(QWidget):
            part.hide()
        self.words.setText(text)
        self.words.show()
        self.show()

    def _fill(self) -> None:
        if self._wanted is None:
            return
        layer, scale = self._wanted
        found = self._layers.get(layer.name, LayerWeights())
        other = found if scale is None else self._layers.get(scale, LayerWeights())
        self.words.hide()
        kernel, gamma, picture = found.kernel, found.gamma or other.gamma, found.picture
        removed = max((layer.channels or 0) - (layer.channels_kept or 0), 0)
        whole = gamma is not None and gamma.total == layer.channels  # the file was not cut yet
        if kernel is not None:
            share = units.percent(kernel.zeros / max(kernel.total, 1))
            zero = f"; {share} zeros left out" if kernel.zeros else ""
            wanted = zero_share(layer) or 0.0
            if wanted > kernel.zeros / max(kernel.total, 1) + 0.005:
                kernel, zero = kernel.cut(wanted), f"; line: {units.percent(wanted, 0)} zeros"
            self.kernel_head.setText(f"Weights, log count{zero}")
            self.kernel.show_histogram(kernel)
        if gamma is not None:
            whose = f" of {scale}" if found.gamma is None and scale is not None else ""
            line = ""
            if whole and removed:
                gamma = gamma.cut(removed / gamma.total)
                line = f"; line: {units.plural(removed, 'channel')} go"
            self.gamma_head.setText(f"Gamma{whose}, log count{line}")
            self.gamma.show_histogram(gamma)
        if picture is not None:
            hatched = 0 if whole else removed
            gone = f"; {units.plural(hatched, 'channel')} removed" if hatched else ""
            self.picture_head.setText(f"Kernel, inputs by outputs, zeros faint{gone}")
            self.picture.show_picture(picture, hatched)
        skeletons = found.skeletons
        if skeletons is not None:
            share = units.percent(skeletons.zeros / skeletons.stripes)
            zero = f"; {share} of the stripes zero" if skeletons.zeros else ""
            self.skeletons_head.setText(f"Filter skeletons, a tile each{zero}")
            self.skeletons.show_picture(skeletons)
        for shown, parts in (
            (kernel, (self.kernel_head, self.kernel)),
            (gamma, (self.gamma_head, self.gamma)),
            (picture, (self.picture_head, self.picture)),
            (skeletons, (self.skeletons_head, self.skeletons)),
        ):
            for part in parts:
                part.setVisible(shown is not None)
        self.setVisible(kernel is not None or gamma is not None)


def scale_of(layer: LayerState, layers: tuple[LayerState, ...]) -> str | None:
    """The batch norm that scales a layer's channels: the next one of its group."""
    names = [s.name for s in layers]
    if layer.group is None or layer.name not in names:
        return None
    after = layers[names.index(layer.name) + 1 :]
    return next(
        (s.name for s in after if s.group == layer.group and s.class_name == "BatchNormalization"),
        None,
    )


def _stamp(path: Path) -> tuple[Path, int] | None:
    """A file as it is now, None where it is not there."""
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return None
