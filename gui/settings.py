"""What the window remembers: preferences, geometry, recent models, what was open.

Owns the settings file. A broken file is moved aside and a fresh one begun; a value of the wrong
kind counts as absent. It knows nothing of widgets.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, Literal

from PySide6.QtCore import QByteArray, QSettings

from gui.theme import Choice

RECENT_LIMIT: Final = 9
Flag = Literal["ask_close", "ask_delete"]
"""What may be switched off: the questions before closing in a search and before deleting a run."""


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

    def flag(self, name: Flag) -> bool:
        """Whether something is on; it is, unless it was switched off."""
        return self._text(name) != "off"

    def set_flag(self, name: Flag, on: bool) -> None:
        """Switch something on or off."""
        self._store.setValue(name, "on" if on else "off")

    def runs_folder(self) -> Path | None:
        """Where runs go; None: ``secateur-runs`` in the working folder."""
        text = self._text("runs_folder")
        return Path(text) if text else None

    def set_runs_folder(self, path: Path | None) -> None:
        """Choose where runs go."""
        self._store.setValue("runs_folder", "" if path is None else str(path))

    def recent_count(self) -> int:
        """How many recent files are kept and listed."""
        text = self._text("recent_count")
        return min(int(text), RECENT_LIMIT) if text.isdecimal() else RECENT_LIMIT

    def set_recent_count(self, count: int) -> None:
        """Choose how many recent files are kept."""
        self._store.setValue("recent_count", str(count))

    def forget_recent(self) -> None:
        """Empty the lists of recent files."""
        self._store.remove("recent")

    def geometry(self) -> QByteArray | None:
        """The window's place, None without one."""
        value = self._store.value("window/geometry")
        return value if isinstance(value, QByteArray) and not value.isEmpty() else None

    def set_geometry(self, geometry: QByteArray) -> None:
        """Remember the window's place."""
        self._store.setValue("window/geometry", geometry)

    def splitter(self, name: str) -> QByteArray | None:
        """Where a splitter was left, None where it was not moved."""
        value = self._store.value(f"window/{name}")
        return value if isinstance(value, QByteArray) and not value.isEmpty() else None

    def set_splitter(self, name: str, state: QByteArray) -> None:
        """Remember where a splitter is."""
        self._store.setValue(f"window/{name}", state)

    def recent(self, kind: str) -> tuple[str, ...]:
        """Paths of recent ``"models"``, ``"data"`` or ``"runs"``, newest first."""
        value = self._store.value(f"recent/{kind}")
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            return ()
        return tuple(v for v in value if isinstance(v, str) and v)[: self.recent_count()]

    def add_recent(self, kind: str, path: str) -> None:
        """Put a path at the head of its list."""
        kept = [p for p in self.recent(kind) if p != path]
        self._store.setValue(f"recent/{kind}", [path, *kept][: self.recent_count()])

    def note(self, what: Literal["run", "job"]) -> str:
        """What a window that died had open; empty for nothing."""
        return self._text(f"open/{what}")

    def set_note(self, what: Literal["run", "job"], text: str) -> None:
        """Note what is open."""
        self._store.setValue(f"open/{what}", text)

    def sync(self) -> None:
        """Write to disk."""
        self._store.sync()

    def _text(self, key: str) -> str:
        value = self._store.value(key)
        return value if isinstance(value, str) else ""
