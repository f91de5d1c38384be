"""What was found in the data: counts, thumbnails, preprocessing, and what only a person knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from engine.events import DataOpened
from engine.job import DataSpec
from engine.telling import units
from gui.theme import GRID
from gui.widgets.basics import Facts, button, clear, label

PARTS = (("train", "Train"), ("search", "Search"), ("report", "Report"))
CANDIDATES_SHOWN = 6
CLASSES_SHOWN = 12


class DataFoundPanel(QWidget):
    """Facts, the questions that are open, and thumbnails by class and part."""

    answered = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        self.facts = Facts()
        column.addWidget(self.facts)
        self.tie_question = label("", "warn", wrap=True)
        self.tie_row = QWidget()
        self._ties = QVBoxLayout(self.tie_row)
        self._ties.setContentsMargins(0, 0, 0, 0)
        self.order_question = label("", "warn", wrap=True)
        self.order_button = button("Read the labels in that order", self._on_order, role="link")
        for part in (self.tie_question, self.tie_row, self.order_question, self.order_button):
            column.addWidget(part)
        self.sheets = QWidget()
        row = QHBoxLayout(self.sheets)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        self.names = QWidget()
        self._lines = QVBoxLayout(self.names)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(0)
        self.part = QComboBox()
        self.part.setAccessibleName("Part whose images are shown")
        self.part.setToolTip("Train feeds fine-tunes, search steers, report is read once")
        for name, text in PARTS:
            self.part.addItem(text, name)
        self.part.currentIndexChanged.connect(self._show_sheet)
        self.sheet = QLabel()
        for widget in (self.part, self.names, self.sheet):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
        row.addStretch(1)
        column.addWidget(self.sheets)
        self._spec: DataSpec | None = None
        self._found: DataOpened | None = None
        self._folder: Path | None = None
        self._tied: tuple[str, ...] = ()

    def show_found(
        self, spec: DataSpec | None, found: DataOpened | None, folder: Path | None
    ) -> None:
        """Show what was found in the data of ``spec``; ``folder`` has the thumbnails."""
        self.setVisible(found is not None)
        if (spec, found, folder) == (self._spec, self._found, self._folder):
            return
        self._spec, self._found, self._folder = spec, found, folder
        self.facts.show_pairs(() if found is None else data_pairs(found))
        self._ask_ties(found)
        self._ask_order(found)
        self._show_sheet()

    def _ask_ties(self, found: DataOpened | None) -> None:
        tied = () if found is None or not found.near_ties else (found.preprocess, *found.near_ties)
        self.tie_question.setVisible(bool(tied))
        self.tie_row.setVisible(bool(tied))
        self.tie_question.setText(
            "These ways to prepare the images do equally well on samples. Which one was the model"
            " trained with?"
        )
        if tied == self._tied:
            return
        self._tied = tied
        while (item := self._ties.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for index, name in enumerate(tied):
            self._ties.addWidget(self._tie(index, name))

    def _tie(self, index: int, name: str) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(button(name, lambda: self._answer(preprocess=name)))
        picture = QLabel()
        picture.setAccessibleName(f"Images under {name}")
        picture.setPixmap(self._pixmap(f"tie-{index}.png"))
        layout.addWidget(picture)
        layout.addStretch(1)
        return row

    def _ask_order(self, found: DataOpened | None) -> None:
        order = None if found is None else found.label_order
        self.order_question.setVisible(order is not None)
        self.order_button.setVisible(order is not None)
        if order is None or found is None:
            return
        moved = [
            f"{found.classes[own]} is output {output}"
            for own, output in enumerate(order)
            if own != output
        ]
        more = " \u2026" if len(moved) > CLASSES_SHOWN else ""
        self.order_question.setText(
            "The classes seem to be in another order than the model's: "
            + ", ".join(moved[:CLASSES_SHOWN])
            + more
        )

    def _on_order(self) -> None:
        if self._found is not None and self._found.label_order is not None:
            self._answer(label_order=",".join(map(str, self._found.label_order)))

    def _answer(self, **changes: str) -> None:
        if self._spec is not None:
            self.answered.emit(replace(self._spec, **changes))  # type: ignore[arg-type]

    def _show_sheet(self) -> None:
        name = self.part.currentData()
        pixmap = self._pixmap(f"{name}.png")
        self.sheets.setVisible(not pixmap.isNull())
        self.sheet.setPixmap(pixmap)
        self.sheet.setAccessibleName(f"Images of the {name} part, by class")
        clear(self._lines)
        found = self._found
        if found is None or not found.counts:
            return
        counts = found.counts[[key for key, _ in PARTS].index(name)]
        named = tuple(zip(found.classes, counts, strict=True))[:CLASSES_SHOWN]
        for text, count in named:  # each beside its row of images
            line = label(f"{text}: {count:,}", "small")
            line.setFixedHeight(pixmap.height() // len(named) or line.sizeHint().height())
            self._lines.addWidget(line)

    def _pixmap(self, name: str) -> QPixmap:
        return QPixmap() if self._folder is None else QPixmap(str(self._folder / name))


def data_pairs(found: DataOpened) -> tuple[tuple[str, str], ...]:
    """What the engine found in the data, as pairs."""
    shown = ", ".join(found.classes[:6]) + (" \u2026" if len(found.classes) > 6 else "")
    pairs = [
        ("Samples", f"{found.train:,} train, {found.search:,} search, {found.report:,} report"),
        ("Classes", f"{len(found.classes)}: {shown}" if found.classes else "none"),
        ("Preprocessing", found.preprocess),
    ]
    if len(found.preprocess_values) > 1:
        tried = list(found.preprocess_values.items())[:CANDIDATES_SHOWN]
        metric = {"regression": "mae", "script": "script"}.get(found.task, "accuracy")
        pairs.append(
            ("Tried on samples", ", ".join(f"{n} {units.metric_value(v, metric)}"
                                           for n, v in tried))
        )  # fmt: skip
    if found.seen != "no":
        seen = "images the model may have been trained on"
        pairs.append(("Seen", seen if found.seen == "unknown" else "the model was trained on them"))
    if found.notes:
        pairs.append(("Notes", "\n".join(found.notes)))
    return tuple(pairs)
