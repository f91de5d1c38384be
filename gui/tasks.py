"""Work that would block the window: one thread per request, its answer as one signal.

Owns :class:`Task`. A task has an id; whoever asked compares it, so that a late answer to an old
request is dropped. It knows nothing of what the work is.
"""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable
from typing import Any

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
