"""The status bar: phase, time left, trials, best so far, engine."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QStatusBar, QStyle, QStyleOption

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


class Abridged(QLabel):
    """A line that takes what room there is: the whole text, a shorter one, or that one cut short.

    ``text()`` is the whole one, which its tooltip says where it is not on show.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setIndent(0)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._short = ""

    def set_texts(self, text: str, short: str) -> None:
        """Show one of these."""
        if (text, short) != (self.text(), self._short):
            self._short = short
            self.setText(text)
            self._tell_the_rest()

    def shown(self) -> str:
        """What there is room for."""
        room, metrics = self.contentsRect().width(), self.fontMetrics()
        if metrics.horizontalAdvance(self.text()) <= room:
            return self.text()
        return metrics.elidedText(self._short or self.text(), Qt.TextElideMode.ElideRight, room)

    def minimumSizeHint(self) -> QSize:
        """No width, so that its neighbours have theirs."""
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other words fit."""
        super().resizeEvent(event)
        self._tell_the_rest()

    def _tell_the_rest(self) -> None:
        self.setToolTip("" if self.shown() == self.text() else self.text())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text in the colour of its role."""
        painter, option = QPainter(self), QStyleOption()
        option.initFrom(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)
        self.style().drawItemText(
            painter, self.contentsRect(), Qt.AlignmentFlag.AlignVCenter, self.palette(),
            self.isEnabled(), self.shown(), self.foregroundRole(),
        )  # fmt: skip


class StatusBar(QStatusBar):
    """Five fields, always in the same place; passing messages go to the log of the window."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(False)
        self.fields: dict[str, QLabel] = {}
        for name in NAMES:
            field = Abridged() if name == "best" else label("")
            field.setAccessibleName(_SPOKEN[name])
            if name == "engine":
                self.addPermanentWidget(field)
            else:
                self.addWidget(field, 2 if name == "best" else 0)
            self.fields[name] = field
        set_role(self.fields["best"], "status-strong")

    def show_fields(self, best_in_short: str = "", **texts: str) -> None:
        """Show these texts; fields that are not named stay."""
        for name, text in texts.items():
            field = self.fields[name]
            if isinstance(field, Abridged):
                field.set_texts(text, best_in_short)
            elif field.text() != text:
                field.setText(text)

    def tell_device(self, device: str | None) -> None:
        """Name what the engine runs on where its field is pointed at."""
        field = self.fields["engine"]
        field.setToolTip(device or "")
        field.setAccessibleDescription(device or "")

    def texts(self) -> dict[str, str]:
        """What is on show."""
        return {name: field.text() for name, field in self.fields.items()}
