"""A helper process that stays: TensorFlow is imported once, many conversions are served.

Owns :class:`HelperProcess` (the parent's side) and the loop behind ``-m engine.export.server``
(the child's side): one line of JSON a request, one a reply. It is started by the first call,
started again after it died, and ends when its stdin closes. It knows nothing of what it runs.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Protocol

from engine import childproc, jsonio
from engine.childmain import die_with_parent, private_stdout
from engine.errors import ErrorInfo, SecateurError


class Caller(Protocol):
    """How a function is called elsewhere: :func:`engine.childproc.call` or a helper's."""

    def __call__(self, target: str, payload: object, *, timeout_s: float) -> Any:
        """Call ``"module:function"`` with a payload; see :func:`engine.childproc.call`."""


def fresh_checks(caller: Caller) -> Caller:
    """A caller that sends every promise check to a process of its own, all else to ``caller``."""

    def call(target: str, payload: object, *, timeout_s: float) -> Any:
        chosen = childproc.call if ".check:" in target else caller
        return chosen(target, payload, timeout_s=timeout_s)

    return call


class HelperProcess:
    """One process that serves calls, one after the other. Thread-safe.

    Memory grows a little with every model converted: after ``max_calls`` the process is replaced.
    On Linux the process dies with the thread that made the first call: call it from a thread
    that lives as long as the work.
    """

    def __init__(self, *, max_calls: int = 100) -> None:
        self._max_calls = max_calls
        self._calls = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> HelperProcess:
        """The helper itself; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def call(self, target: str, payload: object, *, timeout_s: float) -> Any:
        """Call ``target`` in the helper, as :func:`engine.childproc.call` does in a fresh one.

        Raises
        ------
        SecateurError
            What the target raised, rebuilt by kind.
        ChildDied
            Where the helper died or was too slow (it is killed then); the next call starts
            another one.
        """
        with self._lock:
            process = self._started()
            self._calls += 1
            timed_out = threading.Event()

            def give_up() -> None:
                timed_out.set()
                process.kill()

            timer = threading.Timer(timeout_s, give_up)
            timer.start()
            try:
                reply = _exchange(process, {"target": target, "payload": payload})
            except BaseException:
                process.kill()
                self._forget()
                raise
            finally:
                timer.cancel()
                timer.join()
            if not reply:
                process.wait()
                outcome = childproc.outcome_of(
                    process.returncode, self._stderr(), timed_out=timed_out.is_set()
                )
                self._forget()
                raise childproc.ChildDied(target, outcome)
        answer = jsonio.loads(reply)
        if "error" in answer:
            raise jsonio.from_plain(answer["error"], ErrorInfo).to_exception()
        return answer["result"]

    def start(self) -> None:
        """Start the process now rather than with the first call; it imports nothing yet."""
        with self._lock:
            self._started()

    def close(self) -> None:
        """Close its stdin, on which it ends; kill it where it does not within 5 s."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
        self._forget()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._calls >= self._max_calls:
            self._end()
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._forget()
        self._calls = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it has no name to be left behind
        self._process = subprocess.Popen(
            childproc.python_command("engine.export.server"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=childproc.child_environment(),
        )
        return self._process

    def _stderr(self) -> bytes:
        if self._errors is None:
            return b""
        self._errors.seek(0)
        return self._errors.read()

    def _forget(self) -> None:
        """Let go of a process that ended or was killed, and of its log."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None and not pipe.closed:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue
            process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None


def _exchange(process: subprocess.Popen[bytes], request: object) -> bytes:
    """Send one line, read one; empty where the other side is gone."""
    if process.stdin is None or process.stdout is None:
        return b""
    try:
        process.stdin.write(jsonio.dumps(request) + b"\n")
        process.stdin.flush()
        return process.stdout.readline()
    except BrokenPipeError:
        return b""


def answer(line: bytes) -> bytes:
    """Run one request, a line of JSON; its reply, a line of JSON.

    Raises
    ------
    Exception
        Whatever the target raises that is no :class:`SecateurError`: a bug ends the helper.
    """
    request = jsonio.loads(line)
    module_name, _, function_name = request["target"].partition(":")
    function: Callable[[Any], Any] = getattr(importlib.import_module(module_name), function_name)
    try:
        return jsonio.dumps({"result": function(request["payload"])})
    except SecateurError as error:
        return jsonio.dumps({"error": error.info()})


def main() -> None:
    """Serve requests from stdin until it closes."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(private_stdout(), "wb") as pipe:
        for line in sys.stdin.buffer:
            try:
                reply = answer(line)
            except Exception:  # noqa: BLE001 - the process boundary
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            pipe.write(reply + b"\n")
            pipe.flush()
    os._exit(0)  # libraries with threads may abort while they are torn down


if __name__ == "__main__":
    main()
