"""Help > Copy diagnostics: what to send with a report of trouble, on the clipboard.

Owns the verb; the text is the engine's, the same as ``secateur diagnostics``.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QGuiApplication

from engine.errors import ErrorInfo
from gui.session import Session


def copy_diagnostics(
    session: Session,
    then: Callable[[str], object],
    otherwise: Callable[[ErrorInfo], None],
) -> None:
    """Put the diagnostics of installation and open run on the clipboard, then call ``then``."""
    run = session.run

    def read() -> str:
        from engine.diagnostics import diagnostics

        return diagnostics(run if run is not None and run.is_dir() else None)

    def on_read(_task: int, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        then("diagnostics, without folders and names")

    session.tasks.start(read, on_read, lambda _task, error: otherwise(error))
