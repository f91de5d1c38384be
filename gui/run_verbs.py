"""What can be done with runs on disk: list, open, resume, new goal, lay over another, delete.

Owns those verbs and the tasks behind them. What is open is :mod:`gui.session`'s business; how runs
look is the views'.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QFile, QObject, Signal

from engine.errors import ErrorInfo, UserError
from engine.runs import RunFolder, default_base, is_locked, list_runs
from engine.runstate import RunState
from gui.session import Session
from gui.settings import Settings

Confirm = Callable[[str, str, str], bool]


class RunVerbs(QObject):
    """Verbs on runs.

    Parameters
    ----------
    confirm
        Asks a destructive question: ``(question, why, yes)``.

    Attributes
    ----------
    listed
        ``(runs, folder)``.
    overlaid
        ``(path, RunState)`` of the run that lies over the one that is open; both None for none.
    told
        ``(message, hint)``: something that was done.
    """

    listed = Signal(object, object)
    overlaid = Signal(object, object)
    goal_wanted = Signal()
    told = Signal(str, str)

    def __init__(self, session: Session, settings: Settings, confirm: Confirm) -> None:
        super().__init__(session)
        self._session = session
        self._settings = settings
        self._confirm = confirm
        self._then: tuple[Path, Callable[[], object]] | None = None
        self.overlay: Path | None = None
        session.run_opened.connect(self._on_run_opened)
        session.run_ended.connect(self.refresh)
        session.search_begun.connect(self._on_search_begun)

    @property
    def base(self) -> Path:
        """The folder whose runs are listed."""
        return self._session.runs_base or default_base()

    def refresh(self) -> None:
        """List the runs; ``listed`` follows."""
        base = self.base
        self._session.tasks.start(
            partial(list_runs, base),
            lambda _task, runs: self.listed.emit(runs, base),
            self._on_failed,
        )

    def open(self, path: Path) -> None:
        """Show a run."""
        self._open(path, lambda: None)

    def resume(self, path: Path) -> None:
        """Show a run and go on with it."""
        self._open(path, self._session.resume_run)

    def new_goal(self, path: Path) -> None:
        """Show a run and ask for its new goal."""
        self._open(path, self.goal_wanted.emit)

    def lay_over(self, path: Path | None) -> None:
        """Lay a run over the one that is open; None takes it away."""
        self.overlay = path
        if path is None:
            self.overlaid.emit(None, None)
            return
        self._session.tasks.start(partial(_state_of, path), self._on_overlay_read, self._on_failed)

    def delete(self, path: Path) -> None:
        """Move a run to the trash, after a question; where there is no trash, ask again."""
        if is_locked(path) or (self._session.searching and path == self._session.run):
            error = UserError(
                "run.locked", f"A search is under way in this run: {path}.", "Stop it first."
            )
            self._session.failed.emit(error.info(), False)
            return
        asked = not self._settings.flag("ask_delete") or self._confirm(
            f"Delete the run {path.name}?",
            "Its model, checkpoints, report and exports go to the trash.",
            "Move to the trash",
        )
        if asked:
            self._session.tasks.start(
                partial(_to_trash, path), partial(self._on_trashed, path), self._on_failed
            )

    def _open(self, path: Path, then: Callable[[], object]) -> None:
        self._then = (path, then)
        self._session.open_run(path)

    def _on_run_opened(self) -> None:
        wanted, self._then = self._then, None
        if self.overlay is not None and self.overlay == self._session.run:
            self.lay_over(None)
        if wanted is not None and wanted[0] == self._session.run:
            wanted[1]()

    def _on_search_begun(self) -> None:
        self._then = None
        self.refresh()

    def _on_overlay_read(self, _task: int, answer: tuple[Path, RunState]) -> None:
        path, state = answer
        if path == self.overlay:
            self.overlaid.emit(path, state)

    def _on_trashed(self, path: Path, _task: int, done: bool) -> None:
        if done:
            self._on_gone(path, "It is in the trash.")
        elif self._confirm(
            f"Delete the run {path.name} for good?",
            "It cannot be moved to the trash from there. This cannot be undone.",
            "Delete for good",
        ):
            self._session.tasks.start(
                partial(_remove, path), lambda *_: self._on_gone(path, ""), self._on_failed
            )

    def _on_gone(self, path: Path, hint: str) -> None:
        if path == self.overlay:
            self.lay_over(None)
        self._session.close_run(path)
        self.told.emit(f"Deleted: {path.name}", hint)
        self.refresh()

    def _on_failed(self, _task: int, error: ErrorInfo) -> None:
        self._session.failed.emit(error, False)


def _state_of(path: Path) -> tuple[Path, RunState]:
    return path, RunFolder.open(path).state()


def _to_trash(path: Path) -> bool:
    RunFolder.open(path)  # nothing but a run is ever deleted here
    moved: bool | tuple[bool, str] = QFile.moveToTrash(str(path))
    return moved[0] if isinstance(moved, tuple) else moved


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(RunFolder.open(path).path)
    except OSError as error:
        raise UserError(
            "run.undeletable",
            f"The run cannot be deleted ({error.strerror}): {path}.",
            "Check that the folder can be written to.",
        ) from error
