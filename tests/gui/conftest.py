"""The window's tests: offscreen, own settings, Qt warnings fail, nothing left running."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QSettings, QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.job import DataSpec
from gui.main_window import MainWindow
from tests.gui import story

ROOT = Path(__file__).parents[2]
FAKE = "tests.gui.fake_engine"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Qt's warnings fail every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, runs and the working directory of each test are its own."""
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Chooses what the scripted engine plays."""
    return lambda name: monkeypatch.setenv("SECATEUR_FAKE", name)


def children() -> set[int]:
    """Process ids of this process's children."""
    return {process.pid for process in psutil.Process().children()}


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """A shown window with the scripted engine; at the end it is closed and nothing may be left."""
    before = children()  # other tests may share helper processes for the whole session
    made = MainWindow(engine=FAKE)
    made.resize(1280, 800)
    made.show()
    qtbot.waitUntil(lambda: made.search.cloud is not None, timeout=20_000)
    yield made
    made.confirm = lambda *_: True
    made.close()
    assert not [t for t in made.findChildren(QThread) if t.isRunning()], "a thread was left"
    assert not [t for t in made.findChildren(QTimer) if t.isActive()], "a timer was left"
    assert not children() - before, "a process was left"
    made.deleteLater()
    QApplication.sendPostedEvents(None, 52)  # deferred deletes


@pytest.fixture
def ready(window: MainWindow) -> MainWindow:
    """A window in which the story's model and data are set up."""
    window.session.take_model(story.facts())
    window.session.set_data(DataSpec(source="fashion.npz"))
    return window
