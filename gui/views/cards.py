"""The model card and the data card of the set-up stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from engine.events import DataOpened
from engine.job import DataSpec
from engine.telling import units
from gui.facts import ModelFacts
from gui.theme import GRID
from gui.views.data_found import DataFoundPanel
from gui.views.data_options import DataOptions
from gui.widgets.basics import Card, Wrapping, button, label
from gui.widgets.fields import Choice
from gui.widgets.numbers import Numbers
from gui.widgets.strip import LayerStrip
from gui.wishes import Baseline

_FORMATS = {
    "keras3": "Keras 3 (.keras)",
    "keras2": "Keras 2 (.keras)",
    "h5": "HDF5 (.h5)",
    "savedmodel": "SavedModel (Keras 2)",
    "tflite": "TFLite, to look at only",
}
_SEEN: tuple[tuple[str, str], ...] = (
    ("unknown", "Not known"),
    ("yes", "Yes"),
    ("no", "No"),
)
PREPROCESS: tuple[tuple[str, str], ...] = (
    ("auto", "Find out (try each on samples)"),
    ("none", "None, as they are"),
    ("0-1", "0 to 1"),
    ("-1-1", "\u22121 to 1"),
    ("caffe", "Caffe (BGR, means taken off)"),
    ("torch", "PyTorch (means and deviations)"),
    ("per-image", "Each image standardised"),
    ("per-channel", "Each channel standardised"),
)
GROUPS_NAMED = 3


class ModelCard(Card):
    """What is known of the model from its file alone."""

    open_wanted = Signal()
    layers_wanted = Signal()
    layer_chosen = Signal(str)
    size_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__("Model")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.name = label("", "heading", select=True)
        self.chip = label("", "chip")
        row.addWidget(self.name)
        row.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        row.addWidget(button("All layers", self.layers_wanted.emit, role="link"))
        row.addWidget(
            button("Open another", self.open_wanted.emit, role="link", tip="Ctrl+O"),
        )
        self.body.addLayout(row)
        self.numbers = Numbers()
        self.body.addWidget(self.numbers)
        self.input_size = QLineEdit()
        self.input_size.setPlaceholderText("Sizes that it leaves open, such as 224,224,3")
        self.input_size.setAccessibleName("Input size")
        self.input_size.setToolTip("Of one sample; sizes of layers and operations follow")
        self.input_size.setAcceptDrops(False)
        self.input_size.setMaximumWidth(50 * GRID)
        self.input_size.editingFinished.connect(self._on_size)
        self.body.addWidget(self.input_size)
        self.strip = LayerStrip()
        self.strip.chosen.connect(self.layer_chosen)
        self.strip.opened.connect(lambda _name: self.layers_wanted.emit())
        self.body.addWidget(self.strip)
        self.pinned = label("", "small", wrap=True)
        self.warnings = label("", "warn", wrap=True, select=True)
        self.body.addWidget(self.pinned)
        self.body.addWidget(self.warnings)

    def show_model(self, facts: ModelFacts | None, reading: Path | None) -> None:
        """Show a model, or that one is being read."""
        if facts is None:
            name = "" if reading is None else reading.name
            self.name.setText(f"Reading {name} \u2026" if name else "No model yet")
            self.chip.hide()
            self.numbers.show_pairs(())
            self.input_size.hide()
            self.strip.hide()
            self.pinned.hide()
            self.warnings.hide()
            return
        opened = facts.opened
        self.name.setText(facts.name)
        self.name.setToolTip(facts.path)
        self.chip.setText(_FORMATS.get(opened.format, opened.format))
        self.chip.setToolTip(f"Written by {facts.written_by or 'an unknown version'}")
        self.chip.show()
        zeros = sum(s.zeros or 0 for s in opened.layers)
        kernels = sum(s.prunable_weights for s in opened.layers)
        measured = all(s.zeros is not None for s in opened.layers if s.prunable_weights)
        prunable = [g for g in facts.groups if g.prunable]
        self.numbers.show_pairs(
            (
                ("Parameters", units.count(opened.params)),
                ("Multiply-adds", units.short_count(opened.macs)),
                ("File", units.size(facts.size_bytes)),
                ("Input", " and ".join(units.shape(s) for s in facts.inputs)),
                ("Removable channels", f"{facts.removable:,} in {len(prunable)} groups"),
                ("Zero weights", units.percent(zeros / kernels if kernels and measured else None)),
            )
        )
        known = facts.input_shape
        is_open = any(size is None for shape in facts.inputs for size in shape or (None,))
        self.input_size.setVisible(known is not None or (is_open and facts.prunable))
        self.input_size.setText("" if known is None else ",".join(map(str, known)))
        self.strip.show()
        self.strip.set_layers(opened.layers)
        text = _pinned_text(facts)
        self.pinned.setText(text)
        self.pinned.setVisible(bool(text))
        self.warnings.setText("\n".join(opened.warnings))
        self.warnings.setVisible(bool(opened.warnings))

    def _on_size(self) -> None:
        words = self.input_size.text().replace("x", ",").split(",")
        sizes = tuple(int(word) for word in words if word.strip().isdecimal())
        if len(sizes) == len(words) or not self.input_size.text().strip():
            self.size_wanted.emit(sizes or None)


def _pinned_text(facts: ModelFacts) -> str:
    fixed = [g for g in facts.groups if not g.prunable]
    if not fixed:
        return ""
    reasons = list(dict.fromkeys(g.reason or "no reason given" for g in fixed))
    more = f", and {len(reasons) - GROUPS_NAMED} more" if len(reasons) > GROUPS_NAMED else ""
    which = units.plural(len(fixed), "group")
    return f"{which} cannot be cut: {'; '.join(reasons[:GROUPS_NAMED])}{more}."


class DataCard(Card):
    """Where the labelled data are, and what was found in them once the engine has read them."""

    file_wanted = Signal()
    folder_wanted = Signal()
    changed = Signal(object)
    measure_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Data")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.name = label("", "heading", select=True)
        row.addWidget(self.name)
        row.addStretch(1)
        self.digits_button = button(
            "Use digits",
            lambda: self.changed.emit(DataSpec(source="digits")),
            role="link",
            tip="1,797 handwritten digits, 8 \u00d7 8 pixels, built in",
        )
        self.file_button = button(
            "Choose a file", self.file_wanted.emit, tip=".npz, .h5, .csv or a data script (Ctrl+D)"
        )
        self.folder_button = button(
            "Choose a folder", self.folder_wanted.emit, tip="A folder with a subfolder per class"
        )
        for made in (self.digits_button, self.file_button, self.folder_button):
            row.addWidget(made)
        self.body.addLayout(row)
        self.hint = label("", "muted", wrap=True)
        self.body.addWidget(self.hint)
        self._choices = self._make_choices()
        self.body.addWidget(self._choices)
        self.more = DataOptions()
        self.more.changed.connect(self.changed)
        self.found = DataFoundPanel()
        self.found.answered.connect(self.changed)
        self.facts = self.found.facts
        self.body.addWidget(self.found)
        self.measure_row = QWidget()
        measure = QHBoxLayout(self.measure_row)
        measure.setContentsMargins(0, 0, 0, 0)
        self.baseline = label("", select=True)
        measure.addWidget(self.baseline)
        self.measure_button = button(
            "Measure now",
            self.measure_wanted.emit,
            role="link",
            tip="Measure the unpruned model on the search split; Start does this too",
        )
        measure.addWidget(self.measure_button)
        measure.addStretch(1)
        self.body.addWidget(self.measure_row)
        self.body.addWidget(self.more)
        self._spec: DataSpec | None = None
        self._filling = False

    def _make_choices(self) -> QWidget:
        self.preprocess = Choice(PREPROCESS, free=True)
        self.preprocess.setMinimumContentsLength(24)
        self.preprocess.setAccessibleName("Preprocessing of the images")
        self.preprocess.setToolTip("Or words joined by commas, such as 0-1,bgr,bicubic,crop")
        self.seen = Choice(_SEEN)
        self.seen.setAccessibleName("Whether the model was trained on these images")
        self.seen.setToolTip("Figures from images that it was trained on are too good")
        pairs = []
        for text, box in (
            ("Preprocessing", self.preprocess),
            ("Trained on these images?", self.seen),
        ):
            head = label(text, "muted")
            head.setBuddy(box)
            pair = QWidget()
            layout = QHBoxLayout(pair)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(GRID)
            layout.addWidget(head)
            layout.addWidget(box)
            pairs.append(pair)
            box.edited.connect(self._on_choice)
        return Wrapping(*pairs, gap=2 * GRID)

    def show_data(
        self,
        spec: DataSpec | None,
        found: DataOpened | None,
        baseline: Baseline | None,
        *,
        measuring: bool,
        ready: bool,
        editable: bool,
        preview: Path | None = None,
    ) -> None:
        """Show what was chosen, and what the engine found where it has read it."""
        self._spec = spec
        self._filling = True
        given = spec is not None
        self.name.setText(_source_name(spec))
        self.name.setToolTip("" if spec is None else spec.source)
        self.digits_button.setVisible(not given)
        for made in (self.digits_button, self.file_button, self.folder_button):
            made.setEnabled(editable)
        self.hint.setText(
            "Labelled images, so that accuracy can be measured and repaired: an .npz file"
            " (x_train, y_train, x_test \u2026), or a folder with a subfolder per class. You can"
            " also drop them here."
        )
        self.hint.setVisible(not given)
        self._choices.setVisible(given and (spec is None or spec.source != "digits"))
        self._choices.setEnabled(editable)
        if spec is not None:
            self.preprocess.set_value(spec.preprocess)
            self.seen.set_value(spec.seen)
        self.more.show_spec(spec)
        self.more.setEnabled(editable)
        self.found.show_found(spec, found, preview)
        self.found.setEnabled(editable)
        self.measure_row.setVisible(given)
        if measuring:
            text = "Measuring the baseline \u2026"
        elif baseline is None:
            text = "Baseline not measured yet."
        else:
            text = (
                f"Baseline {units.metric_name(baseline.metric)}"
                f" {units.metric_value(baseline.value, baseline.metric)} on"
                f" {units.plural(baseline.samples, 'search sample')}"
                f"{_interval_text(baseline)}{_others_text(baseline)}."
            )
        self.baseline.setText(text)
        self.measure_button.setVisible(baseline is None and not measuring)
        self.measure_button.setEnabled(ready and editable)
        self._filling = False

    def _on_choice(self) -> None:
        if self._filling or self._spec is None:
            return
        self.changed.emit(
            replace(
                self._spec,
                preprocess=self.preprocess.value(),
                seen=self.seen.currentData(),
            )
        )


def _interval_text(baseline: Baseline) -> str:
    if baseline.interval is None:
        return ""
    return f" (95\u00a0%: {units.interval(*baseline.interval, baseline.metric)})"


def _others_text(baseline: Baseline) -> str:
    """The task's other metrics beside the baseline's own, "" without any."""
    said = [f"{units.metric_name(n)} {units.metric_value(v, n)}" for n, v in baseline.others]
    return f"; beside it {', '.join(said)}" if said else ""


def _source_name(spec: DataSpec | None) -> str:
    if spec is None:
        return "No data yet"
    if spec.source == "digits":
        return "Handwritten digits (built in)"
    return Path(spec.source).name
