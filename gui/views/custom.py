"""The dialog that asks whether a Python file may run: it shows the file.

Owns the question alone; who remembers the answer is :mod:`engine.modelfile.consent`.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from gui.theme import GRID
from gui.widgets.basics import button, label

SHOWN_BYTES = 1 << 20


class CodeDialog(QDialog):
    """Shows a file and asks; accepted where the person allows it.

    Parameters
    ----------
    file
        The Python file.
    what_for
        Why it is to run, as a sentence.
    """

    def __init__(self, file: Path, what_for: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Allow a Python file")
        self.setMinimumSize(90 * GRID, 70 * GRID)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        layout.setSpacing(2 * GRID)
        layout.addWidget(label(f"May {file.name} run?", "heading", wrap=True))
        layout.addWidget(
            label(
                f"{what_for} This file is code, and runs with your rights"
                " in the engine process. Allow it only if you know where it comes from. The"
                " answer is remembered for the file as it is now; a change asks again.",
                "muted",
                wrap=True,
            )
        )
        layout.addWidget(label(str(file), "small", wrap=True, select=True))
        self.text = QPlainTextEdit(_shown(file))
        self.text.setReadOnly(True)
        self.text.setAccessibleName("The file's code")
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        layout.addWidget(self.text, 1)
        row = QHBoxLayout()
        row.addStretch(1)
        self.cancel_button = button("Cancel", self.reject)
        self.allow_button = button("Allow", self.accept, role="primary")
        row.addWidget(self.cancel_button)
        row.addWidget(self.allow_button)
        layout.addLayout(row)
        self.cancel_button.setFocus()


def _shown(file: Path) -> str:
    with file.open("rb") as source:
        data = source.read(SHOWN_BYTES)
    more = "\n\n# ... the file goes on" if file.stat().st_size > SHOWN_BYTES else ""
    return data.decode("utf-8", "replace") + more
