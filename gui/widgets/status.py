"""The status bar: phase, time left, trials, best so far, engine."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QStatusBar

from gui.theme import set_role
from gui.widgets.basics import label

NAMES = ("phase", "time", "trials", "best", "engine")
_SPOKEN = {
    "phase": "Phase of the search",
    "time": "Time left",
    "trials": "Cost so far",
    "best": "Best so far",
    "engine": "Engine",
}


class StatusBar(QStatusBar):
    """Five fields, always in the same place; passing messages go to the log of the window."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(False)
        self.fields: dict[str, QLabel] = {}
        for name in NAMES:
            field = label("")
            field.setAccessibleName(_SPOKEN[name])
            if name == "engine":
                self.addPermanentWidget(field)
            else:
                self.addWidget(field, 2 if name == "best" else 0)
            self.fields[name] = field
        set_role(self.fields["best"], "status-strong")

    def show_fields(self, **texts: str) -> None:
        """Show these texts; fields that are not named stay."""
        for name, text in texts.items():
            if self.fields[name].text() != text:
                self.fields[name].setText(text)

    def tell_device(self, device: str | None) -> None:
        """Name what the engine runs on where its field is pointed at."""
        field = self.fields["engine"]
        field.setToolTip(device or "")
        field.setAccessibleDescription(device or "")

    def texts(self) -> dict[str, str]:
        """What is on show."""
        return {name: field.text() for name, field in self.fields.items()}
