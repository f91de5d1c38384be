"""What the window says of a run that is at work elsewhere, and of diagnostics."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from engine import events as ev
from engine.job import DataSpec, Job
from engine.runs import RunFolder
from engine.telling.sentences import engine_died
from gui.main_window import MainWindow
from gui.models.log import LogModel, mark


def test_that_diagnostics_come_to_the_clipboard(window: MainWindow, qtbot: QtBot) -> None:
    window.menus.actions["diagnostics"].trigger()
    clipboard = QGuiApplication.clipboard()
    qtbot.waitUntil(lambda: clipboard.text().startswith("Secateur "), timeout=20_000)
    assert str(Path.home()) not in clipboard.text()


def test_that_a_run_at_work_elsewhere_is_told_and_left_alone(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = RunFolder.create(tmp_path / "run", Job(model="m", data=DataSpec(source="digits")))
    folder.lock()
    session = window.session
    session.run = folder.path
    with qtbot.waitSignal(session.failed, timeout=20_000) as failed:
        session.resume_run()
    assert failed.args is not None
    assert failed.args[0].message.startswith("Another Secateur is working on this run:")
    assert not (folder.path / "journal.jsonl").exists()
    folder.close()


def test_that_the_engine_s_death_is_a_line_of_the_log(qtbot: QtBot) -> None:
    died = ev.EngineDied(trial=3, cause="memory", how="was ended by SIGKILL", times=1)
    log = LogModel()
    log.set_log((died,), None)
    assert log.data(log.index(0)) == engine_died(died)
    assert mark(died)[1] == "warn"
