"""Work that would block the window: one thread per request, its answer as one signal.

Owns :class:`Task` and :class:`Tasks`. A task has an id; whoever asked compares it, so that a late
answer to an old request is dropped. It knows nothing of what the work is.
"""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable
from typing import Any, TypeAlias

from PySide6.QtCore import QObject, QThread, Signal

from engine.errors import ErrorInfo, SecateurError

_ids = itertools.count(1)


class Task(QThread):
    """One function call in a thread of its own.

    Parameters
    ----------
    work
        Called in the thread; it must not touch widgets.
    parent
        Owner, which must outlive the thread.

    Attributes
    ----------
    succeeded
        ``(id, answer)``, in the thread of the receiver.
    failed
        ``(id, ErrorInfo)``, likewise.
    """

    succeeded = Signal(int, object)
    failed = Signal(int, object)

    def __init__(self, work: Callable[[], Any], parent: QObject) -> None:
        super().__init__(parent)
        self.id = next(_ids)
        self._work = work

    def run(self) -> None:
        """Call the function and tell its outcome."""
        try:
            answer = self._work()
        except SecateurError as error:
            self.failed.emit(self.id, error.info())
        except Exception as error:  # noqa: BLE001 - the thread's boundary: told, never lost
            self.failed.emit(
                self.id,
                ErrorInfo(
                    kind="EngineFailure",
                    code="window.task_failed",
                    message=f"This did not work, through a fault of Secateur: {error!r}.",
                    hint="Please report it with the details.",
                    log=traceback.format_exc(),
                ),
            )
        else:
            self.succeeded.emit(self.id, answer)


Then: TypeAlias = Callable[[int, Any], None]
Otherwise: TypeAlias = Callable[[int, ErrorInfo], None]


class Tasks(QObject):
    """Tasks under way; none outlives :meth:`close`. Answers come in the thread that made this."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._running: dict[int, tuple[Task, Then, Otherwise]] = {}
        self._cancels: dict[int, Callable[[], object]] = {}
        self._closed = False

    def start(
        self,
        work: Callable[[], Any],
        then: Then,
        otherwise: Otherwise,
        cancel: Callable[[], object] | None = None,
    ) -> int:
        """Call ``work`` in a thread, then one of the others in this one; returns the task's id.

        ``cancel`` makes long work end early when all is closed.
        """
        task = Task(work, self)
        if self._closed:
            return task.id
        if cancel is not None:
            self._cancels[task.id] = cancel
        self._running[task.id] = (task, then, otherwise)
        task.succeeded.connect(self._on_succeeded)
        task.failed.connect(self._on_failed)
        task.start()
        return task.id

    def close(self) -> None:
        """Wait for what is under way and start nothing more."""
        self._closed = True
        for cancel in tuple(self._cancels.values()):
            cancel()
        for task, _, _ in tuple(self._running.values()):
            task.wait()

    def _on_succeeded(self, task: int, answer: Any) -> None:
        self._end(task)[1](task, answer)

    def _on_failed(self, task: int, error: ErrorInfo) -> None:
        self._end(task)[2](task, error)

    def _end(self, task: int) -> tuple[Task, Then, Otherwise]:
        self._cancels.pop(task, None)
        found = self._running.pop(task)
        found[0].wait()  # it has told its outcome and is about to end
        found[0].deleteLater()
        return found
