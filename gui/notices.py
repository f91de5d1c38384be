"""What the window tells above its stages: what went wrong, what was done, what can be restored.

Owns the words of those messages and the verbs offered with them; one is in view at a time.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine import __version__
from engine.errors import ErrorInfo
from engine.job import Job
from engine.runstate import RunState
from engine.telling import sentences
from gui.session import Session
from gui.theme import GRID
from gui.widgets.banner import Action, Banner, Kind

LOG_TAIL_BYTES = 8000
GOOD_FOR_MS = 4000
"""A message of something done goes away by itself after this time."""


class Notices(QWidget):
    """The banner and its place.

    Attributes
    ----------
    resume_wanted, open_wanted
        Carry the folder of a run.
    custom_wanted
        Carries a model whose custom layers need their Python file.
    """

    resume_wanted = Signal(object)
    open_wanted = Signal(object)
    custom_wanted = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.banner = Banner()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 0)
        layout.addWidget(self.banner)
        self.banner.hidden.connect(self.hide)
        self.hide()

    def tell(
        self,
        kind: Kind,
        message: str,
        hint: str = "",
        details: str = "",
        actions: tuple[Action, ...] = (),
    ) -> None:
        """Show a message in place of the one before."""
        self.banner.tell(kind, message, hint, details=details, actions=actions)
        self.show()
        if kind == "good":
            QTimer.singleShot(GOOD_FOR_MS, self.banner, self.banner.hide_if_good)

    def done(self, message: str, hint: str = "") -> None:
        """Something was done."""
        self.tell("good", message, hint)

    def copied(self, what: str) -> None:
        """Something is on the clipboard."""
        self.done(f"Copied: {what}")

    def busy(self) -> None:
        """Nothing can be opened while a search is under way."""
        self.tell(
            "warn", "A search is under way.", "Stop it first, or open the file when it ended."
        )

    def failed(self, error: ErrorInfo, can_resume: bool = False) -> None:
        """Something went wrong; the run may be gone on with."""
        message, hint = sentences.problem(error)
        actions = (Action("Resume", self._session.resume_run),) if can_resume else ()
        refused = self._session.refused
        if error.code == "model.unknown_class" and refused is not None:
            actions = (Action("Name its Python file", lambda: self.custom_wanted.emit(refused)),)
        self.tell("bad", message, hint, self._details(error), actions)

    def run_found(self, path: Path, state: RunState) -> None:
        """A search was live when a window died."""
        running = state.running
        at = ""
        if running is not None:
            start = running.started
            at = f" at {sentences.trial_name(start).lower()}"
        name = path.name if state.model is None else state.model.name
        self.tell(
            "warn",
            f"The search of {name} was interrupted{at}: the window ended.",
            "What was accepted is kept; Resume goes on from there.",
            actions=(
                Action("Resume", lambda: self.resume_wanted.emit(path)),
                Action("Open", lambda: self.open_wanted.emit(path)),
            ),
        )

    def job_found(self, job: Job) -> None:
        """A search was set up when a window died."""
        self.tell(
            "warn",
            f"The window ended while {Path(job.model).name} was set up.",
            "Model, data, goal and options can be taken up again.",
            actions=(Action("Restore", lambda: self._session.take_job(job)),),
        )

    def script_written(self, path: Path) -> None:
        """A data script to start from was written."""
        self.tell(
            "warn",
            f"Wrote {path}.",
            "Fill it in, then choose it as the data file.",
            actions=(
                Action("Edit it", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))),
            ),
        )

    def about(self) -> None:
        """What this program is."""
        self.done(
            f"Secateur {__version__}: prunes trained Keras CNNs to an accuracy target.",
            "Apache-2.0 licence. Icons: Lucide, ISC licence.",
        )

    def _details(self, error: ErrorInfo) -> str:
        if not error.log:
            return ""
        run = self._session.run
        path = Path(error.log) if run is None else run / error.log
        if "\n" in error.log or len(error.log) > 1000 or not path.is_file():
            return error.log
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - LOG_TAIL_BYTES, 0))
            tail = file.read().decode("utf-8", "replace").strip()
        return f"{path}\n\n{tail or 'The log is empty.'}"
