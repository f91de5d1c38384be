"""The inspector on the right: facts of what is selected, a trial or a layer."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.events import LayerState, TrialDone
from engine.runstate import RunState
from engine.telling import sentences, units
from engine.telling.layers import kept_share, zero_share
from gui.facts import ModelFacts
from gui.icons import icon
from gui.tasks import Tasks
from gui.theme import GRID, colours, theme
from gui.views.weights import WeightsView, scale_of
from gui.widgets.basics import Facts, Page, button, label

WIDTH = 34 * GRID


class InspectorPanel(QWidget):
    """Hidden while nothing is selected."""

    closed = Signal()
    export_wanted = Signal(object)
    compare_wanted = Signal(int)
    exclude_wanted = Signal(str)
    floor_wanted = Signal(str, float)

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self.setObjectName("inspector")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Inspector")
        self.setFixedWidth(WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outer.addWidget(scroll)
        page = Page()
        scroll.setWidget(page)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        layout.setSpacing(GRID + 4)
        row = QHBoxLayout()
        self.kind = label("", "eyebrow")
        self.close_button = QToolButton()
        self.close_button.setAccessibleName("Close the inspector")
        self.close_button.setToolTip("Close the inspector (Esc)")
        self.close_button.clicked.connect(lambda _checked=False: self.closed.emit())
        row.addWidget(self.kind)
        row.addStretch(1)
        row.addWidget(self.close_button)
        layout.addLayout(row)
        self.title = label("", "heading", wrap=True, select=True)
        self.words = label("", "muted", wrap=True, select=True)
        self.facts = Facts()
        self.export_button = button("Export this one", self._on_export)
        layout.addWidget(self.title)
        layout.addWidget(self.words)
        layout.addWidget(self.facts)
        self.compare_button = button("Compare", self._on_compare, tip="Against the model as opened")
        self.exclude_button = button("Leave it alone", self._on_exclude, tip="For the next search")
        layout.addWidget(self._make_floor())
        layout.addWidget(self.exclude_button)
        self.weights = WeightsView(tasks)
        layout.addWidget(self.weights)
        layout.addWidget(self.compare_button)
        layout.addWidget(self.export_button)
        layout.addStretch(1)
        self._source: Path | None = None
        self._trial = -1
        theme().changed.connect(self._restyle)
        self._restyle()
        self.hide()

    def _make_floor(self) -> QWidget:
        self.floor_row = QWidget()
        row = QHBoxLayout(self.floor_row)
        row.setContentsMargins(0, 0, 0, 0)
        self.floor = QSpinBox()
        self.floor.setRange(0, 100)
        self.floor.setSingleStep(5)
        self.floor.setSuffix(f"{units.NBSP}%")
        self.floor.setSpecialValueText("No floor")
        self.floor.setKeyboardTracking(False)
        self.floor.setAccessibleName("Keep at least")
        self.floor.setToolTip("Of the channels of this layer's group, in the next search")
        self.floor.valueChanged.connect(self._on_floor)
        row.addWidget(label("Keep at least", "muted"))
        row.addWidget(self.floor, 1)
        self._group: str | None = None
        return self.floor_row

    def show_trial(self, trial: TrialDone, state: RunState, run: Path | None) -> None:
        """Facts of a trial."""
        metric = None if state.baseline is None else state.baseline.metric
        self.kind.setText("Trial")
        self.title.setText(sentences.trial_name(trial))
        self.words.setText(sentences.verdict(trial, metric))
        self.words.show()
        self.facts.show_pairs(trial_pairs(trial, state))
        kept = run / trial.checkpoint if run is not None and trial.checkpoint is not None else None
        self._source = kept if kept is not None and kept.is_file() else None
        self.export_button.setVisible(self._source is not None)
        self._trial = trial.trial
        self.weights.hide()
        self.exclude_button.hide()
        self.floor_row.hide()
        self.compare_button.setVisible(trial.kind == "fine_tune" and bool(trial.layers))
        self.show()

    def show_baseline(self, state: RunState) -> None:
        """Facts of the unpruned model."""
        base = state.baseline
        if base is None:
            return
        self.kind.setText("Baseline")
        self.title.setText("The model as opened")
        self.words.setText("Measured on the search split, before any cut.")
        self.words.show()
        pairs = [
            (
                units.metric_head(base.metric),
                units.metric_value(base.value, base.metric),
            ),
            ("95 % interval", units.interval(*base.interval, base.metric)),
            ("Samples", units.count(base.samples)),
            ("Target", units.metric_value(base.target, base.metric)),
            ("Floor", units.metric_value(base.floor, base.metric)),
            ("Non-zero", units.count(base.sizes.nonzero)),
            ("MACs", units.short_count(base.sizes.macs)),
            ("TFLite", units.size(base.sizes.tflite_bytes)),
            ("after gzip", units.size(base.sizes.tflite_gzip_bytes)),
        ]
        self.facts.show_pairs(tuple(pairs))
        self.weights.hide()
        self.exclude_button.hide()
        self.floor_row.hide()
        self._source = None
        self.export_button.hide()
        self.compare_button.hide()
        self.show()

    def show_layer(
        self,
        layer: LayerState,
        model: ModelFacts | None,
        layers: tuple[LayerState, ...] = (),
        source: Path | None = None,
        excluded: bool | None = None,
        floor: float = 0.0,
    ) -> None:
        """Facts of a layer, and its weights where ``source`` is the file that has them.

        ``excluded`` says whether the next search leaves it alone; None: that is not to be chosen.
        ``floor`` is the share of its group's channels that the next search keeps at least.
        """
        self._group = None
        self.floor.setValue(round(100 * floor))
        self._group = layer.group
        self.floor_row.setVisible(excluded is False and layer.prunable)
        text = "Let it be cut again" if excluded else "Leave it alone"
        self.exclude_button.setText(text)
        self.exclude_button.setAccessibleName(text)
        self.exclude_button.setVisible(excluded is not None and layer.prunable)
        self.kind.setText("Layer")
        self.title.setText(layer.name)
        self.words.setText(f"Not cut: {layer.reason}" if layer.reason else "")
        self.words.setVisible(bool(layer.reason))
        self.facts.show_pairs(layer_pairs(layer, model))
        self.weights.show_layer(layer, scale_of(layer, layers), source, model)
        self._source = None
        self.export_button.hide()
        self.compare_button.hide()
        self.show()

    def _on_exclude(self) -> None:
        self.exclude_wanted.emit(self.title.text())

    def _on_floor(self, percent: int) -> None:
        if self._group is not None:
            self.floor_wanted.emit(self._group, percent / 100)

    def _on_compare(self) -> None:
        self.compare_wanted.emit(self._trial)

    def _on_export(self) -> None:
        if self._source is not None:
            self.export_wanted.emit(self._source)

    def _restyle(self) -> None:
        self.close_button.setIcon(icon("x", colours().muted))


def trial_pairs(trial: TrialDone, state: RunState) -> tuple[tuple[str, str], ...]:
    """A trial as pairs of name and value."""
    base, sizes = state.baseline, trial.sizes
    metric = None if base is None else base.metric
    name = units.metric_head(metric)
    pairs = [(name, units.metric_value(trial.value, metric))]
    if base is not None and trial.value is not None:
        pairs.append(
            ("to the floor", units.metric_difference(trial.value - base.floor, metric, signed=True))
        )
    pairs += [
        ("Channels kept", units.percent(trial.keep, 0)),
        ("Zero weights", units.percent(trial.sparsity, 0)),
    ]
    if sizes is not None:
        before = None if base is None else base.sizes.nonzero
        ratio = units.times(before, sizes.nonzero)
        pairs += [
            ("Non-zero", units.count(sizes.nonzero) + (f" ({ratio})" if ratio else "")),
            ("Parameters", units.count(sizes.params)),
            ("MACs", units.short_count(sizes.macs)),
            ("TFLite", units.size(sizes.tflite_bytes)),
            ("after gzip", units.size(sizes.tflite_gzip_bytes)),
        ]
        if sizes.latency_ms is not None:
            pairs.append(("Latency", f"{sizes.latency_ms.median:.3g} ms"))
    if trial.kind == "fine_tune":
        pairs.append(("Epochs", str(trial.epochs)))
    pairs += [
        ("Time", units.duration(trial.seconds)),
        ("Checkpoint", "kept" if trial.checkpoint else "not kept"),
    ]
    return tuple(pairs)


def layer_pairs(layer: LayerState, model: ModelFacts | None) -> tuple[tuple[str, str], ...]:
    """A layer as pairs of name and value."""
    pairs = [("Class", layer.class_name), ("Output", units.shape(layer.output_shape))]
    if layer.channels is not None and layer.channels_kept is not None:
        pairs.append(("Channels", f"{layer.channels_kept} of {layer.channels}"))
        pairs.append(("kept", units.percent(kept_share(layer), 0)))
    pairs.append(("Parameters", units.count(layer.params)))
    if layer.macs is not None:
        pairs.append(("MACs", units.count(layer.macs)))
    if layer.prunable_weights:
        pairs.append(("Kernel", units.plural(layer.prunable_weights, "weight")))
        pairs.append(("of these zero", units.percent(zero_share(layer))))
    group = None
    if model is not None and layer.group is not None:
        group = next((g for g in model.groups if g.id == layer.group), None)
    pairs.append(("Group", layer.group or "none"))
    if group is not None and len(group.layers) > 1:
        others = [n for n in group.layers if n != layer.name]
        more = f"\nand {len(others) - 8} more" if len(others) > 8 else ""
        pairs.append(("tied to", "\n".join(others[:8]) + more))
    return tuple(pairs)
