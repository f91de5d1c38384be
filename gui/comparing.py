"""The comparison that is in view: read from its run folder, or measured there when asked for.

Owns which run and trial it is of and the one task that is under way. All of it lives in the
window's thread; the work is done in threads and child processes.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from engine.comparison import Comparison
from engine.errors import ErrorInfo
from engine.events import TrialDone
from gui.commands import JsonCommand, compare_command
from gui.compared import Compared, measure_compared, read_compared
from gui.tasks import Tasks

TIMEOUT_S = 3600.0


class Comparing(QObject):
    """Follows a trial of a run.

    Attributes
    ----------
    changed
        A comparison came or went, or measuring began or ended.
    failed
        An :class:`ErrorInfo`: it could not be measured.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, tasks: Tasks, parent: QObject) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._of: tuple[Path, int, Path] | None = None
        self._task = 0
        self._command: JsonCommand | None = None
        self.compared: Compared | None = None

    @property
    def comparison(self) -> Comparison | None:
        """What is known of the trial."""
        return None if self.compared is None else self.compared.comparison

    @property
    def measuring(self) -> bool:
        """Whether the models are being evaluated."""
        return self._command is not None

    @property
    def possible(self) -> bool:
        """Whether there is a checkpoint to evaluate."""
        return self._of is not None

    def follow(self, run: Path | None, trial: TrialDone) -> None:
        """Turn to a trial; what is under way of another is ended."""
        kept = None if run is None or trial.checkpoint is None else run / trial.checkpoint
        of = None if run is None or kept is None else (run, trial.trial, kept)
        if of == self._of:
            return
        self._end()
        self._of, self.compared = of, None
        if of is not None:
            self._task = self._tasks.start(
                lambda: read_compared(*of), self._on_compared, self._on_failed
            )
        self.changed.emit()

    def measure(self) -> None:
        """Evaluate both models on the search split."""
        of = self._of
        if of is None or self.measuring:
            return
        command = JsonCommand(compare_command(of[0], of[1]), timeout_s=TIMEOUT_S)
        self._command = command
        self._task = self._tasks.start(
            lambda: measure_compared(command, *of),
            self._on_compared,
            self._on_failed,
            command.kill,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Give up evaluating."""
        self._end()
        self.changed.emit()

    def _end(self) -> None:
        if self._command is not None:
            self._command.kill()
        self._command, self._task = None, 0

    def _on_compared(self, task: int, compared: Compared | None) -> None:
        if task == self._task:
            self._command, self._task = None, 0
            self.compared = compared
            self.changed.emit()

    def _on_failed(self, task: int, error: ErrorInfo) -> None:
        if task == self._task:
            self._command, self._task = None, 0
            self.changed.emit()
            self.failed.emit(error)
