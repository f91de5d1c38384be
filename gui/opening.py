"""Ways in: a path from a drop, a dialog, an argument or a list becomes a model, data or a run.

Owns the file dialogs and what a path is taken for. What is open is :mod:`gui.session`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from engine.job import DataSpec, Goal
from engine.modelfile.consent import allow, is_allowed
from gui.files import CUSTOM_FILTER, DATA_FILTER, MODEL_FILTER, kind_of, model_place
from gui.resources import sample_model
from gui.session import Session
from gui.settings import Settings

SAMPLE_TOLERANCE = 0.02
"""Some hundreds of digits to report on cannot carry a finer statement."""


class Opener(QObject):
    """Opens things in a session.

    Attributes
    ----------
    opened
        A model or data was taken up: the set-up stage shows it.
    refused
        A search is under way, so nothing was opened.
    """

    opened = Signal()
    refused = Signal()

    def __init__(self, window: QWidget, session: Session, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._settings = settings
        self.ask_custom: Callable[[Path, str], bool] = self._ask_custom

    def path(self, path: Path) -> None:
        """Open a model, data or a run: whichever the path is."""
        path = path.absolute()
        wishes = self._session.wishes
        kind = kind_of(path, has_model=wishes.model is not None, has_data=wishes.data is not None)
        match kind:
            case "model":
                self.model(path)
            case "data":
                self.data(path)
            case "run" if not self._busy():
                self._session.open_run(path)

    def model(self, path: Path) -> None:
        """Read a model file and show it."""
        if not self._busy():
            self._session.open_model(model_place(path.absolute()))
            self.opened.emit()

    def data(self, path: Path) -> None:
        """Take a file or folder as data."""
        if not self._busy():
            self._session.set_data(DataSpec(source=str(path.absolute())))
            self._settings.add_recent("data", str(path.absolute()))
            self.opened.emit()

    def sample(self) -> None:
        """Open the built-in model with its data."""
        if self._busy():
            return
        self.model(sample_model())
        self._session.set_data(DataSpec(source="digits", seen="no"))
        if self._session.wishes.goal == Goal():
            self._session.set_goal(Goal(tolerance=SAMPLE_TOLERANCE))

    def choose_model(self) -> None:
        """Ask for a model file."""
        name, _ = QFileDialog.getOpenFileName(self._window, "Open a model", "", MODEL_FILTER)
        if name:
            self.model(Path(name))

    def choose_model_folder(self) -> None:
        """Ask for a SavedModel folder."""
        name = QFileDialog.getExistingDirectory(self._window, "Open a SavedModel folder")
        if name:
            self.model(Path(name))

    def choose_custom(self, model: Path) -> None:
        """Ask for the Python file of a model's custom layers, and whether it may run."""
        title = f"The Python file with the custom layers of {model.name}"
        name, _ = QFileDialog.getOpenFileName(self._window, title, str(model.parent), CUSTOM_FILTER)
        if name:
            self.custom(model, Path(name))

    def custom(self, model: Path, file: Path) -> None:
        """Open a model with a file of custom layers; one that was allowed is not asked for."""
        if self._busy():
            return
        if not is_allowed(file):
            if not self.ask_custom(file, model.name):
                return
            allow(file)
        self._session.open_model(model, custom=file.absolute())
        self.opened.emit()

    def choose_data_file(self) -> None:
        """Ask for a data file."""
        name, _ = QFileDialog.getOpenFileName(self._window, "Choose a data file", "", DATA_FILTER)
        if name:
            self.data(Path(name))

    def choose_data_folder(self) -> None:
        """Ask for a folder with a subfolder per class."""
        title = "Choose a folder with a subfolder per class"
        name = QFileDialog.getExistingDirectory(self._window, title)
        if name:
            self.data(Path(name))

    def choose_run(self) -> None:
        """Ask for a run folder."""
        name = QFileDialog.getExistingDirectory(self._window, "Open a run")
        if name and not self._busy():
            self._session.open_run(Path(name))

    def _ask_custom(self, file: Path, model: str) -> bool:
        from gui.views.custom import CustomDialog

        return CustomDialog(file, model, self._window).exec() == CustomDialog.DialogCode.Accepted

    def _busy(self) -> bool:
        if self._session.searching:
            self.refused.emit()
        return self._session.searching
