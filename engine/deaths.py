"""Why a process of ours died: for want of memory, by a crash of its own, or because it was killed.

Owns the evidence: the signal, the system's count of processes it ended for memory, and the last
words in the log. Pure reading; what follows is decided in :mod:`engine.supervise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.childproc import ProcessOutcome

Cause = Literal["memory", "crash", "kill"]

MOST_DEATHS = 2
"""After so many in one trial that trial fails; one more ends the run."""

_ASKED_FOR = {"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"}
_OF_MEMORY = (
    b"bad_alloc", b"Cannot allocate memory", b"out of memory", b"OOM when allocating",
    b"MemoryError", b"failed to allocate",
)  # fmt: skip
_LAST_WORDS_BYTES = 4000


def system_kills() -> int:
    """Processes that Linux has ended for want of memory since it started; 0 elsewhere."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was known when a process was started: :func:`system_kills`, and the log's bytes."""

    kills: int
    log_bytes: int


def before(log: Path) -> Before:
    """What is known now of the system and of the log that a process will write to."""
    return Before(kills=system_kills(), log_bytes=log.stat().st_size if log.exists() else 0)


def cause_of(outcome: ProcessOutcome, log: Path, known: Before) -> Cause:
    """What ended a process that did not say.

    Parameters
    ----------
    log
        Where its libraries wrote their last words.
    known
        :func:`before` it was started.
    """
    if outcome.signal_name == "SIGKILL" and system_kills() > known.kills:
        return "memory"
    if outcome.signal_name in _ASKED_FOR:
        return "kill"
    words = _last_words(log, known.log_bytes)
    return "memory" if any(word in words for word in _OF_MEMORY) else "crash"


def _last_words(log: Path, since: int) -> bytes:
    """The end of a log, as far as it was written since it had that size (or began anew)."""
    try:
        with log.open("rb") as file:
            size = log.stat().st_size
            file.seek(max(since if since <= size else 0, size - _LAST_WORDS_BYTES))
            return file.read()
    except OSError:
        return b""
