"""Icons of one set, tinted with the colours in force and cached by name and colour."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from gui.resources import resources


@cache
def _source(name: str) -> str:
    return (resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


@cache
def pixmap(name: str, colour: str, size: int = 16, ratio: float = 2.0) -> QPixmap:
    """An icon as a picture of ``size`` device-independent pixels."""
    picture = QPixmap(round(size * ratio), round(size * ratio))
    picture.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))
    painter = QPainter(picture)
    renderer.render(painter, QRectF(0, 0, picture.width(), picture.height()))
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


def icon(name: str, colour: str, *, disabled: str | None = None, on: str | None = None) -> QIcon:
    """An icon for buttons; ``disabled`` and ``on`` are its colours in those states."""
    made = QIcon(pixmap(name, colour, 20))
    if disabled is not None:
        made.addPixmap(pixmap(name, disabled, 20), QIcon.Mode.Disabled)
    if on is not None:
        made.addPixmap(pixmap(name, on, 20), QIcon.Mode.Normal, QIcon.State.On)
    return made
