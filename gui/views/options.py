"""The folded options of a search: each with its unit and a line of help."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QSpinBox, QWidget

from engine.job import Budget, Strategy
from engine.telling import sentences
from gui.theme import GRID
from gui.widgets.basics import label
from gui.wishes import Options

AUTO = "Automatic"
OFFERED: tuple[Strategy, ...] = ("heuristic", "structured", "unstructured", "three-step", "grid")
"""The strategies that the engine has today."""


class OptionsForm(QWidget):
    """All that has a good default; ``changed`` carries :class:`Options`."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._filling = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, GRID)
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(GRID)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(4, 1)
        self._grid.setColumnMinimumWidth(2, GRID)
        self.strategy = _combo(tuple((key, sentences.STRATEGIES[key]) for key in OFFERED))
        self.criterion = _combo(tuple(sentences.CRITERIA.items()))
        self.quantize = _combo(tuple(sentences.QUANTIZE.items()))
        self.allocation = _combo(tuple(sentences.ALLOCATIONS.items()))
        self.augment = _combo(tuple(sentences.AUGMENTS.items()))
        self.exclude = QLineEdit()
        self.exclude.setPlaceholderText("conv1, block2/*")
        self.exclude.setClearButtonEnabled(True)
        self.exclude.setAcceptDrops(False)
        self.norms = QCheckBox("Allowed")
        self.epochs = _spin(0, 1000, " epochs")
        self.fine_tunes = _spin(0, 1000, " fine-tunes")
        self.minutes = _spin(0, 100_000, " min")
        self.seed = _spin(0, 2_147_483_647, "")
        self.seed.setSpecialValueText("")
        self._row(0, 0, "Strategy", self.strategy, "Which kinds of pruning, and in which order")
        self._row(1, 0, "Criterion", self.criterion, "What ranks the channels of a group")
        self._row(2, 0, "Quantise", self.quantize, "Numbers of the TFLite file that is judged")
        self._row(3, 0, "Seed", self.seed, "Same seed, data and versions: same decisions")
        self._row(0, 1, "Epochs", self.epochs, "Of each fine-tune")
        self._row(1, 1, "Fine-tunes", self.fine_tunes, "At most; probes are not counted")
        self._row(2, 1, "Time", self.minutes, "At most, for the whole search")
        self._row(
            4, 0, "Leave alone", self.exclude, "Layers or groups by name or pattern, by comma"
        )
        self._row(3, 1, "Allocation", self.allocation, "How a cut is shared among the groups")
        self._row(4, 1, "Augmentation", self.augment, "Random changes of images in fine-tunes")
        self._row(5, 1, "Cuts in norms", self.norms, "Through layer, group and unit norms")
        for box in (self.strategy, self.criterion, self.quantize, self.allocation, self.augment):
            box.currentIndexChanged.connect(self._on_edit)
        self.exclude.editingFinished.connect(self._on_edit)
        self.norms.toggled.connect(self._on_edit)
        for spin in (self.epochs, self.fine_tunes, self.minutes, self.seed):
            spin.valueChanged.connect(self._on_edit)

    def _row(self, row: int, side: int, text: str, box: QWidget, help_text: str) -> None:
        head = label(text, "muted")
        head.setBuddy(box)
        box.setAccessibleName(text)
        box.setAccessibleDescription(help_text)
        box.setToolTip(help_text)
        cell = QWidget()
        inner = QGridLayout(cell)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setVerticalSpacing(2)
        inner.addWidget(box, 0, 0)
        inner.addWidget(label(help_text, "small"), 1, 0)
        self._grid.addWidget(head, row, side * 3)
        self._grid.addWidget(cell, row, side * 3 + 1)

    def show_options(self, options: Options) -> None:
        """Show these options."""
        self._filling = True
        for box, key in (
            (self.strategy, options.strategy),
            (self.criterion, options.criterion),
            (self.quantize, options.quantize),
            (self.allocation, options.allocation),
            (self.augment, options.augment),
        ):
            index = box.findData(key)
            if index < 0:
                box.addItem(key, key)
                index = box.count() - 1
            box.setCurrentIndex(index)
        if names_in(self.exclude.text()) != options.exclude:
            self.exclude.setText(", ".join(options.exclude))
        self.norms.setChecked(options.through_norms)
        budget = options.budget
        self.epochs.setValue(budget.epochs or 0)
        self.fine_tunes.setValue(budget.max_trials or 0)
        self.minutes.setValue(0 if budget.time_s is None else max(round(budget.time_s / 60), 1))
        self.seed.setValue(options.seed)
        self._filling = False

    def options(self) -> Options:
        """What the form holds."""
        minutes = self.minutes.value()
        return Options(
            strategy=self.strategy.currentData(),
            criterion=self.criterion.currentData(),
            quantize=self.quantize.currentData(),
            allocation=self.allocation.currentData(),
            augment=self.augment.currentData(),
            exclude=names_in(self.exclude.text()),
            through_norms=self.norms.isChecked(),
            budget=Budget(
                epochs=self.epochs.value() or None,
                max_trials=self.fine_tunes.value() or None,
                time_s=minutes * 60.0 if minutes else None,
            ),
            seed=self.seed.value(),
        )

    def _on_edit(self) -> None:
        if not self._filling:
            self.changed.emit(self.options())


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _combo(items: tuple[tuple[str, str], ...]) -> QComboBox:
    box = QComboBox()
    for key, text in items:
        box.addItem(text, key)
    return box


def _spin(low: int, high: int, suffix: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setSuffix(suffix)
    box.setSpecialValueText(AUTO)
    box.setKeyboardTracking(False)
    return box
