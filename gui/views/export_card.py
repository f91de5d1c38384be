"""An export that was saved and checked, as a card: what was seen, and code to copy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout

from engine.telling.exports import COPIES, export_pairs, load_code
from gui.theme import set_role
from gui.widgets.basics import Card, Facts, button, label


class ExportCard(Card):
    """Shows what ``secateur export --json`` told; ``copied`` says what is on the clipboard now."""

    copied = Signal(str)

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        set_role(self, "card-good")
        row = QHBoxLayout()
        path = Path(str(answer.get("path") or ""))
        row.addWidget(label(path.name, "heading", select=True))
        chip = label("saved and checked", "chip-good")
        row.addWidget(chip, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        for kind, code in load_code(answer).items():
            words, copied = COPIES[kind]
            row.addWidget(button(words, partial(self._copy, code, copied), role="link"))
        row.addWidget(
            button(
                "Open the folder",
                lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent))),
                role="link",
            )
        )
        self.body.addLayout(row)
        facts = Facts()
        facts.show_pairs(export_pairs(answer))
        self.body.addWidget(facts)
        self.setAccessibleName(f"Export {path.name}, saved and checked")

    def _copy(self, code: str, what: str) -> None:
        QGuiApplication.clipboard().setText(code)
        self.copied.emit(what)
