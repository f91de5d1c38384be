"""Class by class: the figure of each before and after, and the confusion matrix."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.comparison import Comparison
from engine.telling import units
from gui.models.classes import ClassesModel
from gui.models.rows import sorted_by_value
from gui.theme import GRID, set_role
from gui.widgets.basics import Card, button, label
from gui.widgets.confusion import ConfusionMap, Side
from gui.widgets.tables import row_table
from gui.widgets.tabs import TabRow

SIDES: tuple[Side, ...] = ("before", "after", "change")
HEADS = {"accuracy": "Accuracy by class", "f1": "F1 by class", "iou": "IoU by class"}


class ClassesPage(QWidget):
    """``cell_chosen`` carries side, true and answered class of a cell of the matrix."""

    cell_chosen = Signal(str, int, int)
    copied = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID + 4)
        classes = Card(gap=GRID, padding=GRID + 4)
        head = QHBoxLayout()
        self.head = label("", "eyebrow")
        self.copy_button = button("Copy as CSV", self.copy, role="link", tip="Plain numbers")
        head.addWidget(self.head)
        head.addStretch(1)
        head.addWidget(self.copy_button)
        classes.body.addLayout(head)
        self.model = ClassesModel(self)
        self.table = row_table(
            sorted_by_value(self.model, self), "Figures by class", (112, 64, 88, 72, 96)
        )
        set_role(self.table, "plain")
        self.table.horizontalHeader().setStretchLastSection(False)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        classes.body.addWidget(self.table, 1)
        row.addWidget(classes, 5)
        matrix = Card(gap=GRID, padding=GRID + 4)
        head = QHBoxLayout()
        self.matrix_head = label("Confusion", "eyebrow")
        self.sides = TabRow(("As opened", "After", "Change"))
        self.sides.turn(SIDES.index("after"))
        self.sides.chosen.connect(self._on_side)
        head.addWidget(self.matrix_head)
        head.addStretch(1)
        head.addWidget(self.sides)
        matrix.body.addLayout(head)
        self.pages = QStackedWidget()
        self.note = label("", "muted", wrap=True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pages.addWidget(self.note)
        self.map = ConfusionMap()
        self.map.chosen.connect(self._on_cell)
        scroll = QScrollArea()
        scroll.setObjectName("plain")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(self.map)
        place = QWidget()
        column = QVBoxLayout(place)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addWidget(scroll, 1)
        self.help = label("", "small", wrap=True)
        column.addWidget(self.help)
        self.pages.addWidget(place)
        matrix.body.addWidget(self.pages, 1)
        row.addWidget(matrix, 7)

    def show_comparison(self, found: Comparison | None) -> None:
        """Show the classes of a comparison."""
        figure = None if found is None else found.figure
        self.head.setText(HEADS.get(figure or "", "Classes"))
        self.model.show_classes(found)
        self.map.show_confusion(found)
        drawn = found is not None and found.confusion is not None
        self.pages.setCurrentIndex(1 if drawn else 0)
        self.sides.setVisible(drawn)
        self.note.setText("" if found is None else " ".join(found.notes))
        listed = found is not None and found.answers is not None
        click = " Click a cell to see its samples." if listed else ""
        notes = "" if found is None or listed else " " + " ".join(found.notes)
        self.help.setText(
            f"The stronger the shade, the larger the share of the true class.{click}{notes}"
        )

    def copy(self) -> None:
        """Copy the table as CSV."""
        QGuiApplication.clipboard().setText(self.model.csv_text())
        self.copied.emit(f"{units.plural(len(self.model.rows), 'class', 'classes')} as CSV")

    def _on_side(self, number: int) -> None:
        self.map.show_side(SIDES[number])

    def _on_cell(self, true: int, found: int) -> None:
        side = self.map.side
        self.cell_chosen.emit("after" if side == "change" else side, true, found)
