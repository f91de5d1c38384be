"""Weights of the selected layer: histograms, the kernel's zeros, and its filters' skeletons.

Owns what is told of a layer and which files' weights are held; reading happens in a thread and a
child process, painting in :mod:`gui.widgets.weights`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine import ranges
from engine.errors import ErrorInfo
from engine.events import LayerState
from engine.telling import units
from engine.telling.layers import zero_share
from gui.facts import ModelFacts
from gui.tasks import Tasks
from gui.theme import GRID
from gui.weights import BINS, Histogram, LayerWeights, divided, read_weights_of
from gui.widgets.basics import label
from gui.widgets.weights import HistogramView, KernelView, SkeletonView

File: TypeAlias = tuple[Path, int]
"""A file as it is now: its path, and when it was changed in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A layer, the batch norm that scales it, its file, and the file in which it was whole."""

    layer: LayerState
    scale: str | None
    file: File
    opened: File | None


LOG = "log count"


class Figure(QWidget):
    """A picture under its name and some words."""

    def __init__(self, view: QWidget) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, GRID // 2, 0, 0)
        layout.setSpacing(GRID // 4)
        self.head = label("", "eyebrow", wrap=True)
        self.words = label("", "small", wrap=True)
        for part in (self.head, self.words, view):
            layout.addWidget(part)

    def tell(self, told: tuple[str, ...]) -> None:
        """Show the picture under this name and these words; nothing at all where there are none."""
        if told:
            self.head.setText(told[0])
            self.words.setText("; ".join(told[1:]))
        self.setVisible(bool(told))


class WeightsView(QWidget):
    """What the weights of one layer look like, once they were read."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self._tasks = tasks
        self._held: dict[File, dict[str, LayerWeights]] = {}
        self._reading = 0
        self._missing: list[File] = []
        self._wanted: Wanted | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        self.words = label("", "small", wrap=True)
        self.kernel = HistogramView("Histogram of the kernel's weights")
        self.gamma = HistogramView("Histogram of gamma")
        self.removed = HistogramView("Histogram of the channels as opened")
        self.picture = KernelView()
        self.skeletons = SkeletonView()
        views = (self.kernel, self.gamma, self.removed, self.picture, self.skeletons)
        self.figures: dict[QWidget, Figure] = {view: Figure(view) for view in views}
        layout.addWidget(self.words)
        for figure in self.figures.values():
            layout.addWidget(figure)
        self.hide()

    def show_layer(
        self, layer: LayerState, scale: str | None, source: Path | None, model: ModelFacts | None
    ) -> None:
        """Show a layer of a model file; ``scale`` is the batch norm that scales its channels.

        What the layer has no more and the file still has is shown as a threshold. Of what went
        before the file was written the ``model`` as opened tells.
        """
        file = None if source is None else _stamp(source)
        if file is None or not layer.params:
            self._wanted = None
            self.hide()
            return
        opened = None
        if model is not None and Path(model.path) != source:
            opened = _stamp(Path(model.path))
        self._wanted = Wanted(layer=layer, scale=scale, file=file, opened=opened)
        needed = [found for found in (file, opened) if found is not None]
        self._held = {found: self._held[found] for found in needed if found in self._held}
        missing = [found for found in needed if found not in self._held]
        if not missing:
            self._fill()
            return
        if missing == self._missing:  # they are being read
            return
        self._missing = missing
        self._say("Reading the weights \u2026")
        self._reading = self._tasks.start(
            lambda: {found: _read(found[0], model) for found in missing},
            self._on_read,
            self._on_failed,
        )

    def _on_read(self, task: int, held: dict[File, dict[str, LayerWeights]]) -> None:
        if task == self._reading:
            self._missing = []
            self._held |= held
            self._fill()

    def _on_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._reading:
            self._missing = []
            self._say(f"The weights cannot be shown. {error.message}")

    def _say(self, text: str) -> None:
        for figure in self.figures.values():
            figure.hide()
        self.words.setText(text)
        self.words.show()
        self.show()

    def _fill(self) -> None:
        wanted = self._wanted
        if wanted is None:
            return
        layer, scale, layers = wanted.layer, wanted.scale, self._held[wanted.file]
        found = layers.get(layer.name, LayerWeights())
        other = found if scale is None else layers.get(scale, LayerWeights())
        kernel, gamma, picture = found.kernel, found.gamma or other.gamma, found.picture
        removed = max((layer.channels or 0) - (layer.channels_kept or 0), 0)
        width = picture.outputs if picture else gamma.total if gamma else 0
        whole = width == layer.channels  # the file was not cut yet
        told: dict[QWidget, tuple[str, ...]] = {}
        if kernel is not None:
            kernel, words = with_line(kernel, zero_share(layer) or 0.0)
            told[self.kernel] = ("Weights", LOG, *words)
            self.kernel.show_histogram(kernel)
        if gamma is not None:
            whose = f" of {scale}" if found.gamma is None and scale is not None else ""
            told[self.gamma] = (f"Gamma{whose}", LOG)
            if whole and removed:
                gamma = gamma.cut(removed / gamma.total)
                told[self.gamma] += (f"line: {units.plural(removed, 'channel')} go",)
            self.gamma.show_histogram(gamma)
        before = self._removed()
        if before is not None:
            name, channels = before
            told[self.removed] = (f"{name} as opened", LOG, *_parted(channels))
            self.removed.show_histogram(channels)
        if picture is not None:
            gone = 0 if whole else removed
            told[self.picture] = ("Kernel", "inputs by outputs", "zeros faint")
            if gone:
                hatched = f"{units.plural(gone, 'removed channel')} hatched"
                told[self.picture] += (hatched,)
            kept = None if layer.kept is None else ranges.from_text(layer.kept)
            self.picture.show_picture(picture, gone, kept if gone else None)
        skeletons = found.skeletons
        if skeletons is not None:
            told[self.skeletons] = ("Filter skeletons", "a tile each")
            if skeletons.zeros:
                share = units.percent(skeletons.zeros / skeletons.stripes)
                told[self.skeletons] += (f"{share} of the stripes zero",)
            self.skeletons.show_picture(skeletons)
        self.words.hide()
        for view, figure in self.figures.items():
            figure.tell(told.get(view, ()))
        self.setVisible(kernel is not None or gamma is not None)

    def rows(self) -> Iterator[tuple[object, ...]]:
        """The figures on show in plain numbers, head first."""
        yield "figure", "channel", "low", "high", "count", "removed", "nonzero"
        for view in (self.kernel, self.gamma, self.removed):
            figure = self.figures[view]
            if not figure.isHidden():
                for row in view.rows():
                    yield figure.head.text(), "", *row, ""
        figure = self.figures[self.picture]
        if not figure.isHidden():
            for place, share in self.picture.rows():
                yield figure.head.text(), place, "", "", "", int(share is None), share

    def _removed(self) -> tuple[str, Histogram] | None:
        """The layer's channels as opened, those apart that are gone; None where that is unknown."""
        wanted = self._wanted
        if wanted is None or wanted.opened is None:
            return None
        layers, layer = self._held[wanted.opened], wanted.layer
        if layer.kept is None:
            return None
        own = layers.get(layer.name, LayerWeights())
        kept = ranges.from_text(layer.kept)
        for name, found in (
            (f"Gamma of {wanted.scale}", layers.get(wanted.scale or "", LayerWeights())),
            ("Gamma" if own.kernel is None else "Norm of each filter", own),
        ):
            if found.channels and len(found.channels) == layer.channels:
                return name, divided(found.channels, kept)
        return None


