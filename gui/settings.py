"""What the window remembers: look, geometry, recent models and runs.

Owns the settings file. A broken file is moved aside and a fresh one begun; a value of the wrong
kind counts as absent. It knows nothing of widgets.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from PySide6.QtCore import QByteArray, QSettings

from gui.theme import Choice

RECENT_LIMIT: Final = 9


class Settings:
    """The settings of this person on this computer."""

    def __init__(self) -> None:
        self._store = self._open()

    @staticmethod
    def _open() -> QSettings:
        def fresh() -> QSettings:
            return QSettings(
                QSettings.Format.IniFormat, QSettings.Scope.UserScope, "Secateur", "Secateur"
            )

        store = fresh()
        store.allKeys()
        if store.status() == QSettings.Status.NoError:
            return store
        path = Path(store.fileName())
        with contextlib.suppress(OSError):
            path.replace(path.with_suffix(".broken"))
        return fresh()

    @property
    def path(self) -> Path:
        """The settings file."""
        return Path(self._store.fileName())

    def look(self) -> Choice:
        """Light, dark, or as the system."""
        value = self._text("look")
        if value == "light":
            return "light"
        return "dark" if value == "dark" else "system"

    def set_look(self, look: Choice) -> None:
        """Remember the look."""
        self._store.setValue("look", look)

    def geometry(self) -> QByteArray | None:
        """The window's place, None without one."""
        value = self._store.value("window/geometry")
        return value if isinstance(value, QByteArray) and not value.isEmpty() else None

    def set_geometry(self, geometry: QByteArray) -> None:
        """Remember the window's place."""
        self._store.setValue("window/geometry", geometry)

    def recent(self, kind: str) -> tuple[str, ...]:
        """Paths of recent ``"models"``, ``"data"`` or ``"runs"``, newest first."""
        value = self._store.value(f"recent/{kind}")
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            return ()
        return tuple(v for v in value if isinstance(v, str) and v)[:RECENT_LIMIT]

    def add_recent(self, kind: str, path: str) -> None:
        """Put a path at the head of its list."""
        kept = [p for p in self.recent(kind) if p != path]
        self._store.setValue(f"recent/{kind}", [path, *kept][:RECENT_LIMIT])

    def sync(self) -> None:
        """Write to disk."""
        self._store.sync()

    def _text(self, key: str) -> str:
        value = self._store.value(key)
        return value if isinstance(value, str) else ""
