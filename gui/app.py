"""The application: one window, an optional model to open in it."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSocketNotifier
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
    notifier = _obey_interrupts(window)
    for argument in arguments:
        window.opener.path(Path(argument))
    code = app.exec()
    notifier.setEnabled(False)
    return code


def _obey_interrupts(window: MainWindow) -> QSocketNotifier:
    """Let Ctrl+C in the terminal close the window: the signal wakes Qt through a socket."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    notifier = QSocketNotifier(near.fileno(), QSocketNotifier.Type.Read, window)

    def on_signal() -> None:
        near.recv(64)
        window.close()

    notifier.activated.connect(on_signal)
    notifier.setProperty("sockets", (near, far))  # they live as long as it does
    signal.set_wakeup_fd(far.fileno())
    signal.signal(signal.SIGINT, lambda *_: None)
    return notifier


if __name__ == "__main__":
    sys.exit(main())
