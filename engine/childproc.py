"""Short-lived child processes: whatever may crash, hang or eat memory runs in one.

Owns how a function of ours is called in a fresh interpreter: JSON in on stdin, JSON out on a
private pipe, limits on time and memory, its death told as data. Nothing is pickled. It imports
neither Keras nor Qt; what the called module imports is the child's business.

The function is named ``"package.module:function"``, takes one JSON value and returns one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from engine import jsonio
from engine.errors import EngineFailure, ErrorInfo

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "KERAS_BACKEND": "tensorflow"}
"""Environment of every process of ours that may import TensorFlow."""

PARENT = "SECATEUR_PARENT"
"""Environment variable that tells a process of ours who started it."""

_TAIL_BYTES = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutcome:
    """How a process ended: an exit code, or the signal that ended it, or a time-out."""

    exit_code: int | None
    signal_name: str | None = None
    timed_out: bool = False
    stderr_tail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.exit_code == 0 and self.signal_name is None and not self.timed_out

    def describe(self) -> str:
        """A clause for people: ``"was ended by SIGSEGV"``."""
        if self.timed_out:
            return "did not finish in time"
        if self.signal_name is not None:
            return f"was ended by {self.signal_name}"
        return f"ended with exit code {self.exit_code}"


class ChildDied(EngineFailure):
    """The child ended without an answer; ``outcome`` says how."""

    def __init__(self, target: str, outcome: ProcessOutcome) -> None:
        super().__init__(
            "child.died",
            f"The helper process {outcome.describe()}: {target}.",
            "Run it again; if it happens again, the log has the details.",
        )
        self.outcome = outcome


def outcome_of(returncode: int, stderr: bytes = b"", *, timed_out: bool = False) -> ProcessOutcome:
    """The outcome that a ``Popen.returncode`` stands for."""
    tail = stderr[-_TAIL_BYTES:].decode("utf-8", "replace")
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        return ProcessOutcome(
            exit_code=None, signal_name=name, timed_out=timed_out, stderr_tail=tail
        )
    return ProcessOutcome(exit_code=returncode, timed_out=timed_out, stderr_tail=tail)


def python_command(module: str, *arguments: str) -> list[str]:
    """Command line that runs a module of ours; the working directory is kept off ``sys.path``."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """The environment for a process of ours: quiet TensorFlow, the TensorFlow backend."""
    return {**os.environ, **QUIET, PARENT: str(os.getpid())}


def call(target: str, payload: object, *, timeout_s: float, memory_bytes: int | None = None) -> Any:
    """Call ``target`` with ``payload`` in a fresh interpreter and return its JSON answer.

    Parameters
    ----------
    target
        ``"package.module:function"``.
    payload
        Any JSON-able value, dataclasses included.
    timeout_s
        Wall time after which the child is killed, in seconds.
    memory_bytes
        Limit of the child's address space, where the system has one.

    Raises
    ------
    SecateurError
        What the child raised, rebuilt by kind.
    ChildDied
        Where the child ended without an answer: crash, kill, time-out, or a bug in it.
    """
    arguments = [target] if memory_bytes is None else [target, str(memory_bytes)]
    with subprocess.Popen(
        python_command("engine.childmain", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    ) as process:
        timed_out = False
        try:
            stdout, stderr = process.communicate(jsonio.dumps(payload), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            process.kill()
            stdout, stderr = process.communicate()
        except BaseException:
            process.kill()
            raise
        returncode = process.returncode
    if not timed_out and returncode == 0 and stdout:
        answer = jsonio.loads(stdout)
        if "error" in answer:
            raise jsonio.from_plain(answer["error"], ErrorInfo).to_exception()
        return answer["result"]
    raise ChildDied(target, outcome_of(returncode, stderr, timed_out=timed_out))
