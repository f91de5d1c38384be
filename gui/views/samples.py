"""The samples whose answer changed, with their pictures, or those of a cell of the matrix.

Where every pixel has an answer: images with their masks, those first that lost most.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from engine.telling import units
from engine.telling.changes import CHANGES
from gui.compared import Compared
from gui.models.masks import MasksModel
from gui.models.samples import SamplesModel
from gui.theme import GRID
from gui.widgets import masks, samples
from gui.widgets.basics import label
from gui.widgets.tiles import TileList

ALL, CELL = "changed", "cell"
_OF_MASKS = "{} images of the search split, those first that lost most"


class SamplesPage(QWidget):
    """A filter by what became of a sample, one by its true class, and the samples."""

    def __init__(self) -> None:
        super().__init__()
        self._compared: Compared | None = None
        self._cell: tuple[Literal["before", "after"], int, int] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self.change = QComboBox()
        self.change.setAccessibleName("Which samples")
        self.true_class = QComboBox()
        self.true_class.setAccessibleName("True class of the samples")
        for box in (self.change, self.true_class):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            box.activated.connect(self._on_filter)
            row.addWidget(box)
        self.count = label("", "muted")
        row.addWidget(self.count)
        row.addStretch(1)
        self.caption = label("True class; as opened \u2192 after, with its probability", "small")
        row.addWidget(self.caption)
        column.addLayout(row)
        self.model = SamplesModel(self)
        self.list = TileList("Samples", samples.SampleDelegate(), samples.CELL)
        self.list.setModel(self.model)
        self.masks_model = MasksModel(self)
        self.masks = TileList("Masks", masks.MaskDelegate(), masks.CELL)
        self.masks.setModel(self.masks_model)
        self.pages = QStackedWidget()
        self.empty = label("", "muted", wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pages.addWidget(self.empty)
        self.pages.addWidget(self.list)
        self.pages.addWidget(self.masks)
        column.addWidget(self.pages, 1)

    def show_compared(self, compared: Compared | None) -> None:
        """Show the samples of a comparison that changed."""
        self._compared, self._cell = compared, None
        self._fill_choices()
        self._on_filter()

    def show_cell(self, side: Literal["before", "after"], true: int, found: int) -> None:
        """Show the samples of a cell of the confusion matrix."""
        self._cell = (side, true, found)
        self._fill_choices()
        self.change.setCurrentIndex(self.change.findData(CELL))
        self.true_class.setCurrentIndex(0)
        self._on_filter()

    def _fill_choices(self) -> None:
        compared = self._compared
        told = None if compared is None else compared.comparison.answers
        self.change.clear()
        self.true_class.clear()
        for shown in (self.change, self.true_class, self.caption):
            shown.setVisible(told is not None)
        if compared is None or told is None:
            return
        flipped = told.flipped()
        kinds = Counter[str | None](told.change(sample) for sample in flipped)
        self.change.addItem(f"All that changed ({len(flipped):,})", ALL)
        for kind, text in CHANGES.items():
            self.change.addItem(f"{text[:1].upper()}{text[1:]} ({kinds[kind]:,})", kind)
        names = [one.name for one in compared.comparison.classes]
        if self._cell is not None:
            side, true, found = self._cell
            when = "as opened" if side == "before" else "after"
            what = "right" if true == found else f"taken for {names[found]}"
            self.change.addItem(f"{names[true]}, {what}, {when}", CELL)
        self.true_class.addItem("All classes", None)
        for number, name in enumerate(names):
            self.true_class.addItem(name, number)

    def _on_filter(self) -> None:
        compared = self._compared
        told = None if compared is None else compared.comparison.answers
        if compared is None or told is None:
            self.model.show_samples(None, ())
            self.masks_model.show_compared(compared)
            notes = () if compared is None else compared.comparison.notes
            self._say(" ".join(notes))
            if self.masks_model.rowCount():
                self.count.setText(_OF_MASKS.format(self.masks_model.rowCount()))
                self.pages.setCurrentWidget(self.masks)
            return
        wanted, true = self.change.currentData(), self.true_class.currentData()
        if wanted == CELL and self._cell is not None:
            found = told.cell(*self._cell)
        else:
            found = tuple(s for s in told.flipped() if wanted in (ALL, told.change(s)))
        if true is not None:
            found = tuple(s for s in found if told.label[s] == true)
        self.model.show_samples(compared, found)
        self.count.setText(units.plural(len(found), "sample"))
        self.pages.setCurrentIndex(1 if found else 0)
        self.empty.setText("" if found else "No sample of the search split is like this.")

    def _say(self, text: str) -> None:
        self.count.setText("")
        self.empty.setText(text)
        self.pages.setCurrentIndex(0)
