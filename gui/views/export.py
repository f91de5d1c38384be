"""The export stage: a format, a place, and the outcome of the promise check.

The work is `secateur export` in a child process, so that the file is the same as from a terminal
and a converter's crash cannot touch the window. Nothing is called saved before its check is in.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.errors import ErrorInfo
from engine.job import Quantize
from engine.runs import MODEL
from engine.telling import sentences, units
from gui.commands import (
    ExportKind,
    ExportRequest,
    JsonCommand,
    export_command,
    report_command,
)
from gui.session import Session
from gui.theme import GRID
from gui.views.export_card import ExportCard
from gui.widgets.basics import Card, Facts, Page, button, clear, empty_page, label

FORMATS: tuple[tuple[ExportKind, str, str, str], ...] = (
    ("tflite", "TensorFlow Lite", ".tflite", "One file for phones and small boards, run by LiteRT"),
    ("savedmodel", "SavedModel", "", "A folder for TensorFlow and TensorFlow Serving"),
    ("keras", "Keras 3", ".keras", "One file to load and train further in Keras 3"),
    ("h5", "HDF5", ".h5", "One file in the older HDF5 layout, for Keras 3"),
)
NUMBER_TYPES = (
    ("float", "Floats, converted inside"),
    ("int8", "Signed bytes (int8)"),
    ("uint8", "Unsigned bytes (uint8)"),
)
CLUSTERS = ((None, "As they are"), (32, "At most 32 a kernel"), (16, "At most 16 a kernel"))
TIMEOUT_S = 3600.0


class ExportPanel(QScrollArea):
    """Choose, export, see the check."""

    place_wanted = Signal()
    failed = Signal(object)
    copied = Signal(str)
    set_up_wanted = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._busy = False
        self._chosen_source: Path | None = None
        self._place_by_hand = False
        self._shown_run: Path | None = None
        self._shown_exports = 0
        self.setWidgetResizable(True)
        page = Page()
        self.setWidget(page)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        layout.setSpacing(2 * GRID)
        self.set_up_button = button("Set up a search", self.set_up_wanted.emit, role="primary")
        self._empty = empty_page(
            "Nothing to export yet",
            "Open a model, or run a search first.",
            self.set_up_button,
        )
        layout.addWidget(self._empty, 1)
        self._card = self._make_form()
        layout.addWidget(self._card)
        self._results = QVBoxLayout()
        self._results.setSpacing(2 * GRID)
        layout.addLayout(self._results)
        self._rest = QWidget()
        layout.addWidget(self._rest, 1)
        session.record_changed.connect(self.refresh)
        session.wishes_changed.connect(self.refresh)
        session.verbs_changed.connect(self.refresh)
        self.refresh()

    def _make_form(self) -> Card:
        card = Card("Export", gap=GRID + 4)
        self.source_name = label("", "heading", wrap=True, select=True)
        self.source_words = label("", "muted", wrap=True)
        card.body.addWidget(self.source_name)
        card.body.addWidget(self.source_words)
        self.form = QWidget()
        self.form.setMaximumWidth(120 * GRID)
        card.body.addWidget(self.form)
        grid = QGridLayout(self.form)
        grid.setContentsMargins(0, GRID, 0, 0)
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID + 4)
        grid.setColumnStretch(1, 1)
        self.format = QComboBox()
        self.format.setAccessibleName("Format")
        for key, text, _suffix, _help in FORMATS:
            self.format.addItem(text, key)
        self.format_help = label("", "small", wrap=True)
        self.quantize = QComboBox()
        self.quantize.setAccessibleName("Numbers")
        for quantize, words in sentences.QUANTIZE.items():
            self.quantize.addItem(words, quantize)
        self.quantize_head = label("Quantise", "muted")
        self.io = _choices("Input and output", NUMBER_TYPES)
        self.io_head = label("Input and output", "muted")
        self.cluster = _choices("Different weights", CLUSTERS)
        self.cluster_head = label("Different weights", "muted")
        self.sparse = QCheckBox("Encode zero weights, where that makes the file smaller")
        self.sparse.setAccessibleName("Encode zero weights")
        self.sparse_help = label("", "small", wrap=True)
        self.place = QLineEdit()
        self.place.setAccessibleName("Where to save")
        self.place.setAcceptDrops(False)
        self.place_button = button("Choose \u2026", self.place_wanted.emit)
        self.replace = QCheckBox("Replace what is there")
        self.replace.setAccessibleName("Replace what is there")
        self.export_button = button("Export", self.start, role="primary")
        self.report_button = button(
            "Report", self.report, tip="One file to hand on: what was done, found and measured"
        )
        self.busy = QProgressBar()
        self.busy.setTextVisible(False)
        self.busy.setAccessibleName("Exporting")
        self.busy_words = label("", "muted", wrap=True)
        place_row = QHBoxLayout()
        place_row.setSpacing(GRID)
        place_row.addWidget(self.place, 1)
        place_row.addWidget(self.place_button)
        end_row = QHBoxLayout()
        end_row.setSpacing(GRID)
        end_row.addWidget(self.busy_words, 1)
        end_row.addWidget(self.report_button)
        end_row.addWidget(self.export_button)
        grid.addWidget(label("Format", "muted"), 0, 0)
        grid.addWidget(self.format, 0, 1)
        grid.addWidget(self.format_help, 1, 1)
        grid.addWidget(self.quantize_head, 2, 0)
        grid.addWidget(self.quantize, 2, 1)
        grid.addWidget(self.io_head, 3, 0)
        grid.addWidget(self.io, 3, 1)
        grid.addWidget(self.cluster_head, 4, 0)
        grid.addWidget(self.cluster, 4, 1)
        grid.addWidget(self.sparse, 5, 1)
        grid.addWidget(self.sparse_help, 6, 1)
        grid.addWidget(label("Save to", "muted"), 7, 0)
        grid.addLayout(place_row, 7, 1)
        grid.addWidget(self.replace, 8, 1)
        grid.addLayout(end_row, 9, 0, 1, 2)
        grid.addWidget(self.busy, 10, 0, 1, 2)
        self.format.currentIndexChanged.connect(self._on_format)
        self.quantize.currentIndexChanged.connect(self.refresh)
        self.place.textEdited.connect(self._on_place)
        return card

    # what is exported

    @property
    def source(self) -> Path | None:
        """What would be exported: a chosen checkpoint, the run's model, else the opened file."""
        if self._chosen_source is not None:
            return self._chosen_source
        run = self._session.run
        if run is not None and (run / MODEL).is_file():
            return run
        model = self._session.wishes.model
        return None if model is None else Path(model.path)

    def choose_source(self, source: Path | None) -> None:
        """Export this file or run; None goes back to the run's model."""
        self._chosen_source = source
        self._place_by_hand = False
        self.refresh()

    def request(self) -> ExportRequest | None:
        """What the form asks for, None while something is missing."""
        source, place = self.source, self.place.text().strip()
        if source is None or not place:
            return None
        to: ExportKind = self.format.currentData()
        quantize: Quantize = self.quantize.currentData() if to == "tflite" else "none"
        run = source == self._session.run
        model = self._session.wishes.model
        return ExportRequest(
            source=source,
            to=to,
            out=Path(place).expanduser(),
            quantize=quantize,
            sparse=self.sparse.isChecked() and self.sparse.isEnabled() and to == "tflite",
            io=self.io.currentData() if quantize == "int8" else "float",
            cluster=self.cluster.currentData() if to == "tflite" else None,
            data=None if run else self._session.wishes.data,
            force=self.replace.isChecked() and self.replace.isVisibleTo(self),
            weights=None if model is None else model.weights,
            custom=None if model is None else model.custom,
            input_shape=None if model is None else model.input_shape,
        )

    @property
    def busy_now(self) -> bool:
        """Whether an export is under way."""
        return self._busy

    def refresh(self) -> None:
        """Show the session's model and what can be done."""
        source = self.source
        self._show_exports_of_run()
        self._empty.setVisible(source is None)
        self._card.setVisible(source is not None)
        self._rest.setVisible(source is not None)
        if source is None:
            return
        self.source_name.setText(self._source_title(source))
        self.source_words.setText(self._source_words(source))
        if not self._place_by_hand:
            self.place.setText(str(self._default_place(source)))
        self._on_format_shown()
        self._show_busy()

    def _source_title(self, source: Path) -> str:
        model = self._session.wishes.model
        name = source.stem if model is None else model.name
        if source == self._session.run:
            return f"{name}, pruned"
        return f"{name}, {source.stem}" if self._chosen_source is not None else name

    def _source_words(self, source: Path) -> str:
        state = self._session.state
        metric = None if state.baseline is None else state.baseline.metric
        if source == self._session.run:
            best = state.best_trial
            if best is None:
                return "The model that the run ended with."
            value = units.metric_value(best.value, metric)
            what = sentences.amount(best.keep, best.sparsity, best.weight_values)
            return f"{what}; {value} on the search split."
        if self._chosen_source is not None:
            return f"A checkpoint of {source.parent.parent.name}."
        return "The model as opened, not pruned: a search has not ended with a smaller one."

    def _default_place(self, source: Path) -> Path:
        suffix = next(f[2] for f in FORMATS if f[0] == self.format.currentData())
        model = self._session.wishes.model
        stem = source.stem if model is None else model.name
        if self._chosen_source is not None:
            stem = f"{stem}-{source.stem}"
        elif source == self._session.run:
            stem = f"{stem}-pruned"
        if self.format.currentData() == "tflite" and self.quantize.currentData() != "none":
            stem += f"-{self.quantize.currentData()}"
        run = self._session.run
        folder = run / "exports" if run is not None else Path.cwd()
        return folder / f"{stem}{suffix}"

    # the export

    def start(self) -> None:
        """Export; the answer becomes a card."""
        request = self.request()
        if request is None or self._busy:
            return
        command = JsonCommand(export_command(request), timeout_s=TIMEOUT_S)
        self._busy = True
        self._show_busy()
        self._session.tasks.start(command.run, self._on_exported, self._on_failed, command.kill)

    def _on_exported(self, _task: int, answer: dict[str, Any]) -> None:
        self._busy = False
        self.add_result(answer)
        self.refresh()

    def _on_failed(self, _task: int, error: ErrorInfo) -> None:
        self._busy = False
        self.refresh()
        self.failed.emit(error)

    def report(self) -> None:
        """Write the run's report anew and show it."""
        run = self._session.run
        if run is None or self._busy:
            return
        command = JsonCommand(report_command(run), timeout_s=TIMEOUT_S)
        self._busy = True
        self._show_busy()
        self._session.tasks.start(command.run, self._on_reported, self._on_failed, command.kill)

    def _on_reported(self, _task: int, answer: dict[str, Any]) -> None:
        self._busy = False
        self.refresh()
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(answer["path"])))

    def _show_exports_of_run(self) -> None:
        """Show what the run itself exported; cards of another run go."""
        run, exports = self._session.run, self._session.state.exports
        if run != self._shown_run:
            clear(self._results)
            self._shown_run, self._shown_exports = run, 0
        for exported in exports[self._shown_exports :]:
            place = exported.path if run is None else str(run / exported.path)
            self.add_result({**exported.result, "path": place})
        self._shown_exports = len(exports)

    def add_result(self, answer: dict[str, Any]) -> None:
        """Show an export that was checked, newest first."""
        card = ExportCard(answer)
        card.copied.connect(self.copied)
        self._results.insertWidget(0, card)

    def results_text(self) -> str:
        """All results on show, as lines."""
        texts = []
        for index in range(self._results.count()):
            item = self._results.itemAt(index)
            card = None if item is None else item.widget()
            facts = None if card is None else card.findChild(Facts)
            if isinstance(facts, Facts):
                texts.append(facts.text())
        return "\n".join(texts)

    # small changes

    def _on_format(self) -> None:
        if self._place_by_hand and self.place.text().strip():
            place = Path(self.place.text().strip())
            suffix = next(f[2] for f in FORMATS if f[0] == self.format.currentData())
            if place.suffix in {f[2] for f in FORMATS} or place.suffix == "":
                self.place.setText(str(place.with_suffix(suffix)))
        self.refresh()

    def _on_format_shown(self) -> None:
        to = self.format.currentData()
        self.format_help.setText(next(f[3] for f in FORMATS if f[0] == to))
        self.quantize.setVisible(to == "tflite")
        self.quantize_head.setVisible(to == "tflite")
        quantize = self.quantize.currentData()
        self.io.setVisible(to == "tflite" and quantize == "int8")
        self.io_head.setVisible(self.io.isVisibleTo(self.form))
        self.cluster.setVisible(to == "tflite")
        self.cluster_head.setVisible(to == "tflite")
        self.sparse.setVisible(to == "tflite")
        unsafe = quantize == "dynamic"
        self.sparse.setEnabled(not unsafe)
        self.sparse_help.setVisible(to == "tflite")
        self.sparse_help.setText(
            "Not with 8-bit weights of dynamic range: no runtime can run such a file."
            if unsafe
            else "The runtime unfolds them again when it loads the file: smaller, not faster."
        )
        place = self.place.text().strip()
        self.replace.setVisible(bool(place) and Path(place).expanduser().exists())

    def set_place(self, place: Path) -> None:
        """Save to this place."""
        self.place.setText(str(place))
        self._place_by_hand = True
        self.refresh()

    def _on_place(self) -> None:
        self._place_by_hand = True
        self.refresh()

    def _show_busy(self) -> None:
        busy = self._busy
        self.busy.setVisible(busy)
        self.busy.setRange(0, 0 if busy else 1)
        searching = self._session.searching and self.source == self._session.run
        self.busy_words.setText(
            "Exporting, then opening the file in a fresh process to check it \u2026"
            if busy
            else "The search is under way; this exports its best model so far."
            if searching
            else ""
        )
        self.export_button.setEnabled(not busy and bool(self.place.text().strip()))
        self.report_button.setVisible(self._session.run is not None)
        self.report_button.setEnabled(not busy)


def _choices(name: str, choices: Iterable[tuple[object, str]]) -> QComboBox:
    """A box of choices, each with its value."""
    box = QComboBox()
    box.setAccessibleName(name)
    for value, words in choices:
        box.addItem(words, value)
    return box
