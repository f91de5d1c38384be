"""Functions that end their process in ways that a damaged file can, for the child's tests."""

from __future__ import annotations

import os
import signal
import time


def crash(payload: object) -> None:
    """End by a segmentation fault."""
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(payload: object) -> None:
    """Never end."""
    time.sleep(600)


def eat(payload: object) -> None:
    """Ask for more memory than there may be."""
    bytearray(1 << 40)
