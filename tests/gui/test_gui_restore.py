"""After a crash of the window: what was live or set up is offered again, once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QLockFile
from pytestqt.qtbot import QtBot

from engine import jsonio
from engine.job import DataSpec, Goal
from engine.runs import RunFolder
from gui.main_window import MainWindow
from gui.resources import sample_model
from gui.settings import Settings
from tests.gui import story
from tests.gui.conftest import FAKE, ROOT

Part = Callable[[str], None]
WINDOW_THAT_DIES = """
import os, sys, time
from pathlib import Path
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, sys.argv[1])
app = QApplication([])
from engine.job import DataSpec
from gui.main_window import MainWindow
from tests.gui import story
window = MainWindow(engine="tests.gui.fake_engine")
window.show()
def until(true):
    while not true():
        app.processEvents()
        time.sleep(0.01)
until(lambda: window.search.cloud is not None)
window.session.take_model(story.facts())
window.session.set_data(DataSpec(source="fashion.npz"))
window.session.start()
until(lambda: window.session.state.running is not None and window.session.state.running.step > 130)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def start(qtbot: QtBot) -> Callable[[], MainWindow]:
    """Starts a window as a person would, with the settings that are there."""

    def make() -> MainWindow:
        window = MainWindow(engine=FAKE)
        qtbot.addWidget(window)
        window.show()
        qtbot.waitUntil(lambda: window.search.cloud is not None, timeout=20_000)
        return window

    return make


def test_that_a_search_survives_the_death_of_its_window(
    start: Callable[[], MainWindow], qtbot: QtBot, part: Part, tmp_path: Path
) -> None:
    part("obey")
    died = subprocess.run(
        [sys.executable, "-c", WINDOW_THAT_DIES, str(tmp_path / "settings")],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False,
    )  # fmt: skip
    assert died.returncode == -9
    part("resume")
    window = start()
    qtbot.waitUntil(lambda: window.banner.isVisible(), timeout=10_000)
    assert window.banner.message.text() == (
        "The search of vgg_story was interrupted at fine-tune 11: the window ended."
    )
    assert window.banner.action_texts() == ["Resume", "Open"]
    window.banner.click_action(0)
    qtbot.waitUntil(lambda: window.session.state.status == "met", timeout=20_000)
    qtbot.waitUntil(lambda: not window.session.searching, timeout=5_000)
    assert window.session.run is not None
    assert RunFolder(window.session.run).state().status == "met"
    window.close()
    again = start()
    qtbot.wait(300)
    assert not again.banner.isVisible(), "it is offered once"
    again.close()


def test_that_what_was_set_up_is_offered_again(
    start: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    window = start()
    window.opener.sample()
    qtbot.waitUntil(lambda: window.session.wishes.ready, timeout=30_000)
    noted = window.settings.note("job")
    assert noted
    window.close()
    assert Settings().note("job") == "", "closed as it should be"
    settings = Settings()
    settings.set_note("job", noted)
    settings.sync()
    again = start()
    qtbot.waitUntil(lambda: again.banner.isVisible(), timeout=10_000)
    assert sample_model().name in again.banner.message.text()
    again.banner.click_action(0)
    qtbot.waitUntil(lambda: again.session.wishes.ready, timeout=30_000)
    assert again.session.wishes.data == DataSpec(source="digits", seen="no")
    assert again.session.wishes.goal == Goal(tolerance=0.02)
    again.close()


@pytest.mark.parametrize("noted", ["no json at all", "{}", "[1]"])
def test_that_broken_notes_are_no_offer(
    start: Callable[[], MainWindow], qtbot: QtBot, noted: str
) -> None:
    settings = Settings()
    settings.set_note("job", noted)
    settings.set_note("run", "/nowhere" if noted == "{}" else "")
    settings.sync()
    window = start()
    qtbot.wait(200)
    assert not window.banner.isVisible()
    window.close()


def test_that_a_second_window_leaves_the_notes_of_the_first_alone(
    start: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    settings = Settings()
    settings.path.parent.mkdir(parents=True, exist_ok=True)
    first = QLockFile(str(settings.path.parent / "window.lock"))
    assert first.tryLock(0)
    settings.set_note("job", jsonio.dumps(jsonio.to_plain(story.job())).decode())
    settings.sync()
    second = start()
    qtbot.wait(200)
    assert not second.banner.isVisible()
    second.close()
    assert Settings().note("job")
    first.unlock()
