"""The life of a search: :class:`EngineThread`. Nothing else starts, pauses, stops or ends one.

Owns the thread in which the engine's events are read and folded. The window gets whole pictures
(:class:`~engine.telling.record.Record`), never single events, so that no flood makes it lag:
``changed`` is emitted once and not again until the picture was taken. It knows nothing of views.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal

from engine import events as ev
from engine.errors import ErrorInfo, SecateurError
from engine.job import Job
from engine.runs import RunFolder
from engine.supervise import Command, EngineProcess
from engine.telling.record import Record, advance, record_of

BATCH_INTERVAL_S = 0.05
"""At most one batch's progress is folded in this time."""

ENGINE_NICENESS = 10
"""Added to the engine's niceness: the window stays smooth while all cores train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGoal:
    """Another goal for a run that has ended; what is None stays as it was, or for ``max_trials``
    is the engine's choice.
    """

    target: float | None = None
    tolerance: float | None = None
    max_trials: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search to be run: a new one (``job`` given) or one to go on with (``job`` None).

    ``goal`` is another goal for one that has ended.
    """

    run: Path
    job: Job | None
    module: str = "engine.worker"
    goal: NewGoal | None = None


class EngineThread(QThread):
    """One search, from its run folder to its terminal event.

    Parameters
    ----------
    search
        What to run and where.
    parent
        Owner, which must outlive the thread.

    Attributes
    ----------
    changed
        There is a newer picture to :meth:`take`.
    """

    changed = Signal()

    def __init__(self, search: Search, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.search = search
        self._lock = threading.Lock()
        self._record = Record()
        self._told = False
        self._process: EngineProcess | None = None
        self._wanted: list[Command] = []
        self._kill_wanted = False
        self._held: ev.BatchDone | None = None
        self._batch_at = 0.0

    def take(self) -> Record:
        """The newest picture; the next change is signalled again."""
        with self._lock:
            self._told = False
            return self._record

    def pause(self) -> None:
        """Ask the engine to hold."""
        self._send("pause")

    def resume(self) -> None:
        """Ask the engine to go on."""
        self._send("resume")

    def stop(self) -> None:
        """Ask the engine to stop with the best so far; enforced after a grace time."""
        self._send("stop")

    def kill(self) -> None:
        """End the engine at once; what is on disk stays."""
        with self._lock:
            process, self._kill_wanted = self._process, True
        if process is not None:
            process.kill()

    @property
    def pid(self) -> int | None:
        """The engine's process id, None before its start."""
        with self._lock:
            process = self._process
        return None if process is None else process.pid

    def run(self) -> None:
        """Open the run folder, start the engine, fold its events until the last."""
        try:
            run = self._open()
            process = EngineProcess(run, module=self.search.module, nice=ENGINE_NICENESS)
            process.start()
        except SecateurError as error:
            self._fail(error.info())
            return
        except OSError as error:
            self._fail(
                ErrorInfo(
                    kind="EngineFailure",
                    code="engine.not_started",
                    message=f"The engine cannot be started ({error.strerror}): {self.search.run}.",
                    hint="Check that the disk has space and the folder can be written to.",
                )
            )
            return
        try:
            self._adopt(process)
            for event in process.events():
                self._tell(event)
        except OSError as error:
            self._fail(
                ErrorInfo(
                    kind="EngineFailure",
                    code="engine.io",
                    message=f"The run folder cannot be written to ({error.strerror}):"
                    f" {self.search.run}.",
                    hint="Check that the disk has space and the folder can be written to.",
                )
            )
        finally:
            process.close()

    def _open(self) -> Path:
        search = self.search
        if search.job is not None:
            return RunFolder.create(search.run, search.job).path
        folder = RunFolder.open(search.run)
        folder.check_free()
        record = record_of(folder.events())
        with self._lock:
            self._record = record
        if search.goal is not None:
            goal = search.goal
            folder.set_goal(
                target=goal.target, tolerance=goal.tolerance, max_trials=goal.max_trials
            )
        return folder.path

    def _adopt(self, process: EngineProcess) -> None:
        with self._lock:
            self._process = process
            wanted, killed = self._wanted, self._kill_wanted
        for command in wanted:
            process.send(command)
        if killed:
            process.kill()

    def _send(self, command: Command) -> None:
        with self._lock:
            process = self._process
            if process is None:
                self._wanted.append(command)
        if process is not None:
            process.send(command)

    def _tell(self, event: ev.Event) -> None:
        if isinstance(event, ev.BatchDone):
            now = time.monotonic()
            if now - self._batch_at < BATCH_INTERVAL_S:
                self._held = event
                return
            self._batch_at, self._held = now, None
        elif self._held is not None:
            held, self._held = self._held, None
            self._put(held)
        self._put(event)

    def _put(self, event: ev.Event) -> None:
        record = advance(self._record, event)
        with self._lock:
            self._record = record
            first, self._told = not self._told, True
        if first:
            self.changed.emit()

    def _fail(self, error: ErrorInfo) -> None:
        self._put(ev.RunEnded(outcome="failed", error=error))
