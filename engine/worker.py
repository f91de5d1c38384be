"""The engine process: reads a job from its run folder, works, tells, obeys.

Started as ``-m engine.worker RUN [NICE]`` by :mod:`engine.supervise`. Owns the process boundary:
the command pipe on stdin (its end is the parent's death, and ours), the event pipe on stdout, the
journal's order, and that exactly one :class:`engine.events.RunEnded` is sent whatever happens. A
run that another process works on is not touched.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from engine import confine, jsonio
from engine import events as ev
from engine.childmain import die_with_parent, private_stdout
from engine.control import EngineControl, Stopped
from engine.errors import EngineFailure, ErrorInfo, SecateurError
from engine.logs import log, log_to
from engine.report.result import result_of
from engine.runs import LOG, RunFolder
from engine.telling.record import LOGGED
from engine.telling.sentences import sentence
from engine.troubles import trouble_of


class Emitter:
    """Sends events: to the journal first, then up the pipe, and a sentence to the log.

    Safe to call from any thread.
    """

    def __init__(self, folder: RunFolder, pipe: BinaryIO) -> None:
        self._folder = folder
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, event: ev.Event) -> None:
        """Record and send one event."""
        with self._lock:
            self._folder.append(event)
            self._send(event)
            _log(event)

    def end(self, event: ev.RunEnded) -> None:
        """Record the end, write the result that follows from the journal, then send the end."""
        with self._lock:
            with contextlib.suppress(OSError):  # a full disk must not hide the end
                self._folder.append(event)
                if event.outcome != "failed":
                    self._folder.write_result(result_of(self._folder.state()))
            self._send(event)
            _log(event)

    def refuse(self, error: SecateurError) -> None:
        """Send the end of a run that is not ours to write to."""
        self._send(ev.RunEnded(outcome="failed", error=error.info()))

    def _send(self, event: ev.Event) -> None:
        try:
            self._pipe.write(ev.dump_event(event) + b"\n")
            self._pipe.flush()
        except BrokenPipeError:
            os._exit(1)  # whoever watched is gone


def main() -> None:
    """Run the search of one folder to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = RunFolder(Path(sys.argv[1]))
    alone = may_leave_network(folder) and confine.leave_network(folder.path)
    die_with_parent()  # after that, since a change of rights forgets it
    pipe = os.fdopen(private_stdout(), "wb")
    if len(sys.argv) > 2 and int(sys.argv[2]) and hasattr(os, "nice"):
        os.nice(int(sys.argv[2]))
    emit = Emitter(folder, pipe)
    control = EngineControl(emit)
    threading.Thread(target=_listen, args=(sys.stdin.buffer, control), daemon=True).start()
    try:
        _settle(folder)
    except SecateurError as error:
        emit.refuse(error)
        os._exit(0)
    log.info("Engine started, process %d, network: %s.", os.getpid(), "none" if alone else "open")
    end = _work(folder, emit, control)
    emit.end(end)
    try:
        _write_report(folder)
    except Exception:  # noqa: BLE001 - the process boundary
        log.exception("The report could not be written.")
    folder.close()
    sys.stderr.flush()
    confine.remove_scratch(folder.path)
    os._exit(0)  # TensorFlow's threads may abort while the interpreter is torn down


def may_leave_network(folder: RunFolder) -> bool:
    """Whether no code of the person's own runs in this search: a data script may download."""
    try:
        job = folder.job()
    except SecateurError:
        return True
    return not any(str(path).endswith(".py") for path in (job.data.source, job.data.test))


def _settle(folder: RunFolder) -> None:
    """Take the run for this process alone and remove what a killed one left in it.

    Raises
    ------
    SecateurError
        Where another process works on it, or it cannot be written to.
    """
    try:
        folder.lock()
        log_to(folder.path / LOG)
        folder.tidy()
        confine.own_scratch(folder.path)
    except OSError as error:
        trouble = trouble_of(error, folder.path)
        raise trouble or _failure("engine.io", f"The run cannot be opened ({error}).") from error
    confine.first_to_go()


def _listen(stdin: BinaryIO, control: EngineControl) -> None:
    """Obey commands until the parent is gone, then go too."""
    for line in stdin:
        with contextlib.suppress(ValueError):
            message = jsonio.loads(line)
            control.obey(message.get("command") if isinstance(message, dict) else None)
    os._exit(1)


def _work(folder: RunFolder, emit: Emitter, control: EngineControl) -> ev.RunEnded:
    """Search; whatever happens becomes the end event."""
    began = time.monotonic()
    before = folder.state().worked_s

    def ended(outcome: str, error: ErrorInfo | None = None) -> ev.RunEnded:
        seconds = before + time.monotonic() - began
        return jsonio.from_plain(
            {"outcome": outcome, "error": jsonio.to_plain(error), "seconds": seconds}, ev.RunEnded
        )

    try:
        from engine.search.session import run_search  # Keras comes with it

        return ended(run_search(folder, emit, control))
    except Stopped:
        return ended("stopped")
    except SecateurError as error:
        return ended("failed", error.info())
    except Exception as error:  # noqa: BLE001 - the process boundary
        log.exception("The search ended by an error.")
        what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        failure = trouble_of(error, folder.path) or _failure(
            "engine.bug", f"The engine failed ({what})."
        )
        return ended("failed", replace(failure.info(), log=LOG))


def _write_report(folder: RunFolder) -> None:
    """The report, after the end was told: whoever watches reads on until this process is gone."""
    from engine.report.page import write_report

    with contextlib.suppress(OSError, SecateurError):
        write_report(folder)


def _failure(code: str, message: str) -> EngineFailure:
    return EngineFailure(code, message, "The log has the details; 'secateur resume' goes on.")


def _log(event: ev.Event) -> None:
    """A line for what a person would want to read of a run later."""
    if isinstance(event, LOGGED):
        level = logging.WARNING if isinstance(event, ev.Warned) else logging.INFO
        log.log(level, sentence(event))


if __name__ == "__main__":
    main()
