"""Starts, watches and ends the engine process. No Qt: the command line and the window share it.

One :class:`EngineProcess` is one search: ``-m engine.worker RUN`` with JSON lines both ways.
Commands go down its stdin (``pause``, ``resume``, ``stop``), events come up its stdout; its stdin's
end ends it, so that it never outlives us. Reading blocks; there is no polling. An engine that died
of itself in a trial is started again; what it started dies with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from engine import events as ev
from engine import jsonio
from engine.childproc import ProcessOutcome, child_environment, outcome_of, python_command
from engine.confine import remove_scratch
from engine.deaths import MOST_DEATHS, Before, Cause, before, cause_of
from engine.errors import ErrorInfo, SecateurError
from engine.report.result import result_of
from engine.runs import LOG, RunFolder

Command = Literal["pause", "resume", "stop"]
STOP_GRACE_S = 1.0
"""A stop that is not obeyed within this time is enforced: the best so far is on disk. Together with
what the end takes it stays under two seconds."""


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
        self._watch: threading.Thread | None = None
        self._before = Before(kills=0, log_bytes=0)

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
        self._before = before(self.run / LOG)
        with (self.run / LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(),
                start_new_session=True,
            )
        self._watch = threading.Thread(target=_end_group, args=(self._process.pid,), daemon=True)
        self._watch.start()

    def events(self) -> Iterator[ev.Event]:
        """Yield events until the engine ends; the last is always a :class:`RunEnded`.

        Where the process died without saying so, it is started again or the end event is made
        here, from how it died.
        """
        while True:
            ended = False
            for event in self._told():
                if ended:
                    continue
                ended = isinstance(event, ev.RunEnded)
                yield event
            outcome = self._wait()
            if ended:
                if not outcome.ok:  # killed while it wrote its report
                    self._close_run(None)
                    self._write_report()
                return
            cause = cause_of(outcome, self.run / LOG, self._before)
            died = None if self.stop_asked else self._died(outcome, cause)
            if died is None:
                end = self._end_event(outcome, cause)
                self._close_run(end)
                yield end
                self._write_report()  # after the end was told: it takes a while
                return
            self._record(died)
            yield died
            self.start()
            if self.stop_asked:
                self.kill()

    def _told(self) -> Iterator[ev.Event]:
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError("start() first")
        for line in process.stdout:
            event = _parse(line)
            if event is not None:
                yield event

    def _died(self, outcome: ProcessOutcome, cause: Cause) -> ev.EngineDied | None:
        """The event of a death after which the search goes on; None where it ends here."""
        state = RunFolder(self.run).state()
        if cause == "kill" or state.running is None:
            return None
        trial = state.running.started.trial
        times = len(state.deaths_in(trial)) + 1
        if times > MOST_DEATHS:
            return None
        return ev.EngineDied(trial=trial, cause=cause, how=outcome.describe(), times=times)

    def _close_run(self, end: ev.RunEnded | None) -> None:
        """Write what the engine could not any more, as far as the disk lets us."""
        self._record(end)
        folder = RunFolder(self.run)
        if end is not None and end.outcome == "stopped":
            with contextlib.suppress(OSError, SecateurError):
                folder.write_result(result_of(folder.state()))

    def _write_report(self) -> None:
        from engine.report.page import write_report

        with contextlib.suppress(OSError, SecateurError):
            write_report(RunFolder(self.run))

    def _record(self, event: ev.Event | None) -> None:
        """Journal what the engine cannot and remove what it left half-done; never in a run at
        which another is at work.
        """
        folder = RunFolder(self.run)
        with contextlib.suppress(OSError, SecateurError):
            folder.lock()
            if event is not None:
                folder.append(event)
            folder.tidy()
            remove_scratch(self.run)
        folder.close()

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
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

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
        if self._watch is not None:
            self._watch.join()
        returncode = process.wait()
        if self._timer is not None:
            self._timer.cancel()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return outcome_of(returncode)

    def _end_event(self, outcome: ProcessOutcome, cause: Cause) -> ev.RunEnded:
        if self.stop_asked:
            return ev.RunEnded(outcome="stopped")
        hint = "'secateur resume' goes on from there; log.txt there has the details."
        if cause == "memory":
            code, what = "engine.memory", "ran out of memory"
            hint = f"Close other programs, or give a smaller --batch-size; {hint}"
        else:
            code, what = "engine.died", outcome.describe()
        return ev.RunEnded(
            outcome="failed",
            error=ErrorInfo(
                kind="EngineFailure",
                code=code,
                message=f"The engine process {what}; what was accepted is kept in"
                f" the run folder: {self.run}.",
                hint=hint,
                log=LOG,
            ),
        )


def _end_group(pid: int) -> None:
    """Wait for a process that leads its group, and end what it has left behind.

    Such processes may hold the pipe open that is read here. The leader is not reaped before, so
    that its number cannot have gone to another group.
    """
    if not hasattr(os, "waitid"):
        return
    with contextlib.suppress(ChildProcessError, ProcessLookupError, PermissionError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.killpg(pid, signal.SIGKILL)


def _parse(line: bytes) -> ev.Event | None:
    """The event of a line; None for noise, a torn line or an event of another version."""
    try:
        return ev.load_event(line)
    except ValueError:
        return None
