"""Pictures and figures out of the window: a view as PNG or SVG, what it shows as CSV.

Owns the context menu that offers this, how a widget becomes a file, and that the file is written
whole. What the figures are is each view's business.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import (
    QBuffer,
    QIODevice,
    QObject,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
    SignalInstance,
)
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from engine import jsonio
from engine.errors import UserError
from gui.tasks import Tasks

Row: TypeAlias = tuple[object, ...]
Rows: TypeAlias = Callable[[], Iterable[Row]]
SCALE = 2
"""Pixels of a PNG for each pixel of the window: sharp on paper and on fine screens."""

FILTERS = "PNG picture (*.png);;SVG picture (*.svg);;CSV figures (*.csv)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A view that can be saved: its name for people and files, and its figures, head first.

    ``clicked`` carries a place on the screen where a view tells clicks of the right button from
    drags; None: the usual context menu. ``draw`` paints a view as shapes where it
    would paint itself from pixels.
    """

    name: str
    widget: QWidget
    rows: Rows
    clicked: SignalInstance | None = None
    draw: Callable[[QPainter], object] | None = None


class Pictures(QObject):
    """Saves views; ``saved`` carries the path, ``failed`` an :class:`ErrorInfo`."""

    saved = Signal(object)
    copied = Signal(str)
    failed = Signal(object)

    def __init__(self, window: QWidget, tasks: Tasks) -> None:
        super().__init__(window)
        self._window = window
        self._tasks = tasks
        self._subjects: dict[str, Subject] = {}
        self.ask_place: Callable[[str], str] = self._ask_place

    def add(self, subject: Subject) -> None:
        """Offer a view in its context menu."""
        self._subjects[subject.name] = subject
        widget = subject.widget
        if subject.clicked is not None:
            subject.clicked.connect(lambda place: self.menu(subject.name).popup(place))
            return
        widget.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        widget.customContextMenuRequested.connect(
            lambda place: self.menu(subject.name).popup(widget.mapToGlobal(place))
        )

    def menu(self, name: str) -> QMenu:
        """The context menu of a view; it deletes itself once closed."""
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Save as PNG, SVG or CSV \u2026").triggered.connect(lambda: self.save(name))
        menu.addAction("Copy the picture").triggered.connect(lambda: self.copy(name))
        return menu

    def copy(self, name: str) -> None:
        """Put a view's picture on the clipboard."""
        QGuiApplication.clipboard().setImage(image_of(self._subjects[name].widget))
        self.copied.emit(f"picture of the {name}")

    def save(self, name: str) -> None:
        """Ask where, and save a view; the ending of the name says what as."""
        subject = self._subjects.get(name)
        if subject is not None and len(list(subject.rows())) < 2:
            empty = UserError(
                "picture.empty",
                f"There is nothing to save as a picture yet: {name}.",
                "Save it once it shows something.",
            )
            self.failed.emit(empty.info())
            return
        place = "" if subject is None else self.ask_place(name)
        if subject is None or not place:
            return
        path = Path(place)
        if path.suffix.lower() not in (".png", ".svg", ".csv"):
            path = path.with_name(path.name + ".png")
        content = _content(subject, path.suffix.lower())
        self._tasks.start(
            lambda: _write(path, content),
            lambda *_: self.saved.emit(path),
            lambda _task, error: self.failed.emit(error),
        )

    def _ask_place(self, name: str) -> str:
        suggested = f"{name.replace(' ', '-')}.png"
        return QFileDialog.getSaveFileName(self._window, f"Save the {name}", suggested, FILTERS)[0]


def image_of(widget: QWidget) -> QImage:
    """A widget's picture, :data:`SCALE` pixels for each of its own."""
    image = QImage(widget.size() * SCALE, QImage.Format.Format_ARGB32)
    image.setDevicePixelRatio(SCALE)
    painter = QPainter(image)
    _paint(widget, painter)
    painter.end()
    return image


def _write(path: Path, content: bytes) -> None:
    try:
        jsonio.write_atomic(path, content)
    except OSError as error:
        raise UserError(
            "picture.unwritable",
            f"The picture cannot be written ({error.strerror}): {path}.",
            "Choose another place.",
        ) from error


def _content(subject: Subject, ending: str) -> bytes:
    if ending == ".csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(subject.rows())
        return out.getvalue().encode()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if ending == ".png":
        image_of(subject.widget).save(buffer, "PNG")  # type: ignore[call-overload]
    else:
        _draw(subject, buffer)
    return bytes(buffer.data().data())


def _draw(subject: Subject, buffer: QBuffer) -> None:
    size: QSize = subject.widget.size()
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(0, 0), size))
    generator.setTitle(f"Secateur: {subject.name}")
    painter = QPainter(generator)
    if subject.draw is None:
        _paint(subject.widget, painter)
    else:
        subject.draw(painter)
    painter.end()


def _paint(widget: QWidget, painter: QPainter) -> None:
    painter.fillRect(widget.rect(), widget.palette().base())
    QWidget.render(widget, painter, QPoint(0, 0))  # a plot has another of this name
