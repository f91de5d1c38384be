"""Ways in: a path from a drop, a dialog, an argument or a list becomes a model, data or a run.

Owns the file dialogs and what a path is taken for. What is open is :mod:`gui.session`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from engine.errors import ErrorInfo
from engine.job import DataSpec, Goal
from gui.commands import JsonCommand, template_command
from gui.files import (
    CUSTOM_FILTER,
    DATA_FILTER,
    HDF5,
    MODEL_FILTER,
    WEIGHTS_FILTER,
    kind_of,
    model_place,
)
from gui.resources import sample_model
from gui.session import Session
from gui.settings import Settings

SAMPLE_TOLERANCE = 0.02
"""Some hundreds of digits to report on cannot carry a finer statement."""
COMMAND_S = 60.0


class Opener(QObject):
    """Opens things in a session.

    Attributes
    ----------
    opened
        A model or data was taken up: the set-up stage shows it.
    refused
        A search is under way, so nothing was opened.
    written
        Carries the place of a data script that was written to start from.
    """

    opened = Signal()
    refused = Signal()
    written = Signal(object)

    def __init__(self, window: QWidget, session: Session, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._settings = settings
        self.ask_weights: Callable[[Path], Path | None] = self._ask_weights
        self.ask_code: Callable[[Path, str], bool] = self._ask_code
        session.consent_wanted.connect(self._on_consent_wanted)

    def drop(self, paths: Sequence[Path]) -> None:
        """Open what was dropped, models before data; a JSON model with its weights file."""
        models = [p for p in paths if p.suffix.lower() == ".json"]
        weights = [p for p in paths if p.suffix.lower() in HDF5]
        if len(models) == len(weights) == 1 and len(paths) == 2:
            self.model(models[0], weights[0])
            return
        for path in sorted(paths, key=lambda p: p.suffix.lower() != ".keras"):
            self.path(path)

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

    def model(self, path: Path, weights: Path | None = None) -> None:
        """Read a model file and show it; the weights of an architecture in JSON are asked for."""
        if self._busy():
            return
        if path.suffix.lower() == ".json" and weights is None:
            weights = self.ask_weights(path)
        self._session.open_model(model_place(path.absolute()), weights=weights)
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
        from engine.modelfile.consent import allow, is_allowed  # numpy comes with it

        if not is_allowed(file):
            if not self.ask_code(file, f"{model.name} has layers of its own."):
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

    def write_template(self) -> None:
        """Ask where, and write a commented data script to start from."""
        title = "Write a data script to start from"
        name, _ = QFileDialog.getSaveFileName(self._window, title, "data.py", CUSTOM_FILTER)
        if name:
            command = JsonCommand(template_command(Path(name)), timeout_s=COMMAND_S)
            self._session.tasks.start(
                command.run, lambda *_: self.written.emit(Path(name)), self._on_failed, command.kill
            )

    def _on_failed(self, _task: int, error: ErrorInfo) -> None:
        self._session.failed.emit(error, False)

    def choose_run(self) -> None:
        """Ask for a run folder."""
        name = QFileDialog.getExistingDirectory(self._window, "Open a run")
        if name and not self._busy():
            self._session.open_run(Path(name))

    def _ask_weights(self, model: Path) -> Path | None:
        title = f"The weights of {model.name}"
        name, _ = QFileDialog.getOpenFileName(
            self._window, title, str(model.parent), WEIGHTS_FILTER
        )
        return Path(name) if name else None

    def _on_consent_wanted(self, file: Path, then: Callable[[], None]) -> None:
        from engine.modelfile.consent import allow

        if self.ask_code(file, "A data script or a criterion of your own is to be used."):
            allow(file)
            then()

    def _ask_code(self, file: Path, what_for: str) -> bool:
        from gui.views.custom import CodeDialog

        return CodeDialog(file, what_for, self._window).exec() == CodeDialog.DialogCode.Accepted

    def _busy(self) -> bool:
        if self._session.searching:
            self.refused.emit()
        return self._session.searching
