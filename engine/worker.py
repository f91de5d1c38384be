"""The engine process: reads a job from its run folder, works, tells, obeys.

Started as ``-m engine.worker RUN [NICE]`` by :mod:`engine.supervise`. Owns the process boundary:
the command pipe on stdin (its end is the parent's death, and ours), the event pipe on stdout, the
journal's order, and that exactly one :class:`engine.events.RunEnded` is sent whatever happens.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import BinaryIO

from engine import events as ev
from engine import jsonio
from engine.childmain import die_with_parent, private_stdout
from engine.control import EngineControl, Stopped
from engine.errors import EngineFailure, ErrorInfo, SecateurError
from engine.report.result import result_of
from engine.runs import LOG, RunFolder


class Emitter:
    """Sends events: to the journal first, then up the pipe. Safe to call from any thread."""

    def __init__(self, folder: RunFolder, pipe: BinaryIO) -> None:
        self._folder = folder
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, event: ev.Event) -> None:
        """Record and send one event."""
        with self._lock:
            self._folder.append(event)
            self._send(event)

    def end(self, event: ev.RunEnded) -> None:
        """Record the end, write the result that follows from the journal, then send the end."""
        with self._lock:
            with contextlib.suppress(OSError):  # a full disk must not hide the end
                self._folder.append(event)
                if event.outcome != "failed":
                    self._folder.write_result(result_of(self._folder.state()))
            self._send(event)

    def _send(self, event: ev.Event) -> None:
        try:
            self._pipe.write(ev.dump_event(event) + b"\n")
            self._pipe.flush()
        except BrokenPipeError:
            os._exit(1)  # whoever watched is gone


def main() -> None:
    """Run the search of one folder to its end."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = os.fdopen(private_stdout(), "wb")
    if len(sys.argv) > 2 and int(sys.argv[2]) and hasattr(os, "nice"):
        os.nice(int(sys.argv[2]))
    folder = RunFolder(Path(sys.argv[1]))
    emit = Emitter(folder, pipe)
    control = EngineControl(emit)
    threading.Thread(target=_listen, args=(sys.stdin.buffer, control), daemon=True).start()
    end = _work(folder, emit, control)
    emit.end(end)
    _write_report(folder)
    folder.close()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's threads may abort while the interpreter is torn down


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
    earlier = folder.state().ended
    before = 0.0 if earlier is None or earlier.seconds is None else earlier.seconds

    def ended(outcome: str, error: ErrorInfo | None = None) -> ev.RunEnded:
        seconds = before + time.monotonic() - began
        return jsonio.from_plain(
            {"outcome": outcome, "error": jsonio.to_plain(error), "seconds": seconds}, ev.RunEnded
        )

    try:
        folder.lock()
        from engine.search.session import run_search  # Keras comes with it

        return ended(run_search(folder, emit, control))
    except Stopped:
        return ended("stopped")
    except SecateurError as error:
        return ended("failed", error.info())
    except OSError as error:
        traceback.print_exc()
        return ended("failed", _failure("engine.io", f"A file operation failed ({error}).", folder))
    except Exception as error:  # noqa: BLE001 - the process boundary
        traceback.print_exc()
        what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return ended("failed", _failure("engine.bug", f"The engine failed ({what}).", folder))


def _write_report(folder: RunFolder) -> None:
    """The report, after the end was told: whoever watches reads on until this process is gone."""
    from engine.report.page import write_report

    with contextlib.suppress(OSError, SecateurError):
        write_report(folder)


def _failure(code: str, message: str, folder: RunFolder) -> ErrorInfo:
    info = EngineFailure(code, message, "The log has the details; 'secateur resume' goes on.")
    return ErrorInfo(
        kind="EngineFailure", code=code, message=info.message, hint=info.hint,
        log=str(folder.path / LOG),
    )  # fmt: skip


if __name__ == "__main__":
    main()