def with_line(kernel: Histogram, zeros: float) -> tuple[Histogram, tuple[str, ...]]:
    """A kernel's histogram with the threshold for this share of zeros, and words on it."""
    share = kernel.zeros / max(kernel.total, 1)
    if zeros > share + 0.005:
        return kernel.cut(zeros), (f"line: {units.percent(zeros, 0)} zeros",)
    if kernel.threshold is None:
        return kernel, ()
    words = f"{units.percent(share)} zeros left out"
    if kernel.threshold < (kernel.high - kernel.low) / BINS:
        trained = f"no line, since what is left was trained on, down to {kernel.threshold:.1g}"
        return replace(kernel, threshold=None), (words, trained)
    return kernel, (words, f"line: the smallest left, {kernel.threshold:.2g}")


def _parted(channels: Histogram) -> tuple[str, str]:
    """Whether one number parts the channels that were removed from those that stayed."""
    gone = f"{units.plural(sum(channels.removed), 'removed channel')} hatched"
    if channels.threshold is None:
        return gone, "no line, since smaller ones stayed"
    return gone, f"line: all below {channels.threshold:.3g}"


def _read(path: Path, model: ModelFacts | None) -> dict[str, LayerWeights]:
    custom = None if model is None or model.custom is None else Path(model.custom)
    own = model is not None and path == Path(model.path)
    weights = Path(model.weights) if model is not None and model.weights and own else None
    return read_weights_of(path, custom, weights)


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


def _stamp(path: Path) -> File | None:
    """A file as it is now, None where it is not there."""
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return None
