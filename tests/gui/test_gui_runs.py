"""The runs stage: list, open, resume, new goal, lay over, delete."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from engine import events as ev
from engine.job import DataSpec, Goal
from engine.runs import RunFolder, list_runs
from engine.runstate import fold_all
from engine.telling.cloud import cloud, overlay, together
from gui import run_verbs
from gui.main_window import MainWindow
from gui.models.runs import RunsModel
from tests.gui import story

Part = Callable[[str], None]


def make_run(name: str, events: list[ev.Event]) -> Path:
    """A run below the folder that the window lists."""
    folder = RunFolder.create(Path.cwd() / "secateur-runs" / name, story.job())
    for event in events:
        folder.append(event)
    folder.close()
    return folder.path


@pytest.fixture
def runs(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window with one finished and one interrupted run in its list."""
    make_run("2026-01-01-whole", story.whole())
    make_run("2026-01-02-cut", [*story.beginning(), *story.middle()])
    window.menus.actions["stage_runs"].trigger()
    window.run_verbs.refresh()
    qtbot.waitUntil(lambda: window.runs.model.rowCount() == 2, timeout=10_000)
    return window


def select(window: MainWindow, name: str) -> Path:
    """Select a run by name."""
    panel = window.runs
    row = [r.name for r in panel.model.rows].index(name)
    panel.table.setCurrentIndex(panel.sorted.mapFromSource(panel.model.index(row, 0)))
    selected = panel.selected()
    assert selected is not None
    assert selected.name == name
    return selected


def test_that_without_runs_the_stage_offers_to_set_one_up(window: MainWindow) -> None:
    window.show_stage("runs")
    assert window.runs.currentIndex() == 0
    window.runs.set_up_wanted.emit()
    assert window.stage == "setup"


def test_that_the_model_of_runs_holds_qts_contract(qtbot: QtBot) -> None:
    make_run("a", story.whole())
    model = RunsModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_rows(list_runs())
    model.set_rows(())


def test_that_runs_are_listed_with_how_they_stand(runs: MainWindow) -> None:
    panel = runs.runs
    assert runs.stage == "runs"
    rows = [
        [str(panel.model.index(row, column).data()) for column in range(panel.model.columnCount())]
        for row in range(2)
    ]
    by_name = {row[0]: row for row in rows}
    assert by_name["2026-01-01-whole"][-1] == "Floor met"
    assert by_name["2026-01-01-whole"][4:6] == ["93.2\u00a0%", "92.5\u00a0%"]
    assert by_name["2026-01-02-cut"][-1] == "Interrupted"
    select(runs, "2026-01-02-cut")
    assert panel.resume_button.isEnabled()
    assert not panel.goal_button.isEnabled()
    assert not panel.overlay_button.isEnabled(), "no run is open to lay it over"
    select(runs, "2026-01-01-whole")
    assert not panel.resume_button.isEnabled()
    assert panel.goal_button.isEnabled()
    panel.copy()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert copied[0].startswith("path,name,status,model")
    assert len(copied) == 3


def test_that_enter_opens_the_selected_run(runs: MainWindow, qtbot: QtBot) -> None:
    path = select(runs, "2026-01-01-whole")
    runs.runs.table.setFocus()
    qtbot.keyClick(runs.runs.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: runs.session.run == path, timeout=10_000)
    assert runs.stage == "search"
    assert runs.search.end_card.isVisible()


