"""Functions that tests of survival call in a child process, since they change the whole process."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from engine import confine, logs


def scratch_of(run: str) -> dict[str, Any]:
    """In a child: where temporary files go."""
    confine.own_scratch(Path(run))
    return {
        "temporary": tempfile.gettempdir(),
        "files": [p.name for p in Path(tempfile.gettempdir()).iterdir()],
    }


def network_of(probe: str) -> dict[str, Any]:
    """In a child: whether the network was left, and what a connection comes to then."""
    left = confine.leave_network(Path(probe))
    error = 0
    if left:
        with socket.socket() as one:
            error = one.connect_ex(("192.0.2.1", 80))
    return {"left": left, "error": error, "user": os.geteuid()}


def memory_of(size_bytes: int) -> str:
    """In a child: what comes of asking for so much under the limit."""
    confine.limit_memory()
    try:
        return "there" if bytearray(size_bytes) else ""
    except MemoryError:
        return "MemoryError"


def log_much(folder: str) -> None:
    """In a child: many lines, and noise on stderr between them."""
    logs.MOST_BYTES = 2000
    logs.log_to(Path(folder) / "log.txt")
    for number in range(200):
        logs.log.warning("line %d", number)
        logs.log.debug("nobody asked")
        os.write(2, f"noise of a library {number}\n".encode())
