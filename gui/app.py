"""The application: one window, an optional model to open in it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from gui.main_window import MainWindow


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window; ``argv`` may name a model, data or a run to open in it.

    Returns
    -------
    int
        Exit code of the application, 0 after the window was closed.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["secateur", *arguments])
    app.setApplicationName("Secateur")
    app.setApplicationDisplayName("Secateur")
    app.setDesktopFileName("secateur")
    window = MainWindow()
    window.show()
    heart = _obey_interrupts(window)
    for argument in arguments:
        window.open_path(Path(argument))
    code = app.exec()
    heart.stop()
    return code


def _obey_interrupts(window: MainWindow) -> QTimer:
    """Let Ctrl+C in the terminal close the window: Python's handlers need a running interpreter."""
    signal.signal(signal.SIGINT, lambda *_: window.close())
    heart = QTimer(window)
    heart.timeout.connect(lambda: None)
    heart.start(500)
    return heart


if __name__ == "__main__":
    sys.exit(main())
