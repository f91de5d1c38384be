"""The window's menus: every verb as an action with its shortcut.

Owns actions and their places in the menus; what they do is the window's business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from gui.settings import RECENT_LIMIT
from gui.theme import Choice

LOOKS: tuple[tuple[Choice, str], ...] = (
    ("system", "As the system"),
    ("light", "Light"),
    ("dark", "Dark"),
)
PICTURES: tuple[tuple[str, str, str | None], ...] = (
    ("cloud", "Picture of the &cloud \u2026", "Ctrl+S"),
    ("loss", "Picture of the &loss \u2026", None),
    ("sensitivity", "Picture of the &sensitivity map \u2026", None),
    ("layer strip", "Picture of the layer &strip \u2026", None),
    ("confusion matrix", "Picture of the confusion &matrix \u2026", None),
    ("weights", "Picture of a layer's &weights \u2026", None),
)
"""Views that can be saved as a picture or as figures."""


class Menus:
    """Menus of a window; actions by name in :attr:`actions`."""

    def __init__(self, window: QMainWindow, verbs: dict[str, Callable[[], object]]) -> None:
        self._window = window
        self._verbs = verbs
        self.actions: dict[str, QAction] = {}
        bar = window.menuBar()
        file_menu = bar.addMenu("&File")
        self._add(file_menu, "open_model", "&Open a model \u2026", QKeySequence.StandardKey.Open)
        self._add(file_menu, "model_folder", "Open a Saved&Model folder \u2026")
        self._add(file_menu, "sample", "Try the &sample")
        self.recent = file_menu.addMenu("&Recent models")
        file_menu.addSeparator()
        self._add(file_menu, "data_file", "Choose a &data file \u2026", "Ctrl+D")
        self._add(file_menu, "data_folder", "Choose a data &folder \u2026", "Ctrl+Shift+D")
        self._add(file_menu, "template", "&Write a data script \u2026")
        file_menu.addSeparator()
        self._add(file_menu, "open_run", "Open a r&un \u2026", "Ctrl+Shift+O")
        self._add(file_menu, "close_all", "Ne&w, close what is open", "Ctrl+N")
        file_menu.addSeparator()
        preferences = self._add(file_menu, "preferences", "&Preferences \u2026", "Ctrl+,")
        preferences.setMenuRole(QAction.MenuRole.PreferencesRole)
        file_menu.addSeparator()
        quit_action = self._add(file_menu, "quit", "&Quit", "Ctrl+Q")
        quit_action.setMenuRole(QAction.MenuRole.QuitRole)
        search = bar.addMenu("&Search")
        self._add(search, "start", "&Start", "Ctrl+R")
        self._add(search, "pause", "&Pause", "Ctrl+P")
        self._add(search, "stop", "S&top", "Ctrl+.")
        self._add(search, "resume", "&Resume this run", "Ctrl+Shift+R")
        self._add(search, "new_goal", "New &goal \u2026", "Ctrl+G")
        search.addSeparator()
        self._add(search, "export", "&Export \u2026", "Ctrl+E")
        view = bar.addMenu("&View")
        for number, (name, text) in enumerate(
            (
                ("stage_setup", "Set &up"),
                ("stage_search", "&Search"),
                ("stage_layers", "&Layers"),
                ("stage_compare", "&Compare"),
                ("stage_export", "&Export"),
                ("stage_runs", "&Runs"),
            ),
            start=1,
        ):
            self._add(view, name, text, f"Alt+{number}")
        view.addSeparator()
        self._add(view, "fit", "&Fit the cloud", "Ctrl+0")
        self._add(view, "no_overlay", "Remove the &overlay")
        save = view.addMenu("Save a &picture")
        for name, text, keys in PICTURES:
            self._add(save, f"save_{name}", text, keys)
        self._add(view, "copy_csv", "Copy the layer &table as CSV", "Ctrl+Shift+C")
        self._add(view, "close_panels", "Close message and inspector", "Esc")
        view.addSeparator()
        look = view.addMenu("&Look")
        group = QActionGroup(window)
        for choice, text in LOOKS:
            action = self._add(look, f"look_{choice}", text)
            action.setCheckable(True)
            group.addAction(action)
        help_menu = bar.addMenu("&Help")
        self._add(help_menu, "shortcuts", "&Keyboard shortcuts", "F1")
        self._add(help_menu, "diagnostics", "Copy &diagnostics")
        about = self._add(help_menu, "about", "&About Secateur")
        about.setMenuRole(QAction.MenuRole.AboutRole)

    def _add(
        self,
        menu: QMenu,
        name: str,
        text: str,
        shortcut: str | QKeySequence.StandardKey | None = None,
    ) -> QAction:
        action = QAction(text, self._window)
        if shortcut is not None:
            action.setShortcut(QKeySequence(shortcut))
        action.triggered.connect(lambda _checked=False: self._verbs[name]())
        menu.addAction(action)
        self.actions[name] = action
        return action

    def show_recent(self, paths: tuple[str, ...], open_path: Callable[[Path], object]) -> None:
        """List recent models, Ctrl+1 to Ctrl+9; those that are gone are greyed."""
        self.recent.clear()
        for number, text in enumerate(paths[:RECENT_LIMIT], start=1):
            path = Path(text)
            action = QAction(f"&{number}  {path.name}", self.recent)
            action.setShortcut(QKeySequence(f"Ctrl+{number}"))
            action.setToolTip(text)
            action.setEnabled(path.exists())
            action.triggered.connect(lambda _checked=False, p=path: open_path(p))
            self.recent.addAction(action)
        self.recent.setEnabled(bool(paths))
