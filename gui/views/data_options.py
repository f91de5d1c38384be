"""The folded part of the data card: what is rarely needed to read labelled data rightly."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from engine.job import DataSpec
from engine.telling import sentences
from gui.widgets.basics import Fold
from gui.widgets.fields import Choice, FieldGrid


class DataOptions(QWidget):
    """Second source, groups, labels and class weights; ``changed`` carries a :class:`DataSpec`."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._spec: DataSpec | None = None
        self._filling = False
        self.test = _line("images-test.npz")
        self.group_by = _line("patient[0-9]+")
        self.ignore_label = _line("255")
        self.label_order = _line("2,0,1")
        self.class_weight = Choice(sentences.CLASS_WEIGHTS.items())
        form = QWidget()
        grid = FieldGrid(form)
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Test data", self.test, "A second source, for search and report; its path"),
            ("Keep together", self.group_by, "Samples whose names match this pattern alike"),
            ("Ignore label", self.ignore_label, "Number of a label that does not count"),
            ("Label order", self.label_order, "The model's output for each class of the data"),
            ("Class weights", self.class_weight, "Whether the loss counts all classes alike"),
        )
        for number, (text, box, help_text) in enumerate(rows):
            grid.add_field(number // 2, number % 2, text, box, help_text)
        self.fold = Fold("More about the data", "Less about the data", form)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.fold)
        for line in (self.test, self.group_by, self.ignore_label, self.label_order):
            line.editingFinished.connect(self._on_edit)
        self.class_weight.edited.connect(self._on_edit)

    def show_spec(self, spec: DataSpec | None) -> None:
        """Show what was chosen for these data."""
        self._spec = spec
        self.setVisible(spec is not None and spec.source != "digits")
        if spec is None:
            return
        self._filling = True
        self.test.setText(spec.test or "")
        self.group_by.setText(spec.group_by or "")
        self.ignore_label.setText("" if spec.ignore_label is None else str(spec.ignore_label))
        self.label_order.setText("" if spec.label_order == "given" else spec.label_order)
        self.class_weight.set_value(spec.class_weight)
        self._filling = False

    def _on_edit(self) -> None:
        spec = self._spec
        if self._filling or spec is None:
            return
        ignored = spec.ignore_label if self.ignore_label.text().strip() else None
        with contextlib.suppress(ValueError):
            ignored = int(self.ignore_label.text())
        changed = replace(
            spec,
            test=self.test.text().strip() or None,
            group_by=self.group_by.text().strip() or None,
            ignore_label=ignored,
            label_order=self.label_order.text().strip() or "given",
            class_weight=self.class_weight.currentData(),
        )
        if changed != spec:
            self.changed.emit(changed)
        else:
            self.show_spec(spec)


def _line(example: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(example)
    line.setClearButtonEnabled(True)
    line.setAcceptDrops(False)
    return line
