"""Shrink by hand: how much of each layer stays, without data, and what that leaves.

Owns the page and the command that saves the model. Numbers follow each edit at once; accuracy is
not among them, and the page says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QSpinBox,
    QStackedWidget,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from engine.errors import ErrorInfo
from engine.events import LayerState
from engine.telling import units
from gui.commands import JsonCommand, slim_command
from gui.facts import ModelFacts
from gui.models.by_hand import KEEP, MOST_ZEROS, ZEROS, ByHandModel
from gui.models.rows import LAYER_ROLE, Index, sorted_by_value
from gui.session import Session
from gui.theme import GRID
from gui.widgets.basics import Card, Facts, button, label
from gui.widgets.tables import fit_columns, row_table

if TYPE_CHECKING:
    from engine.by_hand import ByHand

TIMEOUT_S = 3600.0
HONEST = (
    "Nothing is trained and no data are used: what this does to accuracy is not measured. Which"
    " channels stay is chosen by batch norm gamma where there is one, else by weight norm."
)


class PercentDelegate(QStyledItemDelegate):
    """Edits a share as whole percents."""

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Qt: a box for the number."""
        box = QSpinBox(parent)
        box.setFrame(False)
        box.setRange(*((1, 100) if index.column() == KEEP else (0, MOST_ZEROS)))
        box.setSingleStep(5)
        box.setSuffix(f"{units.NBSP}%")
        box.setAccessibleName("Channels kept" if index.column() == KEEP else "Zero weights")
        return box


