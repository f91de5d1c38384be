"""Fields of a form: a choice, a choice or words of one's own, a number or "automatic".

Owns how a value is shown and read back; what it means is the form's business.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QSpinBox, QWidget

from gui.theme import GRID
from gui.widgets.basics import label

AUTO = "Automatic"


class Choice(QComboBox):
    """One of some values, each with its words; a value that is not among them is added.

    With ``free`` a person may also type a value; ``edited`` tells of a choice or of typed words.
    """

    edited = Signal()

    def __init__(self, items: Iterable[tuple[str, str]], *, free: bool = False) -> None:
        super().__init__()
        for key, text in items:
            self.addItem(text, key)
        self.setMinimumContentsLength(12)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        if free:
            self.setEditable(True)
            self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            line = self.lineEdit()
            if line is not None:
                line.setAcceptDrops(False)
                line.editingFinished.connect(self._on_typed)
        self.currentIndexChanged.connect(self._on_chosen)
        self._show_beginning()

    def value(self) -> str:
        """The value that is chosen, or the words that were typed."""
        text = self.currentText().strip()
        index = self.findText(text)
        found = self.itemData(index) if index >= 0 else text
        return str(found)

    def set_value(self, value: str) -> None:
        """Choose a value."""
        if value == self.value():
            return
        index = self.findData(value)
        if index < 0:
            self.addItem(value, value)
            index = self.count() - 1
        self.setCurrentIndex(index)

    def setAccessibleName(self, name: str) -> None:
        """Qt: the name, of the words that may be typed too."""
        super().setAccessibleName(name)
        line = self.lineEdit()
        if line is not None:
            line.setAccessibleName(name)

    def _on_chosen(self, _index: int) -> None:
        self._show_beginning()
        self.edited.emit()

    def _show_beginning(self) -> None:
        """Of words that are too long, the end is what is cut."""
        line = self.lineEdit()
        if line is not None:
            line.setCursorPosition(0)

    def _on_typed(self) -> None:
        text = self.currentText().strip()
        if text and text != self.itemText(self.currentIndex()):
            self.set_value(self.value())
            self.edited.emit()
        elif not text:
            self.setEditText(self.itemText(self.currentIndex()))


class Whole(QSpinBox):
    """A whole number; the least one stands for "automatic" unless ``auto`` says otherwise."""

    def __init__(self, low: int, high: int, suffix: str = "", *, auto: str = AUTO) -> None:
        super().__init__()
        self.setRange(low, high)
        self.setSuffix(suffix)
        self.setSpecialValueText(auto)
        self.setKeyboardTracking(False)

    def number(self) -> int | None:
        """The number, None where it is left to the program."""
        automatic = self.specialValueText() and self.value() == self.minimum()
        return None if automatic else self.value()

    def set_number(self, number: int | None) -> None:
        """Show a number, or that it is left to the program."""
        self.setValue(self.minimum() if number is None else number)


class FieldGrid(QGridLayout):
    """Named fields in two columns, a line of help under each."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, 0, 0, GRID)
        self.setHorizontalSpacing(2 * GRID)
        self.setVerticalSpacing(GRID)
        self.setColumnStretch(1, 1)
        self.setColumnStretch(4, 1)
        self.setColumnMinimumWidth(2, GRID)

    def add_field(self, row: int, side: int, text: str, box: QWidget, help_text: str) -> None:
        """Put a field in a row, on the left (0) or on the right (1)."""
        head = label(text, "muted")
        head.setContentsMargins(0, GRID - 1, 0, 0)  # beside the box, not beside its help
        head.setAlignment(Qt.AlignmentFlag.AlignTop)
        head.setBuddy(box)
        box.setAccessibleName(text)
        box.setAccessibleDescription(help_text)
        box.setToolTip(help_text)
        cell = QWidget()
        inner = QGridLayout(cell)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setVerticalSpacing(2)
        inner.addWidget(box, 0, 0)
        inner.addWidget(label(help_text, "small", wrap=True), 1, 0)
        self.addWidget(head, row, side * 3)
        self.addWidget(cell, row, side * 3 + 1)
