"""The folded options of a search: each with its unit and a line of help."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QLineEdit, QWidget

from engine.job import Budget
from engine.telling import sentences
from gui.widgets.fields import Choice, FieldGrid, Whole
from gui.wishes import Options


class OptionsForm(QWidget):
    """All that has a good default; ``changed`` carries :class:`Options`."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._filling = False
        self.strategy = Choice(sentences.STRATEGIES.items())
        self.criterion = Choice(sentences.CRITERIA.items(), free=True)
        self.quantize = Choice(sentences.QUANTIZE.items())
        self.allocation = Choice(sentences.ALLOCATIONS.items())
        self.augment = Choice(sentences.AUGMENTS.items(), free=True)
        self.sparse_for = Choice(sentences.SPARSE_FOR.items())
        self.scales = Choice(sentences.IMPORTANCE_INITS.items())
        self.exclude = QLineEdit()
        self.exclude.setPlaceholderText("conv1, block2/*")
        self.exclude.setClearButtonEnabled(True)
        self.exclude.setAcceptDrops(False)
        self.floors = QLineEdit()
        self.floors.setPlaceholderText("conv1=50 %, block2/*=25 %")
        self.floors.setClearButtonEnabled(True)
        self.floors.setAcceptDrops(False)
        self.norms = QCheckBox("Allowed")
        self.epochs = Whole(0, 1000, " epochs")
        self.fine_tunes = Whole(0, 1000, " fine-tunes")
        self.minutes = Whole(0, 100_000, " min", auto="No limit")
        self.round_to = Whole(0, 512, " channels")
        self.batch_size = Whole(0, 65_536, " images")
        self.l1_epochs = Whole(0, 1000, " epochs", auto="None")
        self.seed = Whole(0, 2_147_483_647, auto="")
        grid = FieldGrid(self)
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Strategy", self.strategy, "Which kinds of pruning, and in which order"),
            ("Epochs", self.epochs, "Of each fine-tune"),
            ("Criterion", self.criterion, "What ranks channels; or your own, file.py:function"),
            ("Fine-tunes", self.fine_tunes, "At most; probes are not counted"),
            ("Quantise", self.quantize, "Numbers of the TFLite file that is judged"),
            ("Time", self.minutes, "At most, for the whole search"),
            ("Allocation", self.allocation, "How a cut is shared among the groups"),
            ("Batch", self.batch_size, "Of each step of a fine-tune"),
            ("Zeros for", self.sparse_for, "Speed: only where kernels of ARM can use them"),
            ("Widths", self.round_to, "In multiples of; automatic: 8 or finer for latency, else 1"),
            ("Augmentation", self.augment, "Changes of images; or names, such as flip,shift"),
            ("L1 phase", self.l1_epochs, "On batch-norm scales, before the first cut"),
            ("Leave alone", self.exclude, "Layers or groups by name or pattern, by comma"),
            ("Cuts in norms", self.norms, "Through layer, group and unit norms"),
            ("Scales begin", self.scales, "Of importance weights, where the strategy trains them"),
            ("Keep at least", self.floors, "Of the channels of groups, by name or pattern"),
            ("Seed", self.seed, "Same seed, data and versions: same decisions"),
        )
        for number, (text, box, help_text) in enumerate(rows):
            grid.add_field(number // 2, number % 2, text, box, help_text)
        for choice in (
            self.strategy, self.criterion, self.quantize, self.allocation, self.augment,
            self.sparse_for, self.scales,
        ):  # fmt: skip
            choice.edited.connect(self._on_edit)
        self.exclude.editingFinished.connect(self._on_edit)
        self.floors.editingFinished.connect(self._on_edit)
        self.norms.toggled.connect(self._on_edit)
        for whole in (
            self.epochs, self.fine_tunes, self.minutes, self.round_to, self.batch_size,
            self.l1_epochs, self.seed,
        ):  # fmt: skip
            whole.valueChanged.connect(self._on_edit)

    def show_options(self, options: Options) -> None:
        """Show these options."""
        self._filling = True
        self.strategy.set_value(options.strategy)
        self.criterion.set_value(options.criterion)
        self.quantize.set_value(options.quantize)
        self.allocation.set_value(options.allocation)
        self.augment.set_value(options.augment)
        self.sparse_for.set_value(options.sparse_for)
        self.scales.set_value(options.importance_init)
        if names_in(self.exclude.text()) != options.exclude:
            self.exclude.setText(", ".join(options.exclude))
        if floors_in(self.floors.text()) != options.floors:
            self.floors.setText(floors_text(options.floors))
        self.norms.setChecked(options.through_norms)
        budget = options.budget
        self.epochs.set_number(budget.epochs)
        self.fine_tunes.set_number(budget.max_trials)
        self.minutes.set_number(
            None if budget.time_s is None else max(round(budget.time_s / 60), 1)
        )
        self.round_to.set_number(options.round_to)
        self.batch_size.set_number(options.batch_size)
        self.l1_epochs.setValue(options.l1_epochs)
        self.seed.setValue(options.seed)
        self._filling = False

    def options(self) -> Options:
        """What the form holds."""
        minutes = self.minutes.number()
        return Options(
            strategy=self.strategy.currentData(),
            criterion=self.criterion.value(),
            quantize=self.quantize.currentData(),
            allocation=self.allocation.currentData(),
            augment=self.augment.value(),
            sparse_for=self.sparse_for.currentData(),
            importance_init=self.scales.currentData(),
            round_to=self.round_to.number(),
            exclude=names_in(self.exclude.text()),
            floors=floors_in(self.floors.text()),
            through_norms=self.norms.isChecked(),
            l1_epochs=self.l1_epochs.value(),
            batch_size=self.batch_size.number(),
            budget=Budget(
                epochs=self.epochs.number(),
                max_trials=self.fine_tunes.number(),
                time_s=None if minutes is None else minutes * 60.0,
            ),
            seed=self.seed.value(),
        )

    def _on_edit(self) -> None:
        if not self._filling:
            self.changed.emit(self.options())


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def floors_in(text: str) -> dict[str, float]:
    """Shares by name from "conv1=50 %, g3=25 %"; what is not of this form is left out."""
    found = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        with contextlib.suppress(ValueError):
            percent = float(number.replace("%", "").strip())
            if name.strip() and 0.0 < percent <= 100.0:
                found[name.strip()] = percent / 100.0
    return found


def floors_text(floors: Mapping[str, float]) -> str:
    """Shares by name as text."""
    return ", ".join(f"{name}={100 * share:g} %" for name, share in floors.items())