class ByHandPage(QStackedWidget):
    """``left_changed`` carries the layers that would be left, after each edit."""

    layer_chosen = Signal(str)
    left_changed = Signal()
    model_wanted = Signal(object)
    failed = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._facts: ModelFacts | None = None
        self._reading = self._saving = 0
        self.out: Path | None = None
        self.ask_place: Callable[[Path], str] = self._ask_place
        self.words = label("", "muted", wrap=True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.addWidget(self.words)
        page = QWidget()
        self.addWidget(page)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID + 4)
        layout.addLayout(self._make_choice())
        self.model = ByHandModel(self)
        self.proxy: QSortFilterProxyModel = sorted_by_value(self.model, self)
        self.table = self._make_table()
        layout.addWidget(self.table, 1)
        layout.addWidget(self._make_outcome())
        self.model.edited.connect(self._on_edited)

    def _make_choice(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.keep = _percent("Channels to keep", 1, 100, 100)
        self.zeros = _percent("Weights to zero", 0, MOST_ZEROS, 0)
        row.addWidget(label("Keep"))
        row.addWidget(self.keep)
        row.addWidget(label("of the channels, zero"))
        row.addWidget(self.zeros)
        row.addWidget(label("of the weights"))
        self.all_button = button("In all layers", self._on_all)
        self.some_button = button("In the selected", self._on_some, tip="Ctrl or Shift selects")
        self.reset_button = button("Start over", self._on_reset, role="link")
        row.addWidget(self.all_button)
        row.addWidget(self.some_button)
        row.addStretch(1)
        row.addWidget(self.reset_button)
        return row

    def _make_table(self) -> QTableView:
        table = row_table(self.proxy, "Layers to shrink", ())
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        trigger = QAbstractItemView.EditTrigger
        table.setEditTriggers(
            trigger.DoubleClicked | trigger.EditKeyPressed | trigger.AnyKeyPressed
        )
        for column in (KEEP, ZEROS):
            table.setItemDelegateForColumn(column, PercentDelegate(table))
        table.selectionModel().currentRowChanged.connect(self._on_row)
        return table

    def _make_outcome(self) -> Card:
        card = Card(gap=GRID, padding=GRID + 4)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID)
        self.facts = Facts()
        words = QVBoxLayout()
        self.result = label("", "good", wrap=True, select=True)
        self.result.hide()
        words.addWidget(label(HONEST, "small", wrap=True))
        words.addWidget(self.result)
        words.addStretch(1)
        buttons = QVBoxLayout()
        self.save_button = button("Save as .keras \u2026", self._on_save, role="primary")
        self.open_button = button("Open it", self._on_open)
        self.open_button.hide()
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.open_button)
        buttons.addStretch(1)
        row.addWidget(self.facts, 4)
        row.addLayout(words, 5)
        row.addLayout(buttons)
        card.body.addLayout(row)
        return card

    @property
    def saving(self) -> bool:
        """Whether the engine is at it."""
        return self._saving != 0

    @property
    def left(self) -> tuple[LayerState, ...]:
        """The layers that would be left."""
        return self.model.left

    def show_model(self, facts: ModelFacts | None) -> None:
        """Shrink this model; the same one goes on where it was."""
        if facts is self._facts:
            return
        self._facts, self._reading = facts, 0
        self.model.show_draft(None)
        self.setCurrentIndex(0)
        if facts is None:
            self.words.setText("Open a model to shrink it by hand.")
            return
        if not facts.prunable:
            self.words.setText("A TensorFlow Lite file can be looked at, and not shrunk.")
            return
        self.words.setText("Reading the model \u2026")
        weights, custom = (None if p is None else Path(p) for p in (facts.weights, facts.custom))
        self._reading = self._session.tasks.start(
            lambda: _draft(facts, weights, custom),
            self._on_read,
            self._on_read_failed,
        )

    def save(self, out: Path) -> None:
        """Let the engine cut and zero the model and save it, with its plan beside it."""
        facts = self._facts
        if facts is None or self.saving:
            return
        self.out = out
        arguments = slim_command(facts, out, self.model.keep, self.model.sparsity)
        command = JsonCommand(arguments, timeout_s=TIMEOUT_S)
        self._saving = self._session.tasks.start(
            command.run, self._on_saved, self._on_save_failed, command.kill
        )
        self._show_saving()

    def _on_read(self, task: int, draft: ByHand) -> None:
        if task == self._reading:
            self.model.show_draft(draft)
            fit_columns(self.table)
            self.setCurrentIndex(1)

    def _on_read_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._reading:
            self.words.setText(error.message)

    def _on_edited(self) -> None:
        before = () if self.model.draft is None else self.model.draft.layers
        pairs = []
        for name, figure, text in (
            ("Parameters", _params, units.count),
            ("Non-zero", _nonzero, units.count),
            ("Multiply-adds", _macs, units.short_count),
        ):
            old, new = figure(before), figure(self.left)
            ratio = units.times(old, new)
            more = f" ({ratio})" if new < old and ratio else ""
            pairs.append((name, f"{text(old)} \u2192 about {text(new)}{more}"))
        self.facts.show_pairs(tuple(pairs))
        self.result.hide()
        self.open_button.hide()
        self.reset_button.setEnabled(bool(self.model.keep or self.model.sparsity))
        self._show_saving()
        self.left_changed.emit()

    def _show_saving(self) -> None:
        text = "Saving \u2026" if self.saving else "Save as .keras \u2026"
        self.save_button.setText(text)
        changed = bool(self.model.keep or self.model.sparsity)
        self.save_button.setEnabled(changed and not self.saving)

    def _on_all(self) -> None:
        self._choose(range(len(self.model.rows)))

    def _on_some(self) -> None:
        chosen = self.table.selectionModel().selectedRows()
        self._choose([self.proxy.mapToSource(index).row() for index in chosen])

    def _choose(self, rows: Any) -> None:
        self.model.choose(rows, keep=self.keep.value() / 100, zeros=self.zeros.value() / 100)

    def _on_reset(self) -> None:
        self.model.show_draft(self.model.draft)

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        name = current.data(LAYER_ROLE)
        if isinstance(name, str):
            self.layer_chosen.emit(name)

    def _on_save(self) -> None:
        facts = self._facts
        if facts is not None:
            place = self.ask_place(Path.cwd() / f"{facts.name}-slim.keras")
            if place:
                self.save(Path(place).with_suffix(".keras"))

    def _ask_place(self, place: Path) -> str:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the shrunk model", str(place), "Keras models (*.keras)"
        )
        return name

    def _on_saved(self, task: int, answer: dict[str, Any]) -> None:
        if task != self._saving or self.out is None:
            return
        self._saving = 0
        self._show_saving()
        self.result.setText(
            f"Saved {self.out.name}: {units.count(answer['params_after'])} parameters,"
            f" {units.count(answer['nonzero_after'])} of them not zero. The plan is beside it."
        )
        self.result.show()
        self.open_button.show()

    def _on_save_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._saving:
            self._saving = 0
            self._show_saving()
            self.failed.emit(error)

    def _on_open(self) -> None:
        if self.out is not None:
            self.model_wanted.emit(self.out)


def _percent(name: str, low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setSingleStep(5)
    box.setSuffix(f"{units.NBSP}%")
    box.setAccessibleName(name)
    return box


def _params(layers: tuple[LayerState, ...]) -> int:
    return sum(s.params for s in layers)


def _nonzero(layers: tuple[LayerState, ...]) -> int:
    return sum(s.params - (s.zeros or 0) for s in layers)


def _macs(layers: tuple[LayerState, ...]) -> int:
    return sum(s.macs or 0 for s in layers)


def _draft(facts: ModelFacts, weights: Path | None, custom: Path | None) -> ByHand:
    """What is left of a model; its rooms are imported here, for they bring numpy and scipy."""
    from engine.by_hand import ByHand

    return ByHand(Path(facts.path), facts.opened.layers, weights=weights, custom=custom)
