"""What the operating system refused, as a sentence for people: disk full, folder gone, no memory.

Owns the words for errors that are nobody's bug. It knows nothing of the search.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from engine.errors import EngineFailure

LOWEST_FREE_BYTES = 1 << 20
"""A disk with less left is full, whatever error a library made of it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_GO_ON = "then 'secateur resume' goes on."


def trouble_of(error: BaseException, run: Path) -> EngineFailure | None:
    """The sentence for an error that the system made while a search ran; None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError):
        return EngineFailure(
            "memory.full",
            f"The computer's memory is too small for this search; it was at work on {run}.",
            f"Close other programs, or search with a smaller --batch-size; {_GO_ON}",
        )
    if not run.is_dir():
        return EngineFailure(
            "run.gone",
            f"The run folder was moved or deleted while the search ran: {run}.",
            "Put it back, or name its new place to 'secateur resume', which goes on.",
        )
    if number in _FULL or _is_full(run):
        return EngineFailure(
            "disk.full",
            f"The disk is full; what was accepted is kept in the run folder: {run}.",
            f"Make room on that disk, {_GO_ON}",
        )
    if isinstance(error, OSError) and not os.access(run, os.W_OK):
        return EngineFailure(
            "run.read_only",
            f"The run folder cannot be written to ({error}): {run}.",
            f"Make it writable, {_GO_ON}",
        )
    if isinstance(error, OSError):
        return EngineFailure(
            "engine.io",
            f"A file operation failed ({error}) in the run {run}.",
            "The log has the details; 'secateur resume' goes on.",
        )
    return None


def _is_full(run: Path) -> bool:
    return shutil.disk_usage(run).free < LOWEST_FREE_BYTES
