"""After the end: another goal for the run, and another checkpoint by dragging the floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from engine import events as ev
from engine.errors import UserError
from engine.job import Strategy
from engine.runs import RunFolder, list_runs
from engine.runstate import fold_all
from engine.telling.cloud import pick
from gui.main_window import MainWindow
from tests.gui import story

Part = Callable[[str], None]


def played(window: MainWindow, qtbot: QtBot, part: Part) -> None:
    part("whole")
    window.setup.start_button.click()
    qtbot.waitUntil(lambda: not window.session.searching, timeout=20_000)


def test_that_a_new_goal_searches_again_in_the_same_run(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    played(ready, qtbot, part)
    card, run = ready.search.end_card, ready.session.run
    assert run is not None
    assert not card.goal.isVisible()
    card.goal_button.click()
    assert card.goal.isVisible()
    assert not card.goal.go.isEnabled(), "the goal is the old one"
    assert card.goal.target.value() == 93.2
    card.goal.tolerance.setValue(2.0)
    assert card.goal.floor.text() == "(floor 91.2\u00a0%)"
    part("again")
    card.goal.go.click()
    assert ready.session.searching
    assert not card.goal.isVisible()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    job = RunFolder(run).job()
    assert job.goal.tolerance == 0.02
    assert job.goal.target is None, "a target that was left alone stays the baseline's"
    assert job.budget.max_trials is None
    state = ready.session.state
    assert state.goal_set is not None
    assert state.goal_set.goal == job.goal
    assert state.best == 8
    assert state.trial(8) is not None
    lines = [
        str(ready.search.log_model.index(r, 0).data())
        for r in range(ready.search.log_model.rowCount())
    ]
    assert any(line.startswith("New goal: a tolerance of 2.0") for line in lines)


def test_that_a_new_goal_is_offered_only_where_the_engine_takes_one(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    action = ready.menus.actions["new_goal"]
    assert not action.isEnabled()
    part("obey")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    ready.session.stop()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    assert ready.session.state.status == "stopped"
    assert not action.isEnabled()
    assert ready.search.end_card.goal_button.isHidden()


def test_that_the_menu_asks_for_a_new_goal(ready: MainWindow, qtbot: QtBot, part: Part) -> None:
    played(ready, qtbot, part)
    ready.show_stage("setup")
    ready.menus.actions["new_goal"].trigger()
    assert ready.stage == "search"
    assert ready.search.end_card.goal.isVisible()
    ready.search.end_card.goal.cancel.click()
    assert not ready.search.end_card.goal.isVisible()


def test_that_an_unfinished_run_takes_no_new_goal(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", story.job())
    for event in story.beginning():
        folder.append(event)
    with pytest.raises(UserError, match="has ended"):
        folder.set_goal(tolerance=0.02)
    folder.append(ev.RunEnded(outcome="met"))
    with pytest.raises(UserError, match="below 0"):
        folder.set_goal(tolerance=-0.1)
    assert folder.job() == story.job()
    folder.set_goal(target=0.9, max_trials=3)
    folder.close()
    assert (folder.job().goal.target, folder.job().goal.tolerance) == (0.9, 0.01)
    assert folder.job().budget.max_trials == 3


def test_that_the_floor_picks_the_smallest_checkpoint_that_holds_it() -> None:
    state = fold_all(story.whole())
    found = {f: pick(state, "nonzero", f) for f in (0.922, 0.9255, 0.928, 0.94)}
    assert {f: None if t is None else t.trial for f, t in found.items()} == {
        0.922: 10,
        0.9255: 7,
        0.928: 6,
        0.94: None,
    }


def test_that_dragging_the_floor_picks_another_checkpoint(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    played(ready, qtbot, part)
    cloud = ready.search.cloud
    assert cloud is not None
    ready.search.measure.setCurrentIndex(0)
    qtbot.wait(50)
    view, middle = cloud.plot.getViewBox(), 0.0
    (left, right), _ = view.viewRange()
    middle = left + 0.25 * (right - left)

    def place(floor: float) -> QPoint:
        scene = view.mapViewToScene(type(view.rect().topLeft())(middle, floor))
        return QPoint(cloud.plot.mapFromScene(scene))

    viewport = cloud.plot.viewport()
    qtbot.mouseMove(viewport, place(0.922))
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=place(0.922))
    for floor in (0.924, 0.926, 0.927):
        qtbot.mouseMove(viewport, place(floor))
        qtbot.wait(20)
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=place(0.927))
    assert cloud.floor == pytest.approx(0.927, abs=5e-4)
    assert ready.inspector.title.text().endswith("6")
    assert ready.session.state.best == 10, "the run's own result stays"
    ready.search.end_card.goal_button.click()
    cloud.move_floor(0.915)
    assert ready.search.end_card.goal.tolerance.value() == pytest.approx(1.7)
    ready.search.fit()
    assert cloud.floor == 0.922


def test_that_keys_move_the_floor_and_not_during_a_search(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("obey")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    cloud = ready.search.cloud
    assert cloud is not None
    qtbot.waitUntil(lambda: cloud.floor == 0.922, timeout=5_000)
    qtbot.keyClick(cloud.plot, Qt.Key.Key_Up)
    assert cloud.floor == 0.922
    ready.session.stop()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    qtbot.keyClick(cloud.plot, Qt.Key.Key_Up)
    assert cloud.floor == pytest.approx(0.923)


@pytest.mark.parametrize(("strategy", "takes"), [("importance", True), ("structured", False)])
def test_that_a_strategy_which_cannot_go_on_is_refused_before_anything_changes(
    tmp_path: Path, strategy: Strategy, takes: bool
) -> None:
    job = replace(story.job(), strategy=strategy)
    folder = RunFolder.create(tmp_path / "run", job)
    for event in story.beginning():
        folder.append(replace(event, job=job) if isinstance(event, ev.RunStarted) else event)
    folder.append(ev.RunEnded(outcome="met"))
    (summary,) = list_runs(tmp_path)
    assert (summary.strategy, summary.takes_goal) == (strategy, takes)
    if takes:
        folder.set_goal(tolerance=0.02)
    else:
        with pytest.raises(UserError, match="this one's is structured"):
            folder.set_goal(tolerance=0.02)
    folder.close()
    assert folder.job().goal.tolerance == (0.02 if takes else 0.01)
    assert folder.state().status == "met"
