"""Entry point of a child process of :mod:`engine.childproc`: ``-m engine.childmain TARGET``.

Owns the process boundary: limits, the private answer pipe, errors as data. It dies with its
parent. Whatever libraries print on stdout goes to stderr.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback
from typing import Any

from engine import jsonio
from engine.childproc import PARENT
from engine.errors import SecateurError

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere do nothing.

    A parent that died before this was asked is no longer ours: then this process ends here.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        os._exit(1)


def limit_memory(limit_bytes: int) -> None:
    """Cap the address space, where the system has such a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def private_stdout() -> int:
    """A descriptor of the real stdout; descriptor 1 becomes stderr, for chatty libraries."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


def main() -> None:
    """Read the payload, call the target, answer, exit."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer_to = private_stdout()
    if len(sys.argv) > 2:
        limit_memory(int(sys.argv[2]))
    answer: dict[str, Any]
    try:
        module_name, _, function_name = sys.argv[1].partition(":")
        function = getattr(importlib.import_module(module_name), function_name)
        answer = {"result": function(jsonio.loads(sys.stdin.buffer.read()))}
    except SecateurError as error:
        answer = {"error": error.info()}
    except Exception:  # noqa: BLE001 - the process boundary
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    with os.fdopen(answer_to, "wb") as pipe:
        pipe.write(jsonio.dumps(answer))
    sys.stderr.flush()
    os._exit(0)  # libraries with threads may abort while they are torn down


if __name__ == "__main__":
    main()
