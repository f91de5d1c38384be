"""The list of keys: those of the menus, and those that a view itself understands."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QScrollArea, QVBoxLayout, QWidget

from gui.theme import GRID
from gui.widgets.basics import Facts, Page, button, label

IN_VIEWS: tuple[tuple[str, str], ...] = (
    ("\u2190 \u2192", "Layer strip: the layer beside; Enter opens the table"),
    ("\u2191 \u2193", "Cloud of a run that has ended: move the floor"),
    ("Enter", "Decisions: show the trial. Runs: open the run"),
    ("Del", "Runs: delete the run"),
    ("Tab, Shift+Tab", "Next and previous control"),
    ("Ctrl+1 \u2026 Ctrl+9", "Recent models"),
)


class ShortcutsDialog(QDialog):
    """Every key and what it does."""

    def __init__(self, actions: Iterable[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.resize(64 * GRID, 80 * GRID)
        native = QKeySequence.SequenceFormat.NativeText
        self.keys = Facts()
        self.keys.show_pairs(
            (
                *(
                    (action.shortcut().toString(native), action.text().replace("&", ""))
                    for action in actions
                    if not action.shortcut().isEmpty()
                ),
                *IN_VIEWS,
            )
        )
        page = Page()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, GRID, 0)
        inner.addWidget(self.keys)
        inner.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(label("Keyboard shortcuts", "heading"))
        layout.addWidget(scroll, 1)
        layout.addWidget(
            button("Close", self.accept, role="primary"), 0, Qt.AlignmentFlag.AlignRight
        )
