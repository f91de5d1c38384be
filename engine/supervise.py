"""Starts, watches and ends the engine process. No Qt: the command line and the window share it.

One :class:`EngineProcess` is one search: ``-m engine.worker RUN`` with JSON lines both ways.
Commands go down its stdin (``pause``, ``resume``, ``stop``), events come up its stdout; its stdin's
end ends it, so that it never outlives us. Reading blocks; there is no polling.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from engine import events as ev
from engine import jsonio
from engine.childproc import ProcessOutcome, child_environment, outcome_of, python_command
from engine.errors import ErrorInfo, SecateurError
from engine.report.result import result_of
from engine.runs import LOG, RunFolder

Command = Literal["pause", "resume", "stop"]
STOP_GRACE_S = 2.0
"""A stop that is not obeyed within this time is enforced: the best so far is on disk."""


class EngineProcess:
    """The engine at work on one run folder.

    Parameters
    ----------
    run
        The run folder, made by :meth:`engine.runs.RunFolder.create` or an older one.
    module
        Module that is the engine; tests put a scripted one here.
    nice
        Added to the niceness of the process where the system has one, so that a window stays
        smooth while all cores train.
    """

    def __init__(self, run: Path, *, module: str = "engine.worker", nice: int = 0) -> None:
        self.run = run
        self._module = module
        self._nice = nice
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stop_asked_at: float | None = None
        self._timer: threading.Timer | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return None if self._process is None else self._process.pid

    @property
    def stop_asked(self) -> bool:
        """Whether a stop or kill was asked for."""
        return self._stop_asked_at is not None

    def start(self) -> None:
        """Start the process; its own noise goes to the run's log."""
        command = python_command(self._module, str(self.run), str(self._nice))
        with (self.run / LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(),
                start_new_session=True,
            )

    def events(self) -> Iterator[ev.Event]:
        """Yield events until the engine ends; the last is always a :class:`RunEnded`.

        Where the process died without saying so, the end event is made here from how it died.
        """
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError("start() first")
        ended = False
        for line in process.stdout:
            event = _parse(line)
            if event is None or ended:
                continue
            ended = isinstance(event, ev.RunEnded)
            yield event
        outcome = self._wait()
        if not ended:
            from engine.report.page import write_report

            event = self._end_event(outcome)
            folder = RunFolder(self.run)
            # a full or read-only disk must not hide the end
            with contextlib.suppress(OSError, SecateurError):
                folder.append(event)
                if event.outcome == "stopped":
                    folder.write_result(result_of(folder.state()))
                write_report(folder)
            folder.close()
            yield event

    def send(self, command: Command) -> None:
        """Ask the engine to pause, go on or stop; a stop is enforced after the grace time."""
        self._write({"command": command})
        if command == "stop" and self._stop_asked_at is None:
            self._stop_asked_at = time.monotonic()
            self._timer = threading.Timer(STOP_GRACE_S, self.kill)
            self._timer.daemon = True
            self._timer.start()

    def kill(self) -> None:
        """End the process at once; what is on disk stays."""
        process = self._process
        if self._stop_asked_at is None:
            self._stop_asked_at = time.monotonic()
        if process is not None and process.poll() is None:
            process.kill()

    def close(self) -> None:
        """End the process if it still runs and let go of its pipes."""
        self.kill()
        self._wait()

    def _write(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._lock, contextlib.suppress(OSError, ValueError):
            process.stdin.write(jsonio.dumps(message) + b"\n")
            process.stdin.flush()

    def _wait(self) -> ProcessOutcome:
        process = self._process
        if process is None:
            return ProcessOutcome(exit_code=None)
        returncode = process.wait()
        if self._timer is not None:
            self._timer.cancel()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return outcome_of(returncode)

    def _end_event(self, outcome: ProcessOutcome) -> ev.RunEnded:
        if self.stop_asked:
            return ev.RunEnded(outcome="stopped")
        return ev.RunEnded(
            outcome="failed",
            error=ErrorInfo(
                kind="EngineFailure",
                code="engine.died",
                message=f"The engine process {outcome.describe()}; what was accepted is kept in"
                f" the run folder: {self.run}.",
                hint="'secateur resume' goes on from there; log.txt there has the details.",
                log=LOG,
            ),
        )


def _parse(line: bytes) -> ev.Event | None:
    """The event of a line; None for noise, a torn line or an event of another version."""
    try:
        return ev.load_event(line)
    except ValueError:
        return None