def test_that_an_interrupted_run_is_resumed_from_the_list(
    runs: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("resume")
    path = select(runs, "2026-01-02-cut")
    runs.runs.resume_button.click()
    qtbot.waitUntil(lambda: runs.session.state.status == "met", timeout=20_000)
    qtbot.waitUntil(lambda: not runs.session.searching, timeout=5_000)
    assert RunFolder(path).state().status == "met", "on disk too"
    runs.show_stage("runs")
    qtbot.waitUntil(lambda: {r.status for r in runs.runs.model.rows} == {"met"}, timeout=10_000)


def test_that_a_new_goal_is_asked_for_from_the_list(runs: MainWindow, qtbot: QtBot) -> None:
    select(runs, "2026-01-01-whole")
    runs.runs.goal_button.click()
    qtbot.waitUntil(lambda: runs.search.end_card.goal.isVisible(), timeout=10_000)
    assert runs.stage == "search"


def test_that_no_new_goal_is_offered_where_the_strategy_takes_none(
    runs: MainWindow, qtbot: QtBot
) -> None:
    folder = RunFolder(make_run("2026-01-03-structured", story.whole()))
    folder.set_job(replace(folder.job(), strategy="structured"))
    runs.run_verbs.refresh()
    qtbot.waitUntil(lambda: runs.runs.model.rowCount() == 3, timeout=10_000)
    select(runs, "2026-01-01-whole")
    assert runs.runs.goal_button.isEnabled()
    select(runs, "2026-01-03-structured")
    assert not runs.runs.goal_button.isEnabled()


def test_that_a_second_run_lies_over_the_cloud_in_its_own_marks(
    runs: MainWindow, qtbot: QtBot
) -> None:
    runs.run_verbs.open(select(runs, "2026-01-01-whole"))
    qtbot.waitUntil(lambda: runs.session.run is not None, timeout=10_000)
    runs.show_stage("runs")
    select(runs, "2026-01-02-cut")
    runs.runs.overlay_button.click()
    qtbot.waitUntil(lambda: runs.search.overlay_button.isVisible(), timeout=10_000)
    cloud_plot = runs.search.cloud
    assert cloud_plot is not None
    assert runs.stage == "search"
    spots = cloud_plot.others.points()
    assert len(spots) == 11, "ten trials and the baseline"
    assert {spot.symbol() for spot in spots} == {"t1"}
    assert "t1" not in {spot.symbol() for spot in cloud_plot.scatter.points()}
    assert "2026-01-02-cut" in runs.search.legend.accessibleName()
    rows = [row[0] for row in cloud_plot.rows()]
    assert rows.count("2026-01-02-cut") == 11
    runs.show_stage("runs")
    select(runs, "2026-01-02-cut")
    assert runs.runs.overlay_button.text() == "Remove from the cloud"
    runs.menus.actions["no_overlay"].trigger()
    assert len(cloud_plot.others.points()) == 0
    assert not runs.search.overlay_button.isVisibleTo(runs.search)
    assert runs.runs.overlay_button.text() == "Lay over the cloud"


def test_that_runs_of_other_units_are_not_laid_over() -> None:
    one, two = fold_all(story.whole()), fold_all(story.whole())
    same = overlay(one, two, "other", "objective")
    assert same.cloud is not None
    base = two.baseline
    assert base is not None
    other_metric = replace(two, baseline=replace(base, metric="macro_f1"))
    assert overlay(one, other_metric, "other", "nonzero").why_not == "other is judged by macro F1"
    job = replace(story.job(), goal=Goal(minimise="latency"), data=DataSpec(source="x.npz"))
    fast = replace(two, job=job)
    assert overlay(one, fast, "other", "objective").cloud is None
    assert overlay(one, fast, "other", "nonzero").cloud is not None, "parameters are parameters"


def test_that_the_view_holds_both_clouds() -> None:
    found = cloud(fold_all(story.whole()), "nonzero")
    wider = replace(found, left=found.left / 2, high=found.high + 1)
    left, right, low, high = together(found, wider)
    assert (left, right) == (wider.left, found.right)
    assert found.low - 0.1 < low < found.low
    assert wider.high < high < wider.high + 0.1
    assert together(found, None) == (found.left, found.right, found.low, found.high)


def test_that_a_run_goes_to_the_trash_after_a_question(
    runs: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    trash = tmp_path / "trash"
    trash.mkdir()

    def move(path: str) -> bool:
        shutil.move(path, trash)
        return True

    monkeypatch.setattr(run_verbs.QFile, "moveToTrash", move)
    path = select(runs, "2026-01-01-whole")
    runs.run_verbs.open(path)
    qtbot.waitUntil(lambda: runs.session.run == path, timeout=10_000)
    runs.confirm = lambda question, *_: bool(asked.append(question))
    runs.run_verbs.delete(path)
    assert asked == ["Delete the run 2026-01-01-whole?"]
    assert path.is_dir(), "the answer was no"
    runs.confirm = lambda *_: True
    runs.show_stage("runs")
    select(runs, "2026-01-01-whole")
    runs.runs.table.setFocus()
    qtbot.keyClick(runs.runs.table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: runs.runs.model.rowCount() == 1, timeout=10_000)
    assert not path.exists()
    assert (trash / path.name / "journal.jsonl").is_file()
    assert runs.session.run is None, "it is open no longer"
    assert "Deleted" in runs.banner.message.text()


def test_that_without_a_trash_it_is_asked_again(
    runs: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_verbs.QFile, "moveToTrash", lambda _path: False)
    questions: list[str] = []

    def confirm(question: str, _why: str, _yes: str) -> bool:
        questions.append(question)
        return len(questions) < 2 or len(questions) == 4

    runs.confirm = confirm
    path = select(runs, "2026-01-01-whole")
    runs.runs.delete_button.click()
    qtbot.waitUntil(lambda: len(questions) == 2, timeout=10_000)
    assert questions[1] == "Delete the run 2026-01-01-whole for good?"
    assert path.is_dir()
    questions.append("")
    runs.settings.set_flag("ask_delete", False)
    runs.runs.delete_button.click()
    qtbot.waitUntil(lambda: not path.exists(), timeout=10_000)


def test_that_a_run_under_way_is_not_deleted(ready: MainWindow, qtbot: QtBot, part: Part) -> None:
    part("obey")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    run = ready.session.run
    assert run is not None
    ready.confirm = lambda *_: True
    ready.run_verbs.delete(run)
    assert "under way" in ready.banner.message.text()
    ready.session.stop()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=5_000)
    assert run.is_dir()


def test_that_only_runs_are_ever_deleted(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    precious = tmp_path / "photos"
    precious.mkdir()
    window.confirm = lambda *_: True
    window.run_verbs.delete(precious)
    qtbot.waitUntil(lambda: window.banner.isVisible(), timeout=5_000)
    assert precious.is_dir()
    assert "no run folder" in window.banner.message.text()
