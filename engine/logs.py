"""The log of a run, ``log.txt``: levels, rotation, and everything that libraries say by the way.

Owns the file and who writes into it. The engine's own lines come through :mod:`logging`; stderr,
where TensorFlow's C++ speaks, is the same file, so that nothing of it reaches a terminal.
"""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

LEVEL_VARIABLE = "SECATEUR_LOG"
"""Environment variable with the least level that is logged: DEBUG, INFO, WARNING or ERROR."""

MOST_BYTES = 2_000_000
BACKUPS = 2
"""Older parts that are kept, as ``log.txt.1`` and ``log.txt.2``."""

log = logging.getLogger("secateur")


class _RunLog(RotatingFileHandler):
    """A rotating file that stderr follows."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=BACKUPS, encoding="utf-8")
        self._lead_stderr()

    def doRollover(self) -> None:
        """Begin a new part, for stderr too."""
        super().doRollover()
        self._lead_stderr()

    def _lead_stderr(self) -> None:
        if self.stream is not None:
            os.dup2(self.stream.fileno(), 2)


def log_to(path: Path) -> None:
    """Log to this file from now on; stderr, warnings and unhandled errors go there too."""
    handler = _RunLog(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get(LEVEL_VARIABLE, "INFO").upper()
    log.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
