"""Looks: two palettes, one typographic scale, one spacing grid, one accent.

Owns colours, sizes and the style sheet, and how light or dark is chosen. Colours of data are after
Okabe and Ito's, as far apart for all kinds of colour vision as a test asks, and told apart by
marker shape too. It knows nothing of views.
"""

from __future__ import annotations

import string
from dataclasses import asdict, dataclass
from typing import Literal

from PySide6.QtCore import QDir, QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from gui.resources import resources

Choice = Literal["system", "light", "dark"]

GRID = 8
"""The spacing grid, in device-independent pixels; margins and gaps are multiples of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """One palette. ``floor``, ``target``, ``other`` ... are roles of data, not of widgets."""

    mode: str
    window: str
    surface: str
    raised: str
    border: str
    control: str
    hover: str
    text: str
    muted: str
    faint: str
    accent: str
    accent_hover: str
    accent_soft: str
    on_accent: str
    good: str
    good_soft: str
    bad: str
    bad_soft: str
    warn: str
    warn_soft: str
    floor: str
    target: str
    probe: str
    loss: str
    other: str
    empty: str


LIGHT = Colours(
    mode="light",
    window="#F3F5F7",
    surface="#FFFFFF",
    raised="#FAFBFC",
    border="#DCE1E7",
    control="#B4BDC8",
    hover="#EDF1F5",
    text="#1B2026",
    muted="#5B6470",
    faint="#87919D",
    accent="#0072B2",
    accent_hover="#005F95",
    accent_soft="#E7F3FA",
    on_accent="#FFFFFF",
    good="#007A59",
    good_soft="#E1F3ED",
    bad="#A81E32",
    bad_soft="#FBE8EB",
    warn="#8F6200",
    warn_soft="#FCF2DA",
    floor="#C05400",
    target="#00825F",
    probe="#7A8591",
    loss="#0072B2",
    other="#96307A",
    empty="#DCEBF4",
)
DARK = Colours(
    mode="dark",
    window="#14171B",
    surface="#1C2026",
    raised="#232830",
    border="#313842",
    control="#4C5663",
    hover="#2A3039",
    text="#E8EBEF",
    muted="#A3ADB9",
    faint="#7C8794",
    accent="#56B4E9",
    accent_hover="#7CC6F0",
    accent_soft="#1B3445",
    on_accent="#0A1A25",
    good="#3CC79F",
    good_soft="#16352C",
    bad="#FF7A85",
    bad_soft="#3D1A20",
    warn="#F0B429",
    warn_soft="#3A2E12",
    floor="#FF8A4A",
    target="#35C29A",
    probe="#8C97A4",
    loss="#56B4E9",
    other="#E59CC6",
    empty="#243744",
)


class Theme(QObject):
    """The look in force; ``changed`` is emitted after widgets were restyled."""

    changed = Signal()

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self._choice: Choice = "system"
        self._system_font = app.font()
        self.colours = LIGHT
        self._applied: Colours | None = None
        QDir.setSearchPaths("icons", [str(resources() / "icons")])
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_scheme_changed)

    @property
    def choice(self) -> Choice:
        """What the person chose."""
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Use this look, or follow the system's."""
        self._choice = choice
        self._apply()

    def _on_scheme_changed(self) -> None:
        if self._choice == "system":
            self._apply()

    def _apply(self) -> None:
        dark = self._choice == "dark" or (
            self._choice == "system"
            and QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
        )
        wanted = DARK if dark else LIGHT
        if self._applied is wanted:
            return
        self.colours = self._applied = wanted
        font = QFont(self._system_font)
        base = max(font.pointSizeF(), 10.0)
        font.setPointSizeF(base)
        self._app.setStyle("Fusion")
        self._app.setFont(font)
        self._app.setPalette(_palette(self.colours))
        self._app.setStyleSheet(style_sheet(self.colours, base))
        self.changed.emit()


def theme() -> Theme:
    """The application's theme; made when first asked for.

    Raises
    ------
    RuntimeError
        Before there is a QApplication.
    """
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        raise RuntimeError("the theme needs a QApplication")
    found = app.findChild(Theme)
    return found if isinstance(found, Theme) else Theme(app)


def colours() -> Colours:
    """The colours in force."""
    return theme().colours


def style_sheet(colours: Colours, base_pt: float) -> str:
    """The style sheet, from ``resources/styles/window.qss`` with its ``$names`` filled in."""
    text = (resources() / "styles" / "window.qss").read_text(encoding="utf-8")
    sizes = {
        "small": f"{base_pt * 0.9:.1f}pt",
        "base": f"{base_pt:.1f}pt",
        "heading": f"{base_pt * 1.2:.1f}pt",
        "display": f"{base_pt * 1.8:.1f}pt",
        "sentence": f"{base_pt * 1.35:.1f}pt",
    }
    return string.Template(text).substitute({**asdict(colours), **sizes})


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget a role of the style sheet (``[role="..."]``) and restyle it."""
    if widget.property("role") == role:
        return
    widget.setProperty("role", role)
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)
    widget.update()


def _palette(c: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, name in (
        (role.Window, c.window),
        (role.WindowText, c.text),
        (role.Base, c.surface),
        (role.AlternateBase, c.raised),
        (role.Text, c.text),
        (role.Button, c.surface),
        (role.ButtonText, c.text),
        (role.BrightText, c.bad),
        (role.Highlight, c.accent),
        (role.HighlightedText, c.on_accent),
        (role.ToolTipBase, c.raised),
        (role.ToolTipText, c.text),
        (role.PlaceholderText, c.muted),
        (role.Link, c.accent),
        (role.LinkVisited, c.accent),
        (role.Mid, c.border),
        (role.Light, c.raised),
        (role.Dark, c.border),
        (role.Accent, c.accent),
    ):
        palette.setColor(which, QColor(name))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(c.faint))
    return palette
