"""What is offered again after a crash of the window: the search that was live, or what was set up.

Owns the notes of what is open, kept in the settings while a window lives and taken away when it is
closed; notes that are found at a start are of a window that died. Only one window at a time keeps
them: the one that holds the lock. It knows nothing of widgets.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal

from engine import jsonio
from engine.errors import SecateurError
from engine.job import Job
from engine.runs import RunFolder, is_locked
from engine.runstate import RunState
from gui.session import Session
from gui.settings import Settings

LOCK = "window.lock"


class Memory(QObject):
    """Notes what is open in a session.

    Attributes
    ----------
    run_found
        ``(path, RunState)`` of a search that was live when the window died.
    job_found
        The :class:`Job` that was set up and not searched yet.
    """

    run_found = Signal(object, object)
    job_found = Signal(object)

    def __init__(self, session: Session, settings: Settings) -> None:
        super().__init__(session)
        self._session = session
        self._settings = settings
        self._lock: QLockFile | None = None

    def begin(self) -> None:
        """Tell what a window that died has left, then note what is open in this one."""
        place = self._settings.path.parent
        place.mkdir(parents=True, exist_ok=True)
        lock = QLockFile(str(place / LOCK))
        lock.setStaleLockTime(0)  # stale only where its process is gone
        if not lock.tryLock(0):
            return
        self._lock = lock
        run, job = self._settings.note("run"), self._settings.note("job")
        self._forget()
        if run:
            self._session.tasks.start(
                partial(_interrupted, Path(run)), self._on_run_read, lambda *_: None
            )
        elif job:
            self._on_job(job)
        session = self._session
        session.wishes_changed.connect(self._on_wishes_changed)
        session.search_begun.connect(self._on_search_begun)
        session.run_ended.connect(self._on_run_ended)

    def end(self) -> None:
        """The window closes as it should: nothing is to be restored."""
        if self._lock is not None:
            self._forget()
            self._lock.unlock()
            self._lock = None

    def _forget(self) -> None:
        self._settings.set_note("run", "")
        self._settings.set_note("job", "")

    def _on_run_read(self, _task: int, found: tuple[Path, RunState] | None) -> None:
        if found is not None and not self._session.searching:
            self.run_found.emit(*found)

    def _on_job(self, text: str) -> None:
        try:
            job = jsonio.from_plain(jsonio.loads(text.encode()), Job)
        except ValueError:
            return
        self.job_found.emit(job)

    def _on_wishes_changed(self) -> None:
        wishes = self._session.wishes
        text = jsonio.dumps(jsonio.to_plain(wishes.job())).decode() if wishes.ready else ""
        self._settings.set_note("job", text)

    def _on_search_begun(self) -> None:
        self._settings.set_note("run", str(self._session.run))
        self._settings.sync()

    def _on_run_ended(self) -> None:
        self._settings.set_note("run", "")
        self._settings.sync()


def _interrupted(path: Path) -> tuple[Path, RunState] | None:
    """A run that began and has no end, and that no process works on."""
    try:
        state = RunFolder.open(path).state()
    except SecateurError:
        return None
    return (path, state) if state.live and not is_locked(path) else None
