"""Engines and windows as forks of one process that has imported TensorFlow: starts for a bench.

Owns :class:`WarmEngine`, an :class:`engine.supervise.EngineProcess` whose process is a fork of this
one instead of a new interpreter; all else is the real thing. No TensorFlow operation may have run
before. Such engines have no helper process (its own import of TensorFlow costs more than all the
rest), so that sizes are estimated. A window's engine is forked before Qt has threads, and waits.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import engine.search.session  # noqa: F401 - TensorFlow, once
from engine import worker
from engine.childproc import PARENT
from engine.deaths import before
from engine.export.server import HelperProcess
from engine.runs import LOG
from engine.supervise import EngineProcess
from tests.engine.killed_engine import without_helper

_DESCRIPTORS = 4096


class Fork:
    """A forked child with pipes, as far as a supervisor uses :class:`subprocess.Popen`."""

    def __init__(self, work: Callable[[], object], stderr: IO[bytes] | None = None) -> None:
        down, up = os.pipe(), os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.dup2(down[0], 0)
            os.dup2(up[1], 1)
            if stderr is not None:
                os.dup2(stderr.fileno(), 2)
            os.closerange(3, _DESCRIPTORS)
            sys.stdin = os.fdopen(0, closefd=False)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            os.environ[PARENT] = str(parent)
            work()
            os._exit(0)
        os.close(down[0])
        os.close(up[1])
        self.stdin = os.fdopen(down[1], "wb")
        self.stdout = os.fdopen(up[0], "rb")
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """The exit code."""
        code = self._reap(0)
        return 0 if code is None else code

    def kill(self) -> None:
        """As ``kill -9``."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def run_engine(run: Path) -> None:
    """The worker on a run folder, without a helper process."""
    sys.argv[1:] = [str(run), "0"]
    HelperProcess.call = without_helper  # type: ignore[method-assign]
    worker.main()


class WarmEngine(EngineProcess):
    """An engine that is a fork of this process."""

    def start(self) -> None:
        """Fork; the child is the engine of the run folder."""
        self._before = before(self.run / LOG)
        with (self.run / LOG).open("ab") as log:
            self._process = Fork(lambda: run_engine(self.run), log)  # type: ignore[assignment]


def waiting_engine(run: Path) -> type[EngineProcess]:
    """A kind of engine whose one process is there already and begins when it is started."""
    with (run / LOG).open("ab") as log:
        fork = Fork(lambda: (os.read(0, 1), run_engine(run)), log)

    class WaitingEngine(EngineProcess):
        """An engine that was forked before it is wanted."""

        def start(self) -> None:
            """Let it begin."""
            self._before = before(self.run / LOG)
            self._process = fork  # type: ignore[assignment]
            fork.stdin.write(b"\n")
            fork.stdin.flush()

    return WaitingEngine
